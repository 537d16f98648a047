"""Fake servers of tests that answer slowly, or without an end."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TypeVar


class EndingServer(ThreadingHTTPServer):
    """A server on loopback, whose handlers stop when `ended` is set."""

    daemon_threads = True

    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.ended = threading.Event()


S = TypeVar("S", bound=EndingServer)


@contextmanager
def running(server: S) -> Iterator[S]:
    """Run it until the end of the block."""
    with server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server
        finally:
            server.ended.set()
            server.shutdown()
