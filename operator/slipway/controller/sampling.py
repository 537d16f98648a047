"""Sampling looks at pods and Prometheus beside the passes: a pass orders looks, and a later one reads the evidence.

Sampling decides nothing and raises nothing into a pass: an answer that could not be had is evidence too. Evidence is in
memory alone; a restart looks anew.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final

import aiohttp

from slipway.controller import inference_client, prometheus
from slipway.controller.events import newest_event
from slipway.controller.fair_shares import FairSlots
from slipway.controller.grading import Graders
from slipway.controller.http import AnswerTooLargeError, host_of, read_bounded
from slipway.controller.kinds import Key
from slipway.controller.kube import Kube
from slipway.controller.prometheus_addresses import OWN_NAMESPACE, PrometheusAddresses
from slipway.core.analysis.answers import compared
from slipway.core.analysis.course import compared_with
from slipway.core.analysis.drain import kept
from slipway.core.analysis.look import NO_REQUESTS, Exam, Look, Question, Target
from slipway.core.analysis.own import added, asked_by_guards, sent_by_look
from slipway.core.load import LoadSample, RevisionLoad
from slipway.core.load import kept as kept_loads
from slipway.core.names import GUARD_PORT, HTTP_PORT, LOAD_PORT, METRICS_PORT
from slipway.core.observed.evidence import (
    Answer,
    Bounds,
    Evidence,
    GuardLook,
    PodSample,
    PodStart,
    Reading,
    Readings,
    Scrape,
    Told,
    Trial,
    Trials,
)
from slipway.core.reasons import fit
from slipway.triton import load, metrics

log = logging.getLogger(__name__)

SCRAPE_SECONDS: Final = 5
"""For one pod's metrics, which Triton answers in milliseconds."""
LOOK_SECONDS: Final = 60
"""For a whole look; what is not there by then is missing."""
PODS_AT_A_TIME: Final = 64
QUESTIONS_AT_A_TIME: Final = 16
"""Asked of Prometheuses."""
READ_AT_A_TIME: Final = 2
"""In threads, of which all together have one CPU: texts of metrics, and answers that are compared."""


@dataclass(frozen=True, kw_only=True)
class Ports:
    """Where a model's pods listen."""

    http: int = HTTP_PORT
    metrics: int = METRICS_PORT
    load: int = LOAD_PORT
    guard: int = GUARD_PORT


class Sampling:
    """Makes the looks that passes order, and keeps their evidence by ModelDeployment and topic."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        again: Callable[[Key], None],
        *,
        kube: Kube,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        ports: Ports = Ports(),
        prometheuses: PrometheusAddresses = OWN_NAMESPACE,
    ) -> None:
        self._prometheuses = prometheuses
        self._session, self._again, self._kube, self._now, self._ports = session, again, kube, now, ports
        self._pods, self._questions = FairSlots(PODS_AT_A_TIME), FairSlots(QUESTIONS_AT_A_TIME)
        self._reading_slots = FairSlots(READ_AT_A_TIME)
        self._graders = Graders(
            session=session,
            kube=kube,
            turn=lambda namespace: _turn(self._pods, namespace),
            reading_turn=lambda namespace: _turn(self._reading_slots, namespace),
            http_port=ports.http,
            guard_port=ports.guard,
        )
        self._topics: dict[Key, dict[str, _Topic]] = {}

    def evidence(self, key: Key) -> Mapping[str, Evidence]:
        """The evidence so far, by topic."""
        told = {name: topic.evidence_by(self._now()) for name, topic in self._topics.get(key, {}).items()}
        return {name: evidence for name, evidence in told.items() if evidence}

    def want(self, key: Key, wanted: Sequence[Look]) -> None:
        """Order a pass's looks: one that is due starts now, unless it is under way; other topics of that
        ModelDeployment are forgotten. When a look has ended, the ModelDeployment gets a pass again."""
        previous = self._topics.pop(key, {})
        topics = {each.topic: previous.pop(each.topic) if each.topic in previous else _Topic() for each in wanted}
        for topic in previous.values():
            topic.cancel()
        if topics:
            self._topics[key] = topics
        for each in wanted:
            topic = topics[each.topic]
            evidence = topic.evidence_by(self._now())
            last_look = evidence.after.at if evidence else None
            if topic.task is None and each.at <= self._now() and (last_look is None or last_look < each.at):
                topic.task = asyncio.create_task(self._look(key, each, topic), name=f"look at {key}: {each.topic}")

    def forget(self, key: Key) -> None:
        """Forget a ModelDeployment that is gone."""
        self.want(key, ())

    async def close(self) -> None:
        """End the looks that are under way."""
        tasks = [topic.task for topics in self._topics.values() for topic in topics.values() if topic.task]
        for key in tuple(self._topics):
            self.forget(key)
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _look(self, key: Key, wanted: Look, topic: "_Topic") -> None:
        try:
            topic.evidence = await self._evidence(key, wanted, topic)
            topic.sent_requests = sent_by_look(topic.evidence, {target.name: target.pod for target in wanted.targets})
        finally:
            topic.task = None
        log.debug("Looked at %s: %s", key, wanted.topic)
        self._again(key)

    async def _evidence(self, key: Key, wanted: Look, topic: "_Topic") -> Evidence:
        """One look's evidence. One that fails as a whole is a look too, of which nothing came: it counts as a round, so
        that no pod keeps an analysis waiting by what it answers."""
        previous = topic.evidence_by(self._now())
        try:
            evidence = await self.look(wanted, previous, topic.sent_requests, namespace=key.namespace)
            return replace(evidence, told=await self._newest_events(key.namespace, wanted.told_of))
        # The boundary to all that pods, Prometheuses and writers of Events may send.
        except Exception as error:
            log.exception("A look at %s failed: %s", key, wanted.topic)
            missing = f"the look at it failed: {type(error).__name__}"
            scrape = Scrape(at=self._now(), pods=tuple(_sample_of(each, missing) for each in wanted.targets))
            loads = previous.loads if previous else ()
            return Evidence(history=_history(previous, scrape, wanted.remembers), loads=loads)

    async def look(
        self,
        wanted: Look,
        previous: Evidence | None = None,
        sent_requests: Mapping[str, Bounds] | None = None,
        *,
        namespace: str = "",
    ) -> Evidence:
        """Look once, and add that to the previous evidence. `sent_requests`: ours by pod since the look before."""
        if wanted.load:
            return await self._loads(wanted, previous, namespace)
        before = await self._graders.counts(wanted, namespace)
        scrape = await self.scrape(wanted.model, wanted.targets, namespace=namespace)
        # Guards are asked again at once: what lies between is not known to be theirs.
        graded = await self._graders.grade(wanted, namespace, _within_a_look())
        deadline = _within_a_look()
        readings, trials = await asyncio.gather(
            self._readings(wanted.questions, namespace), self._trials(wanted, namespace, deadline)
        )
        base = compared_with(previous)
        sent = added(sent_requests or {}, previous.sent_between if previous and base is not previous else {})
        guards = (*(base.guards if base else ()), GuardLook(before=before, after=graded.guards))[-2:]
        return Evidence(
            history=_history(base, scrape, wanted.remembers),
            asked=added(sent, asked_by_guards(guards)),
            sent_between=sent,
            readings=readings,
            trials=trials,
            scores=graded.scores,
            guards=guards,
            sent=graded.sent,
        )

    # -- Events

    async def _newest_events(self, namespace: str, uids: Sequence[str]) -> dict[str, Told]:
        return {uid: await newest_event(self._kube, namespace, uid) for uid in uids}

    # -- metrics

    async def scrape(self, model: str, targets: Sequence[Target], *, namespace: str = "") -> Scrape:
        """Read all the servers' metrics at about one moment. A pod that does not answer is there with the reason."""
        at = self._now()
        samples = await asyncio.gather(*(self._sample(model, target, namespace) for target in targets))
        return Scrape(at=at, pods=tuple(samples))

    async def _sample(self, model: str, target: Target, namespace: str) -> PodSample:
        text, missing = await self._page(target, namespace, self._ports.metrics, metrics.LARGEST_BYTES)
        if missing:
            return _sample_of(target, missing)
        try:
            async with _turn(self._reading_slots, namespace):
                return _sample_of(target, counters=await asyncio.to_thread(metrics.parse, text, model))
        except (_NoTurnError, metrics.MetricsError) as error:
            return _sample_of(target, str(error))

    async def _page(self, target: Target, namespace: str, port: int, largest_bytes: int) -> tuple[str, str]:
        """What a server's port says, or why there is nothing."""
        try:
            async with _turn(self._pods, namespace):
                return await self._text(target.ip, port, largest_bytes), ""
        except _NoTurnError as error:
            return "", str(error)
        except TimeoutError:
            return "", f"its metrics did not come within {SCRAPE_SECONDS} s"
        except AnswerTooLargeError:
            return "", f"its metrics are larger than {largest_bytes // 1024} KiB"
        except metrics.MetricsError as error:
            return "", str(error)
        # The boundary to a server that anybody may have written: whatever its bytes bring about, they are no metrics.
        except Exception as error:  # noqa: BLE001
            return "", f"its metrics cannot be had: {fit(str(error), 200) or type(error).__name__}"

    # -- load

    async def _loads(self, wanted: Look, previous: Evidence | None, namespace: str) -> Evidence:
        """Ask all targets how loaded they are, at about one moment."""
        at = self._now()
        answers = await asyncio.gather(*(self._pod_load(target, namespace) for target in wanted.targets))
        told = list(zip(wanted.targets, answers, strict=True))
        missing = [f"{target.name}: {said}" for target, said in told if isinstance(said, str)]
        by_revision: dict[str, dict[str, load.PodLoad | None]] = {}
        for target, said in told:
            by_revision.setdefault(target.revision, {})[target.pod] = None if isinstance(said, str) else said
        sample = LoadSample(
            at=at,
            revisions={
                revision: _revision_load(by_revision.get(revision, {}), wanted.absent.get(revision, 0))
                for revision in by_revision.keys() | wanted.absent.keys()
            },
            missing=missing[0] if missing else "",
        )
        loads = (*(previous.loads if previous else ()), sample)
        starts = tuple(
            PodStart(name=target.name, revision=target.revision, facts=said.start)
            for target, said in told
            if not isinstance(said, str) and said.start
        )
        return Evidence(history=(Scrape(at=at),), loads=kept_loads(loads, wanted.remembers), starts=starts)

    async def _pod_load(self, target: Target, namespace: str) -> load.PodLoad | str:
        text, missing = await self._page(target, namespace, self._ports.load, load.LARGEST_BYTES)
        if missing:
            return missing
        try:
            return load.parse(text)
        except metrics.MetricsError as error:
            return str(error)

    async def _text(self, ip: str, port: int, largest_bytes: int) -> str:
        timeout = aiohttp.ClientTimeout(total=SCRAPE_SECONDS)
        url = f"http://{host_of(ip)}:{port}/metrics"
        async with self._session.get(url, timeout=timeout, allow_redirects=False) as response:
            body = await read_bounded(response, largest_bytes)
            if response.status != 200:
                raise metrics.MetricsError(f"its metrics port answered {response.status}")
            return body.decode(errors="replace")

    # -- Prometheus

    async def _readings(self, questions: Sequence[Question], namespace: str) -> dict[str, Readings]:
        all_readings = await asyncio.gather(*(self._reading(question, namespace) for question in questions))
        return {question.metric: readings for question, readings in zip(questions, all_readings, strict=True)}

    async def _reading(self, question: Question, namespace: str) -> Readings:
        candidate = await self._ask(question.address, question.candidate, namespace)
        if question.stable is None:
            return Readings(candidate=candidate)
        return Readings(candidate=candidate, stable=await self._ask(question.address, question.stable, namespace))

    async def _ask(self, address: str, query: str, namespace: str) -> Reading:
        if objection := self._prometheuses.objection(address, namespace):
            return Reading(trouble=objection)
        try:
            async with _turn(self._questions, namespace):
                return await prometheus.instant_query(self._session, address, query)
        except _NoTurnError as error:
            return Reading(trouble=str(error))

    # -- answers

    async def _trials(self, wanted: Look, namespace: str, deadline: float) -> dict[str, Trials]:
        """Make one exam after the other, and one request after the other, so that they are no load."""
        return {exam.metric: await self._exam(wanted, exam, namespace, deadline) for exam in wanted.exams}

    async def _exam(self, wanted: Look, exam: Exam, namespace: str, deadline: float) -> Trials:
        candidates = [target for target in wanted.targets if target.revision == wanted.candidate]
        stables = [target for target in wanted.targets if target.revision == wanted.stable]
        if not exam.requests:
            return Trials(trouble=NO_REQUESTS)
        if not (candidates and stables):
            return Trials(trouble="it takes a pod of each of the two versions to compare them")
        trials = []
        for index, request in enumerate(exam.requests):
            name = f"requests[{index}]"
            try:
                asked = inference_client.parse_request(request)
            except ValueError as error:
                return Trials(trouble=f"{name}.{error}")
            of = (candidates[index % len(candidates)], *(stables[(index + i) % len(stables)] for i in (0, 1)))
            try:
                async with _turn(self._pods, namespace):
                    answers = await self._answers(wanted, of, asked, deadline)
                trial = Trial(request=name, candidate=answers[0], stable=answers[1], again=answers[2])
                async with _turn(self._reading_slots, namespace):
                    trials.append(await asyncio.to_thread(compared, trial, exam.tolerance))
            except _NoTurnError as error:
                return Trials(trials=tuple(trials), trouble=f"{name}: {error}")
        return Trials(trials=tuple(trials))

    async def _answers(
        self, wanted: Look, targets: Sequence[Target], request: inference_client.Request, deadline: float
    ) -> list[Answer]:
        left = deadline - asyncio.get_running_loop().time()
        if left <= 0:
            trouble = f"not asked: the requests before took more than {LOOK_SECONDS} s"
            return [Answer(pod=target.name, status=0, trouble=trouble) for target in targets]
        limit = min(left, wanted.request_timeout.total_seconds())
        answers = (
            inference_client.infer(
                self._session, target, wanted.model, request, timeout_seconds=limit, port=self._ports.http
            )
            for target in targets
        )
        return await asyncio.gather(*answers)


@dataclass(kw_only=True)
class _Topic:
    evidence: Evidence | None = None
    sent_requests: dict[str, Bounds] = field(default_factory=dict)
    """Requests of ours by pod, since the last look at the counters."""
    task: asyncio.Task[None] | None = None

    def evidence_by(self, now: datetime) -> Evidence | None:
        """The evidence so far; none where the clock was set back since: nobody would look before it is late again."""
        return self.evidence if self.evidence and self.evidence.after.at <= now else None

    def cancel(self) -> None:
        if self.task:
            self.task.cancel()


class _NoTurnError(Exception):
    """So many others of the same namespace wait, or are so slow, that a slot did not come in time."""


@asynccontextmanager
async def _turn(slots: FairSlots, namespace: str) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                await stack.enter_async_context(slots.slot(namespace))
        except TimeoutError:
            raise _NoTurnError(
                f"waits for its turn: others are asked, and answer so slowly that it was not within {LOOK_SECONDS} s"
            ) from None
        yield


def _sample_of(target: Target, missing: str = "", *, counters: metrics.ModelMetrics | None = None) -> PodSample:
    return PodSample(
        pod=target.pod,
        name=target.name,
        revision=target.revision,
        metrics=counters,
        missing=missing,
        restarts=target.restarts,
    )


def _revision_load(pods: Mapping[str, load.PodLoad | None], absent: int) -> RevisionLoad:
    answered = {pod: said for pod, said in pods.items() if said}
    return RevisionLoad(
        pods=len(pods),
        answered=len(answered),
        absent=absent,
        ratio=sum(said.ratio for said in answered.values()),
        backlogs={pod: said.backlog for pod, said in answered.items()},
        rate=sum(said.rate or 0 for said in answered.values()),
        uncounted=sum(said.ratio for said in answered.values() if said.rate is None),
    )


def _history(evidence: Evidence | None, scrape: Scrape, remembers: timedelta) -> tuple[Scrape, ...]:
    history = (*evidence.history, scrape) if evidence else (scrape,)
    return kept(history, remembers) if remembers else history[-2:]


def _within_a_look() -> float:
    """When what is asked now has to be there, of the loop's clock."""
    return asyncio.get_running_loop().time() + LOOK_SECONDS
