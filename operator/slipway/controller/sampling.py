"""Sampling looks at pods and Prometheus beside the passes: a pass orders looks, and a later one reads the evidence.

Sampling decides nothing and raises nothing into a pass: an answer that could not be had is evidence too. Evidence is in
memory alone; a restart looks anew.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import aiohttp

from slipway.controller.events import newest_event
from slipway.controller.exams import Exams
from slipway.controller.grading import Graders
from slipway.controller.kinds import Key
from slipway.controller.kube import Kube
from slipway.controller.pod_pages import PodPages, sample_of
from slipway.controller.prometheus_addresses import OWN_NAMESPACE, PrometheusAddresses
from slipway.controller.questions import Questions
from slipway.controller.turns import Turns, within_a_look
from slipway.core.analysis.course import compared_with
from slipway.core.analysis.drain import kept
from slipway.core.analysis.look import Look
from slipway.core.analysis.own import added, asked_by_guards, sent_by_look
from slipway.core.load import kept as kept_loads
from slipway.core.names import GUARD_PORT, HTTP_PORT, LOAD_PORT, METRICS_PORT
from slipway.core.observed.evidence import Bounds, EventFacts, Evidence, GuardLook, Scrape

log = logging.getLogger(__name__)


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
        self._again, self._kube, self._now = again, kube, now
        turns = Turns()
        self._pages = PodPages(session=session, turns=turns, now=now, metrics_port=ports.metrics, load_port=ports.load)
        self._questions = Questions(session=session, turns=turns, allowed=prometheuses)
        self._exams = Exams(session=session, turns=turns, http_port=ports.http)
        self._graders = Graders(
            session=session,
            kube=kube,
            turn=turns.pod,
            reading_turn=turns.reading,
            http_port=ports.http,
            guard_port=ports.guard,
        )
        self._topics: dict[Key, dict[str, _Topic]] = {}

    def evidence(self, key: Key) -> Mapping[str, Evidence]:
        """The evidence so far, by topic."""
        by_topic = {name: topic.evidence_by(self._now()) for name, topic in self._topics.get(key, {}).items()}
        return {name: evidence for name, evidence in by_topic.items() if evidence}

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
            return replace(evidence, events=await self._newest_events(key.namespace, wanted.events_of))
        # The boundary to all that pods, Prometheuses and writers of Events may send.
        except Exception as error:
            log.exception("A look at %s failed: %s", key, wanted.topic)
            missing = f"the look at it failed: {type(error).__name__}"
            scrape = Scrape(at=self._now(), pods=tuple(sample_of(each, missing) for each in wanted.targets))
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
        scrape = await self._pages.scrape(wanted.model, wanted.targets, namespace)
        # Guards are asked again at once: what lies between is not known to be theirs.
        graded = await self._graders.grade(wanted, namespace, within_a_look())
        deadline = within_a_look()
        readings, trials = await asyncio.gather(
            self._questions.readings(wanted.questions, namespace),
            self._exams.trials(wanted, namespace, deadline),
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

    async def _newest_events(self, namespace: str, uids: Sequence[str]) -> dict[str, EventFacts]:
        return {uid: await newest_event(self._kube, namespace, uid) for uid in uids}

    async def _loads(self, wanted: Look, previous: Evidence | None, namespace: str) -> Evidence:
        sample, starts = await self._pages.loads(wanted.targets, wanted.absent, namespace)
        loads = (*(previous.loads if previous else ()), sample)
        history = (Scrape(at=sample.at),)
        return Evidence(history=history, loads=kept_loads(loads, wanted.remembers), starts=starts)


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


def _history(evidence: Evidence | None, scrape: Scrape, remembers: timedelta) -> tuple[Scrape, ...]:
    history = (*evidence.history, scrape) if evidence else (scrape,)
    return kept(history, remembers) if remembers else history[-2:]
