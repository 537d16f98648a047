"""Asks the model its golden requests: until it has answered rightly once, and then every interval.

Wrong answers and dead backends are verdicts. Slowness never is: an answer that comes late, a full queue or a connection
that cannot be had are logged and asked again; a server that is gone is for others to see (`main`, the liveness probe).
"""

from __future__ import annotations

import http.client
import logging
import threading
import time
from typing import Sequence

from . import golden
from .golden import GoldenRequest
from .protocol import Client, Refused, TooSlow, Unreachable
from .verdict import BACKEND_DEAD, LOAD_FAILED, WRONG_ANSWER, Verdict

log = logging.getLogger(__name__)

_POLL_SECONDS = 0.1
# A dead stub must be seen as such within three intervals, so failures are asked again sooner than the next one is due.
_AGAIN_SECONDS = 1.0
_FAILURES = 3
# How long the model may take to be ready once the server listens: it is at once, when its name is right.
_READY_SECONDS = 5.0


class Prober:
    """One model's questions."""

    def __init__(self, client: Client, requests: Sequence[GoldenRequest], stopped: threading.Event) -> None:
        self._client = client
        self._requests = list(requests)
        self._stopped = stopped

    def verify(self, deadline: float) -> str:
        """Ask until every request has been answered rightly, or raise the verdict; what has been shown, in words.

        `deadline` is of `time.monotonic`; that it has passed is for the caller to notice.
        """
        self._until_listening(deadline)
        declared_only = not self._requests
        if declared_only:
            self._requests = [self._declared(deadline)]
        for request in self._requests:
            self._answered_once(request, deadline)
        count = len(self._requests)
        if declared_only:
            return "no golden requests; the model answers its declared shapes"
        return f"{count} golden request{'s' if count > 1 else ''} answered rightly"

    def watch(self, interval_seconds: float, timeout_seconds: float) -> None:
        """Ask again every interval, until stopped or until a verdict is due."""
        failures = 0
        wait = interval_seconds
        while not self._stopped.wait(wait):
            failed = self._failed_round(timeout_seconds)
            failures = failures + 1 if failed else 0
            if failures >= _FAILURES:
                raise Verdict(BACKEND_DEAD, f"{failed}; it answered before, and failed {failures} times in a row")
            wait = min(_AGAIN_SECONDS, interval_seconds / 4) if failed else interval_seconds

    def _until_listening(self, deadline: float) -> None:
        while not self._client.live(_remaining(deadline)):
            self._pause()
        not_ready_since = time.monotonic()
        while not self._client.model_ready(_remaining(deadline)):
            if time.monotonic() - not_ready_since > _READY_SECONDS:
                raise Verdict(LOAD_FAILED, f"the server runs, and does not have the model {self._client.model!r} ready")
            self._pause()

    def _declared(self, deadline: float) -> GoldenRequest:
        while True:
            try:
                return golden.of_declared_shapes(self._client.metadata(_remaining(deadline)))
            except (TooSlow, Unreachable) as error:
                log.warning("the model's metadata: %s", error)
                self._pause()

    def _answered_once(self, request: GoldenRequest, deadline: float) -> None:
        while True:
            try:
                wrong = self._ask(request, _remaining(deadline))
            except (TooSlow, Unreachable) as error:
                log.warning("%s: %s; asking again", request.name, error)
                self._pause()
                continue
            except Refused as error:
                if _busy(error):
                    self._pause()
                    continue
                raise _does_not_answer(request, error) from None
            if wrong is not None:
                raise Verdict(WRONG_ANSWER, wrong)
            return

    def _failed_round(self, timeout_seconds: float) -> str | None:
        """Ask every request; what failed, or None. A wrong answer is a verdict."""
        for request in self._requests:
            try:
                wrong = self._ask(request, timeout_seconds)
            except (TooSlow, Unreachable) as error:
                log.warning("%s: %s", request.name, error)
            except Refused as error:
                log.warning("%s: the server answered %d: %s", request.name, error.status, error)
                if not _busy(error):
                    return f"{request.name}: the server answered {error.status}: {error}"
            else:
                if wrong is not None:
                    raise Verdict(WRONG_ANSWER, f"{wrong}; it answered rightly before")
        return None

    def _ask(self, request: GoldenRequest, timeout_seconds: float) -> str | None:
        names = [output.name for output in request.outputs]
        return golden.wrong(request, self._client.infer(request.inputs, names, timeout_seconds))

    def _pause(self) -> None:
        if self._stopped.wait(_POLL_SECONDS):
            raise Stopped


class Stopped(Exception):
    """Nobody wants to know any more."""


def _busy(error: Refused) -> bool:
    """A full queue or one that took too long, which is slowness."""
    return error.status == http.client.SERVICE_UNAVAILABLE


def _does_not_answer(request: GoldenRequest, error: Refused) -> Verdict:
    said = f"{request.name}: the server answered {error.status}: {error}"
    if not request.exact:
        return Verdict(WRONG_ANSWER, f"{said}; give golden requests with inputs that the model takes")
    if error.status == http.client.BAD_REQUEST:
        return Verdict(request.fault, f"{said}; the request does not fit the model")
    return Verdict(WRONG_ANSWER, said)


def _remaining(deadline: float) -> float:
    return max(deadline - time.monotonic(), _POLL_SECONDS)
