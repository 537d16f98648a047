"""Progress of long fetches, as plain log lines."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from slipway.fetch.policy import MIB

log = logging.getLogger(__name__)


class Progress:
    """Counts bytes; threads may add too."""

    def __init__(self, what: str, total_bytes: int | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._what = what
        self._total = total_bytes
        self._clock = clock
        self._begun = clock()
        self._done = 0
        self._inherited = 0
        self._lock = threading.Lock()

    def add(self, count: int) -> None:
        """Bytes that have come."""
        with self._lock:
            self._done += count

    def had(self, count: int) -> None:
        """Bytes that were there already: done, but not part of the rate."""
        with self._lock:
            self._inherited += count

    def counted(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """The same chunks, counted as they pass."""
        for chunk in chunks:
            self.add(len(chunk))
            yield chunk

    def line(self) -> str:
        """`churn: 512.0 MiB of 2048.0 MiB, 310.2 MiB/s, 5 s left`."""
        rate = self._done / max(self._clock() - self._begun, 1e-3)
        done = self._done + self._inherited
        text = f"{self._what}: {_mib(done)}"
        if self._total is None:
            return f"{text}, {_mib(rate)}/s"
        left = f"{max(self._total - done, 0) / rate:.0f} s left" if rate else "waiting for bytes"
        return f"{text} of {_mib(self._total)}, {_mib(rate)}/s, {left}"

    @contextmanager
    def reported(self, every_seconds: float) -> Iterator[None]:
        """Log a line now and then while the block runs, and one at its end."""
        ended = threading.Event()
        reporter = threading.Thread(target=self._report, args=(every_seconds, ended))
        reporter.start()
        try:
            yield
        finally:
            ended.set()
            reporter.join()
        log.info("%s", self.line())

    def _report(self, every_seconds: float, ended: threading.Event) -> None:
        while not ended.wait(every_seconds):
            log.info("%s", self.line())


def _mib(count: float) -> str:
    return f"{count / MIB:.1f} MiB"
