"""What a program says beside its answer. Where it goes on for long that is shown: it may be a way to sign in."""

import os
import select
import sys
import threading
import time
from typing import Final, Self

from slipway.guard.printable import printable_lines

PATIENCE_SECONDS: Final = 2.0
_LEFT_SECONDS: Final = 1.0
"""For what is still in the pipe when the program has ended; what it has left running may hold the pipe open."""


class Complaints:
    """A pipe for a program's standard error. `said` is all that came, once the block has ended."""

    def __init__(self) -> None:
        self.said = ""
        self._shown = 0
        self._ended = threading.Event()

    def __enter__(self) -> Self:
        self._read, self.write = os.pipe()
        self._thread = threading.Thread(target=self._listen, name="complaints", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        os.close(self.write)
        self._thread.join(_LEFT_SECONDS)

    def _listen(self) -> None:
        patient_until = time.monotonic() + PATIENCE_SECONDS
        with os.fdopen(self._read, "rb", buffering=0) as pipe:
            while True:
                left = patient_until - time.monotonic()
                if left > 0 and not select.select([pipe], [], [], left)[0]:
                    continue
                if left <= 0:
                    self._show()
                piece = pipe.read(65536)
                if not piece:
                    return
                self.said += piece.decode(errors="replace")

    def _show(self) -> None:
        if not self._ended.is_set() and self._shown < len(self.said):
            sys.stderr.write(printable_lines(self.said[self._shown :]))
            sys.stderr.flush()
            self._shown = len(self.said)
