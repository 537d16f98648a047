"""A server of somebody else's on loopback, which remembers what a browser tells it."""

from http.server import BaseHTTPRequestHandler

from tests.serving import EndingServer


class Visited(EndingServer):
    """It has one page, at every address."""

    def __init__(self) -> None:
        super().__init__(_Visit)
        self.headers: list[str] = []
        """Of each request."""

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Visit(BaseHTTPRequestHandler):
    server: Visited

    def do_GET(self) -> None:
        self.server.headers.append(f"{self.path}\n{self.headers}")
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<main>other</main>")

    def log_message(self, *args: object) -> None:
        """Nobody wants to know."""
