"""A port that answers whoever asks, however many others connect and say nothing.

One thread waits for all connections at once, so that a silent one keeps nobody waiting. Each has a short time for its
request. There are so many of one source at most, and so many in all: beyond that the one that has been silent for
longest goes, and never the one that has just come, which may be the kubelet's.
"""

from __future__ import annotations

import contextlib
import logging
import selectors
import socket
import threading
import time
from typing import Callable, Iterable

log = logging.getLogger(__name__)

REQUEST_SECONDS = 1.0
"""For the whole head of a request: a probe sends it at once."""
ANSWER_SECONDS = 5.0
"""For whoever reads the answer."""
MOST_OF_A_SOURCE = 16
MOST = 128
_LARGEST_HEAD = 4096
_PIECE_BYTES = 4096
_HEAD_ENDS = (b"\r\n\r\n", b"\n\n")


class _Connection:
    """One that has come and is not answered yet."""

    def __init__(self, connection: socket.socket, source: str, until: float) -> None:
        self.socket, self.source, self.until = connection, source, until
        self.request = b""
        self.answer = memoryview(b"")

    @property
    def asks(self) -> bool:
        """Whether its request is still to come."""
        return not self.answer


class Listener:
    """Answers every connection to a port of the pod with what `answer` makes of the request: a status and a text."""

    def __init__(
        self,
        port: int,
        answer: Callable[[bytes], tuple[str, str]],
        *,
        ipv6: bool,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._answer, self._clock = answer, clock
        self._listener = socket.socket(socket.AF_INET6 if ipv6 else socket.AF_INET)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # after a restart; not while we listen
        try:
            self._listener.bind(("::" if ipv6 else "0.0.0.0", port))  # noqa: S104 - they ask the pod's address
            self._listener.listen(MOST)
        except OSError:
            self._listener.close()
            raise
        self._listener.setblocking(False)
        self._connections: dict[int, _Connection] = {}
        """By file number, oldest first."""
        self._closed = False
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._work, name=f"port {port}", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Give the port back; the container ends."""
        self._closed = True
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread, which closes it
        self._thread.join(REQUEST_SECONDS)

    def _work(self) -> None:
        while not self._closed:
            for key, _ in self._selector.select(self._wait()):
                if key.fileobj is self._listener:
                    self._take()
                elif key.fd in self._connections:
                    self._go_on(self._connections[key.fd])
            self._end(each for each in self._connections.values() if each.until <= self._clock())
        self._end(self._connections.values())
        self._selector.close()
        self._listener.close()

    def _wait(self) -> float | None:
        """Seconds until the next one has had its time."""
        first = min((each.until for each in self._connections.values()), default=None)
        return None if first is None else max(0.0, first - self._clock())

    def _take(self) -> None:
        try:
            connection, address = self._listener.accept()
        except OSError:
            # No file is left for it, as a rule: one of ours goes.
            self._end(list(self._connections.values())[:1])
            return
        source = str(address[0])
        same = [each for each in self._connections.values() if each.source == source]
        if len(same) >= MOST_OF_A_SOURCE:
            self._end([_longest_silent(same)])
        elif len(self._connections) >= MOST:
            self._end([_longest_silent(self._connections.values())])
        connection.setblocking(False)
        self._connections[connection.fileno()] = _Connection(connection, source, self._clock() + REQUEST_SECONDS)
        self._selector.register(connection, selectors.EVENT_READ)

    def _go_on(self, connection: _Connection) -> None:
        try:
            if connection.asks:
                self._read(connection)
            else:
                connection.answer = connection.answer[connection.socket.send(connection.answer) :]
                if not connection.answer:
                    self._end([connection])
        except BlockingIOError:
            return
        except OSError:
            self._end([connection])

    def _read(self, connection: _Connection) -> None:
        """Read on, and turn to the answer once the whole head is there: what stays unread when it is closed would take
        the answer with it."""
        piece = connection.socket.recv(_PIECE_BYTES)
        connection.request += piece
        whole = any(end in connection.request for end in _HEAD_ENDS) or len(connection.request) >= _LARGEST_HEAD
        if not (piece or connection.request):
            self._end([connection])
        elif whole or not piece:
            connection.answer = memoryview(_written(*self._answered(connection.request)))
            connection.until = self._clock() + ANSWER_SECONDS
            self._selector.modify(connection.socket, selectors.EVENT_WRITE)

    def _answered(self, request: bytes) -> tuple[str, str]:
        try:
            return self._answer(request)
        # The boundary of the thread: one request that nobody foresaw must not end it.
        except Exception:
            log.exception("a request cannot be answered")
            return "500 Internal Server Error", ""

    def _end(self, connections: Iterable[_Connection]) -> None:
        for connection in list(connections):
            del self._connections[connection.socket.fileno()]
            self._selector.unregister(connection.socket)
            connection.socket.close()


def _longest_silent(connections: Iterable[_Connection]) -> _Connection:
    """The oldest of those that have asked nothing; of those that read, where all have asked."""
    return min(connections, key=lambda each: (not each.asks, each.until))


def _written(status: str, text: str) -> bytes:
    body = text.encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {len(body)}\r\n"
    return f"{head}Connection: close\r\n\r\n".encode() + body
