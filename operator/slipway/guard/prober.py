"""Asks the model its golden requests: until it has answered rightly once, and then every interval.

Every version that is served is asked, in the way that its configuration says: by sequence, or as a stream. What cannot
be asked so is the request's fault, or the configuration's, and never a wrong answer of the model.

What the model asks of others in its server, its parts, is asked with it. They have to be ready, all the time, and may
not answer it out of a cache.

Wrong answers and dead backends are verdicts. Slowness never is: an answer that comes late, a full queue or a connection
that cannot be had are logged and asked again; a server that is gone is for others to see (`main`, the liveness probe).
"""

from __future__ import annotations

import http.client
import logging
import threading
import time
from dataclasses import dataclass
from typing import Callable, Iterator, Mapping, Sequence, TypeVar

from . import asking, golden, wire
from .golden import GoldenRequest
from .model_config import Execution, ModelConfig
from .protocol import Client, Refused, Statistics, TooSlow, Unreachable
from .start import Start
from .tally import Tally
from .verdict import BACKEND_DEAD, BUNDLE_INVALID, LOAD_FAILED, SPEC_INVALID, WRONG_ANSWER, Verdict

log = logging.getLogger(__name__)

_POLL_SECONDS = 0.1
# A dead stub must be seen as such within three intervals, so failures are asked again sooner than the next one is due.
_AGAIN_SECONDS = 1.0
_FAILURES = 3
# How long the model may take to be ready once the server listens: it is at once, when its name is right.
_READY_SECONDS = 5.0
# The server counts an answer a moment after it was sent.
_COUNTED_SECONDS = 2.0
# What a server without the endpoint answers, or one that does not let a model be asked there.
_NO_SUCH_WAY = frozenset(
    {http.client.NOT_FOUND, http.client.METHOD_NOT_ALLOWED, http.client.NOT_IMPLEMENTED, http.client.FORBIDDEN}
)

_T = TypeVar("_T")


@dataclass(frozen=True)
class _Question:
    """A golden request, whom it is asked of, in which way, and the version: empty where there is only one."""

    client: Client
    config: ModelConfig
    version: str
    request: GoldenRequest


class Prober:
    """One model's questions. `parts` are the others of its bundle, which it may ask, with their own golden requests;
    `start` is told how far it has got."""

    def __init__(
        self,
        client: Client,
        requests: Sequence[GoldenRequest],
        stopped: threading.Event,
        *,
        parts: Mapping[Client, Sequence[GoldenRequest]] | None = None,
        asked_again: bool = False,
        start: Start | None = None,
    ) -> None:
        self._client = client
        self._start = start
        self._parts = dict(parts or {})
        self._requests = list(requests)
        self._stopped = stopped
        self._asked_again = asked_again
        self._config = ModelConfig()
        self._questions: list[_Question] = []
        self._questions_of_parts: list[_Question] = []
        self.trouble = ""
        """Why the last question is not answered yet."""
        self.executions: dict[str, Execution] = {}
        """How much the server can do of each model at once, once verified."""
        self.tally = Tally()
        """Of requests that the model itself was asked."""

    def verify(self, deadline: float) -> str:
        """Ask until every request has been answered rightly, or raise the verdict; what has been shown, in words.

        `deadline` is of `time.monotonic`; that it has passed is for the caller to notice.
        """
        self._until_listening(deadline)
        if self._start:
            self._start.loaded()
        self._config = self._await_answer("the model's configuration", self._client.config, deadline)
        declared_only = not self._requests
        metadata = self._await_answer("the model's metadata", self._client.metadata, deadline)
        if declared_only:
            self._requests = [golden.of_declared_shapes(metadata, self._config)]
        versions = [str(version) for version in metadata.get("versions", ())]
        self._questions = list(_questions(self._client, self._config, self._requests, versions))
        self._questions_of_parts = [question for part in self._parts for question in self._of_part(part, deadline)]
        # The parts' first: what is wrong with one is told as its own fault, and not as that of who asks it.
        for question in (*self._questions_of_parts, *self._questions):
            self._answered_once(question, deadline)
            if self._start:
                self._start.answered()
        self._not_out_of_a_cache(deadline)
        self.executions = {self._client.model: self._config.execution}
        for part in self._parts:
            config = self._await_answer(f"the configuration of {part.model!r}", part.config, deadline)
            self.executions[part.model] = config.execution
            if config.response_cache:
                self._part_not_out_of_a_cache(part, deadline)
        count = len(self._requests)
        by = f" by each of the versions {', '.join(versions)}" if len(versions) > 1 else ""
        others = f", with {', '.join(_shown(*part) for part in self._parts.items())}" if self._parts else ""
        if declared_only:
            return f"no golden requests; the model answers its declared shapes{by}{others}"
        return f"{count} golden request{'s' if count > 1 else ''} answered rightly{by}{others}"

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
        for client in (self._client, *self._parts):
            while not client.model_ready(_remaining(deadline)):
                if time.monotonic() - not_ready_since > _READY_SECONDS:
                    raise Verdict(LOAD_FAILED, f"the server runs, and does not have the model {client.model!r} ready")
                self._pause()

    def _await_answer(self, what: str, ask: Callable[[float], _T], deadline: float) -> _T:
        while True:
            try:
                return ask(_remaining(deadline))
            except (TooSlow, Unreachable) as error:
                self._not_yet(what, str(error))
            except Refused as error:
                if not _busy(error):
                    raise Verdict(LOAD_FAILED, f"{what}: the server answered {error.status}: {error}") from None
                self._not_yet(what, str(error))

    def _of_part(self, part: Client, deadline: float) -> Iterator[_Question]:
        requests = self._parts[part]
        if not requests:
            return
        config = self._await_answer(f"the configuration of {part.model!r}", part.config, deadline)
        metadata = self._await_answer(f"the metadata of {part.model!r}", part.metadata, deadline)
        versions = [str(version) for version in metadata.get("versions", ())]
        yield from _questions(part, config, requests, versions)

    def _answered_once(self, question: _Question, deadline: float) -> None:
        request = question.request
        while True:
            try:
                golden.check_askable(request, question.config)
                wrong = self._ask(question, _remaining(deadline))
            except wire.CannotAskError as error:
                raise Verdict(request.fault, f"{request.name}: {error}") from None
            except (TooSlow, Unreachable) as error:
                self._not_yet(request.name, str(error))
                continue
            except Refused as error:
                if _busy(error):
                    self._not_yet(request.name, f"the server answered {error.status}: {error}")
                    continue
                raise _does_not_answer(request, error) from None
            self.trouble = ""
            if wrong is not None:
                raise Verdict(WRONG_ANSWER, wrong)
            return

    def _failed_round(self, timeout_seconds: float) -> str | None:
        """Ask every request; what failed, or None. A wrong answer is a verdict."""
        for question in (*self._questions_of_parts, *self._questions):
            name = question.request.name
            try:
                wrong = self._ask(question, timeout_seconds)
            except (TooSlow, Unreachable) as error:
                log.warning("%s: %s", name, error)
            except Refused as error:
                log.warning("%s: the server answered %d: %s", name, error.status, error)
                if not _busy(error):
                    return f"{name}: the server answered {error.status}: {error}"
            else:
                if wrong is not None:
                    raise Verdict(WRONG_ANSWER, f"{wrong}; it answered rightly before")
        return self._failed_part(timeout_seconds)

    def _failed_part(self, timeout_seconds: float) -> str | None:
        """What became of a part: golden requests need not come to it."""
        for part in self._parts:
            try:
                part.check_ready(timeout_seconds)
            except (TooSlow, Unreachable) as error:
                log.warning("the model %r: %s", part.model, error)
            except Refused as error:
                log.warning("the model %r is not ready: %s", part.model, error)
                return f"the model {part.model!r}, which this one may ask, is not ready ({error})"
        return None

    def _ask(self, question: _Question, timeout_seconds: float) -> str | None:
        def ended(step: int, seconds: float | None) -> None:
            if question.client is not self._client:
                return
            asked = f"{question.version} {question.request.name} {step}"
            if seconds is None:
                self.tally.ended(asked)
            else:
                self.tally.answered(asked, seconds)

        answers = asking.ask(
            question.client,
            question.config,
            question.request,
            lambda: timeout_seconds,
            version=question.version,
            ended=ended,
        )
        return next((answer.wrong for answer in answers if answer.wrong is not None), None)

    def _not_out_of_a_cache(self, deadline: float) -> None:
        """A cache goes on with the answer that it has: a model behind it that turned wrong is not seen."""
        if not self._config.response_cache:
            return
        counted = self._counted(deadline)
        if not counted.cache_hits + counted.cache_misses:
            return  # Triton takes a model that asks for a cache without having one
        if self._asked_again:
            raise Verdict(SPEC_INVALID, _CACHED.format(config="config.pbtxt"))
        distinct = {(question.version, question.request.inputs) for question in self._questions}
        if counted.cache_hits > len(self._questions) - len(distinct):
            raise Verdict(SPEC_INVALID, _SHARED_CACHE.format(config="config.pbtxt"))

    def _part_not_out_of_a_cache(self, part: Client, deadline: float) -> None:
        """The same of one that the model asks: how often is the model's own affair, so it must have answered at all."""
        self._counted(deadline)
        counted = self._await_answer(f"the statistics of {part.model!r}", part.statistics, deadline)
        config = f"models/{part.model}/config.pbtxt"
        if counted.cache_hits + counted.cache_misses and self._asked_again:
            raise Verdict(SPEC_INVALID, _CACHED.format(config=config))
        if counted.cache_hits and not counted.cache_misses:
            raise Verdict(SPEC_INVALID, _SHARED_CACHE.format(config=config))

    def _counted(self, deadline: float) -> Statistics:
        """The model's statistics, once its answers to all questions are in them."""
        counted = self._await_answer("the model's statistics", self._client.statistics, deadline)
        until = time.monotonic() + _COUNTED_SECONDS
        while counted.answered < len(self._questions) and time.monotonic() < until:
            self._pause()
            counted = self._await_answer("the model's statistics", self._client.statistics, deadline)
        return counted

    def _not_yet(self, what: str, why: str) -> None:
        self.trouble = f"{what}: {why}"
        log.warning("%s; asking again", self.trouble)
        self._pause()

    def _pause(self) -> None:
        if self._stopped.wait(_POLL_SECONDS):
            raise Stopped


class Stopped(Exception):
    """Nobody wants to know any more."""


_CACHED = (
    "server.args: --cache-config: {config} has response_cache, so golden requests would be answered from the "
    "cache, and a model that turns wrong, or dies, would not be seen; take out one of the two, or ask at the start "
    "only, with model.verification.interval: 0s"
)
_SHARED_CACHE = (
    "server.args: --cache-config: golden requests were answered from a cache that other servers fill, and not by this "
    "model; use the local cache, or take out response_cache in {config}"
)


def _questions(
    client: Client, config: ModelConfig, requests: Sequence[GoldenRequest], versions: Sequence[str]
) -> Iterator[_Question]:
    if len(versions) < 2:
        yield from (_Question(client, config, "", request) for request in requests)
        return
    for version in versions:
        yield from (_Question(client, config, version, request.of_version(version)) for request in requests)


def _shown(part: Client, requests: Sequence[GoldenRequest]) -> str:
    return f"{part.model} ({len(requests)} of its own)" if requests else part.model


def _busy(error: Refused) -> bool:
    """A full queue or one that took too long, which is slowness."""
    return error.status == http.client.SERVICE_UNAVAILABLE


def _does_not_answer(request: GoldenRequest, error: Refused) -> Verdict:
    said = f"{request.name}: the server answered {error.status}: {error}"
    if error.status in _NO_SUCH_WAY:
        return Verdict(BUNDLE_INVALID, f"{said}; the server does not let it be asked in the way that config.pbtxt says")
    if not request.exact:
        reason = BUNDLE_INVALID if error.status == http.client.BAD_REQUEST else WRONG_ANSWER
        return Verdict(reason, f"{said}; give golden requests with inputs that the model takes")
    if error.status == http.client.BAD_REQUEST:
        return Verdict(request.fault, f"{said}; the request does not fit the model")
    return Verdict(WRONG_ANSWER, said)


def _remaining(deadline: float) -> float:
    return max(deadline - time.monotonic(), _POLL_SECONDS)
