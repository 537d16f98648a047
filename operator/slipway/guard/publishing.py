"""The port `load`: how loaded this server is, for autoscalers and dashboards, as a page that Prometheus can read."""

from __future__ import annotations

import logging
import threading
import time
from typing import Callable, Mapping

from . import load
from .listener import Listener
from .load import Sample
from .model_config import Execution
from .protocol import Client, Refused, TooSlow, Unreachable
from .start import Start
from .tally import Own

log = logging.getLogger(__name__)

EVERY_SECONDS = 5.0
_PATIENCE_SECONDS = 4.0
_PAGE_BYTES = 4 << 20


class Publishing:
    """Reads Triton's counters again and again, and answers everybody with what they say."""

    def __init__(self, port: int, *, ipv6: bool, every_seconds: float = EVERY_SECONDS) -> None:
        self._listener = Listener(port, self._answer, ipv6=ipv6)
        self._every_seconds = every_seconds
        self._lock = threading.Lock()
        self._samples: list[Sample] = []
        self._models: Mapping[str, Execution] = {}
        self._requests: float | None = None
        self._start: Start | None = None

    def begin(
        self,
        metrics: Client,
        models: Mapping[str, Execution],
        own: Callable[[], Own],
        stopped: threading.Event,
        start: Start,
    ) -> None:
        """Read from now on, in a thread of its own, until stopped. `metrics` asks Triton's metrics port for the model
        whose requests are counted; `own`: the guard's own that have ended; `start` is told as it was."""
        self._models, self._start = models, start
        arguments = (metrics, own, stopped)
        threading.Thread(target=self._read_on, args=arguments, name="load", daemon=True).start()

    def close(self) -> None:
        """Give the port back; the container ends."""
        self._listener.close()

    def _read_on(self, metrics: Client, own: Callable[[], Own], stopped: threading.Event) -> None:
        silent = False
        while True:
            try:
                # Before the counters: a request that ends in between is a client's for now, and ours at the next.
                ended = own()
                text = metrics.page("/metrics", _PATIENCE_SECONDS, _PAGE_BYTES)
                if self._start:
                    self._start.read(text)
                self._add(Sample(time.monotonic(), load.parse(text), ended), metrics.model)
                silent = False
            except (Unreachable, TooSlow, Refused) as error:
                if not silent:
                    log.warning("Triton's metrics: %s; the load is not known", error)
                silent = True
            if stopped.wait(self._every_seconds):
                return

    def _add(self, sample: Sample, model: str) -> None:
        with self._lock:
            if self._samples:
                self._requests = (self._requests or 0.0) + load.clients_requests(self._samples[-1], sample, model)
            recent = [each for each in self._samples if sample.at - each.at <= load.OLDEST_SECONDS]
            self._samples = [*recent, sample]

    def _answer(self, _: bytes) -> tuple[str, str]:
        with self._lock:
            samples, requests = self._samples, self._requests
        fresh = bool(samples) and time.monotonic() - samples[-1].at <= load.STALE_SECONDS
        shown = load.gauges(samples, self._models) if fresh else None
        return "200 OK", load.page(shown, requests, self._start.gauges() if self._start else ())
