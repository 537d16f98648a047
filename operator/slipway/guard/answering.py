"""What the kubelet's startup probe asks: whether the model has answered rightly.

On a port that the guard takes before the server starts: whatever code the server runs, it can neither answer there nor
take the port from a process that listens on it. A file would be anybody's to write who runs as the same user.
"""

from __future__ import annotations

import contextlib
import ctypes
import socket
import threading

from .verdict import SPEC_INVALID, Verdict

_PR_SET_DUMPABLE = 4
_WORKERS = 4
# A stranger who connects and says nothing holds a worker for that long; the probe comes again.
_PATIENCE_SECONDS = 0.5


class Answering:
    """Answers every connection with 200 once verified, and with 503 before."""

    def __init__(self, port: int, *, ipv6: bool) -> None:
        family = socket.AF_INET6 if ipv6 else socket.AF_INET
        self._listener = socket.socket(family)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # after a restart; not while we listen
        try:
            self._listener.bind(("::" if ipv6 else "0.0.0.0", port))  # noqa: S104 - the kubelet asks the pod's address
            self._listener.listen(64)
        except OSError as error:
            message = f"port {port} of the pod is Slipway's, and cannot be had: {error.strerror}; move what takes it"
            raise Verdict(SPEC_INVALID, message) from None
        self._verified = threading.Event()
        for _ in range(_WORKERS):
            threading.Thread(target=self._work, name="answering", daemon=True).start()

    def verified(self) -> None:
        """The model has answered rightly."""
        self._verified.set()

    def close(self) -> None:
        """Give the port back; the container ends."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _work(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                if self._listener.fileno() < 0:
                    return
                continue
            with connection, contextlib.suppress(OSError):
                self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        connection.settimeout(_PATIENCE_SECONDS)
        connection.recv(4096)  # what stays unread when it is closed would take the answer with it
        status = "200 OK" if self._verified.is_set() else "503 Service Unavailable"
        connection.sendall(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())


def keep_others_out() -> None:
    """No other process of this user may look into the guard or trace it. Only once the server runs: a process that is
    made by one like this cannot list its own files, and closes every number that there could be."""
    ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
