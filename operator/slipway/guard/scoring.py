"""Scores: how good the model's answers to its bundle's labelled rows are, asked when somebody wants to know.

Rows never leave the pod; numbers do. They are asked one request after the other, each after a pause as long as the
answer took, in a thread of their own: golden requests wait for one of them at most. Nothing here ends the container.
"""

from __future__ import annotations

import http.client
import json
import logging
import threading
import time
from pathlib import Path
from typing import Any, Callable, Sequence, TypeVar

from . import labelled
from .labelled import LabelledError
from .protocol import Client, Refused, TooSlow, Unreachable
from .tally import Tally
from .tensors import Tensor

log = logging.getLogger(__name__)

# Asked anew by whom it may, so no more often than that.
AGAIN_SECONDS = 300.0
# Older scores are of another time.
KEPT_SECONDS = 3600.0
LONGEST_SECONDS = 600.0
_WORDS = 300
_RETRY_SECONDS = 1.0
_SHORTEST_PAUSE_SECONDS = 0.005

_T = TypeVar("_T")


class Scoring:
    """One model's scores."""

    def __init__(
        self,
        client: Client,
        directory: Path,
        stopped: threading.Event,
        *,
        timeout_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client, self._directory, self._stopped = client, directory, stopped
        self._timeout_seconds, self._clock = timeout_seconds, clock
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._requests = 0
        self._open = 0
        self.tally = Tally()
        """Of requests that have been answered."""
        self._scores: dict[str, Any] | None = None
        self._at = 0.0

    def document(self) -> bytes:
        """The scores as JSON, or that they are being made. Where they are old, making new ones begins."""
        with self._lock:
            age = self._clock() - self._at
            if self._scores and age > KEPT_SECONDS:
                self._scores = None
            if self._thread is None and (self._scores is None or age > AGAIN_SECONDS):
                self._thread = threading.Thread(target=self._make, name="scoring", daemon=True)
                self._thread.start()
            counts = {"requests": self._requests, "answered": self.tally.own.requests, "open": self._open}
            return json.dumps({**counts, **(self._scores or {"pending": True})}).encode()

    def _make(self) -> None:
        try:
            scores = self._made()
        except LabelledError as error:
            scores = {"trouble": str(error)[:_WORDS]}
        # The boundary of the thread: what nobody foresaw is no score, and no end of the server.
        except Exception as error:
            log.exception("labelled rows could not be asked")
            scores = {"trouble": f"labelled rows could not be asked: {type(error).__name__}"}
        log.info("labelled rows: %s", scores.get("trouble") or f"{scores['rows']} asked")
        with self._lock:
            self._scores, self._at, self._thread = scores, self._clock(), None

    def _made(self) -> dict[str, Any]:
        deadline = self._clock() + LONGEST_SECONDS
        rows = labelled.load(self._directory)
        config = self._patiently(self._client.config, "its configuration", deadline)
        marking = labelled.Marking(config)
        for batch in labelled.batches(rows, config):
            self._mark(marking, batch, list(config.outputs), deadline)
        if config.response_cache:
            self._not_out_of_a_cache()
        return {"rows": len(rows.rows), "digest": rows.digest, "outputs": marking.scores()}

    def _mark(self, marking: labelled.Marking, batch: labelled.Batch, outputs: Sequence[str], deadline: float) -> None:
        def ask(timeout_seconds: float) -> list[Tensor]:
            begun = self._clock()
            self._begun()
            seconds: float | None = None
            try:
                answer = self._client.infer(batch.inputs, outputs, timeout_seconds)
                seconds = self._clock() - begun
                return answer
            finally:
                self._ended(f"{len(batch.rows)} rows", seconds)

        begun = self._clock()
        marking.take(batch, self._patiently(ask, batch.rows[0].at, deadline))
        self._pause(max(self._clock() - begun, _SHORTEST_PAUSE_SECONDS))

    def _begun(self) -> None:
        with self._lock:
            self._requests, self._open = self._requests + 1, 1

    def _ended(self, question: str, seconds: float | None) -> None:
        with self._lock:
            self._open = 0
            if seconds is not None:
                self.tally.answered(question, seconds)

    def _patiently(self, ask: Callable[[float], _T], what: str, deadline: float) -> _T:
        """A full queue and a slow answer are load that goes by; what the server refuses is the rows' fault. `ask` takes
        the seconds that an answer may take."""
        why = "those before took all of it; keep fewer rows"
        while (left := deadline - self._clock()) > 0:
            try:
                return ask(min(left, self._timeout_seconds))
            except (TooSlow, Unreachable) as error:
                why = str(error)
            except Refused as error:
                why = f"the server answered {error.status}: {error}"
                if error.status != http.client.SERVICE_UNAVAILABLE:
                    raise LabelledError(f"{what}: {why}") from None
            self._pause(_RETRY_SECONDS)
        raise LabelledError(f"{what}: not all rows were answered within {LONGEST_SECONDS:g} s: {why}")

    def _pause(self, seconds: float) -> None:
        if self._stopped.wait(seconds):
            raise LabelledError("the server ends")

    def _not_out_of_a_cache(self) -> None:
        counted = self._client.statistics(self._timeout_seconds)
        if counted.cache_hits + counted.cache_misses:
            raise LabelledError(
                "its server has a response cache, which may have answered for the model: take --cache-config out of "
                "server.args, or response_cache out of config.pbtxt"
            )
