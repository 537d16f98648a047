"""What the guard reads of a server's answers: as much as it can use."""

import contextlib
import http.server
import socketserver
import threading
from collections.abc import Iterator

import pytest

from slipway.guard import protocol
from slipway.guard.protocol import Client, Refused, TooSlow


class _Endless(http.server.BaseHTTPRequestHandler):
    """A fake server whose answers are as long as the client goes on reading."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path.endswith("large") else 500)
        self.end_headers()
        try:
            while True:
                self.wfile.write(b"x" * 65_536)
        except OSError:
            return

    def log_message(self, *args: object) -> None:
        """Nobody wants to know."""


@pytest.fixture
def port() -> Iterator[int]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Endless) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def test_an_answer_without_an_end_is_refused(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "_ANSWER_LIMIT", 3 << 20)
    with pytest.raises(Refused, match="larger than 3 MiB"):
        Client(port, "large").metadata(10)


def test_of_an_error_only_the_beginning_is_read(port: int) -> None:
    with pytest.raises(Refused) as refused:
        Client(port, "wrong").metadata(10)
    assert len(str(refused.value)) <= 65_536


HEAD = b"HTTP/1.1 200 OK\r\n"
DRIPS = {
    "before its status": b"",
    "in its head": HEAD + b"A: ",
    "in its body": HEAD + b"\r\n",
    "in an error": b"HTTP/1.1 500 No\r\n\r\n",
}


@pytest.mark.parametrize("place", DRIPS)
def test_an_answer_that_brings_a_little_again_and_again_has_the_time_of_one(place: str) -> None:
    # given: a server that says something every few milliseconds, and is never done
    class Dripping(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with contextlib.suppress(OSError):
                self.request.sendall(DRIPS[place])
                while not ended.wait(0.01):
                    self.request.sendall(b"1" if DRIPS[place] else b"HTTP/1.1 100 Continue\r\n\r\n")

    ended = threading.Event()
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Dripping) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            # when, then
            with pytest.raises(TooSlow, match=r"no answer within 0\.2 s"):
                Client(server.server_address[1], "m").metadata(0.2)
        finally:
            ended.set()
            server.shutdown()
