"""What the guard answers on ports of its own: to the kubelet's startup probe, whether the model has answered rightly;
to the operator, scores.

Ports that the guard takes before the server starts: whatever code the server runs, it can neither answer there nor
take them from a process that listens on it. A file would be anybody's to write who runs as the same user.
"""

from __future__ import annotations

import ctypes
import threading
from typing import Callable

from .listener import Listener
from .verdict import SPEC_INVALID, Verdict

_PR_SET_DUMPABLE = 4
_SCORES = b"GET /scores "


class Answering:
    """Answers every connection with 200 once verified, and with 503 before."""

    def __init__(self, port: int, *, ipv6: bool) -> None:
        self._verified = threading.Event()
        self._scores: Callable[[], bytes] | None = None
        try:
            self._listener = Listener(port, self._answer, ipv6=ipv6)
        except OSError as error:
            message = f"port {port} of the pod is Slipway's, and cannot be had: {error.strerror}; move what takes it"
            raise Verdict(SPEC_INVALID, message) from None

    def verified(self, scores: Callable[[], bytes] | None = None) -> None:
        """The model has answered rightly; `scores` are what `/scores` answers from now on."""
        self._scores = scores
        self._verified.set()

    def close(self) -> None:
        """Give the port back; the container ends."""
        self._listener.close()

    def _answer(self, asked: bytes) -> tuple[str, str]:
        status = "200 OK" if self._verified.is_set() else "503 Service Unavailable"
        return status, self._scores().decode() if self._scores and asked.startswith(_SCORES) else ""


def keep_others_out() -> None:
    """No other process of this user may look into the guard or trace it. Only once the server runs: a process that is
    made by one like this cannot list its own files, and closes every number that there could be."""
    ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
