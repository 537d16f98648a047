"""What is to be looked at beside the passes, from where the rollout stands: pods' counters, answers, Prometheus."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from slipway.api.scalars import duration
from slipway.api.v1alpha1.analysis import Analysis, AnalysisStatus
from slipway.api.v1alpha1.spec import Server
from slipway.api.v1alpha1.status import RevisionRef, RevisionStatus
from slipway.core.analysis.course import looks_at
from slipway.core.analysis.drain import look_due
from slipway.core.analysis.look import Look, Target, comparable, exams, gradings, questions
from slipway.core.analysis.query import Subject
from slipway.core.children.pod import model_name
from slipway.core.children.workload import MIN_READY_SECONDS
from slipway.core.load import LOAD_TOPIC, LOOK_EVERY, calm
from slipway.core.looks.not_started import wanted
from slipway.core.rollout import mirroring
from slipway.core.rollout.analysis_gate import topic
from slipway.core.rollout.draining import drain_time, drain_topic
from slipway.core.rollout.roles import RevisionRoles
from slipway.core.rollout.state import State
from slipway.core.snapshot import Snapshot

MIN_READY: Final = timedelta(seconds=MIN_READY_SECONDS)
"""A pod that is ready for so long has had the time to say how loaded it is."""

LOOKS_WITHIN: Final = timedelta(minutes=1)
"""A look that is due has come by then, and brings a pass itself."""


def looks_of(snapshot: Snapshot, state: State, roles: RevisionRoles) -> tuple[Look, ...]:
    """The topics of one ModelDeployment. One that is not named any more is forgotten. Nothing is looked at whose
    numbers nobody reads: of a rollout that stands still, or where no server is."""
    unstarted = wanted(snapshot.observed, snapshot.owner, snapshot.now, rolls=state.rollout is not None)
    retiring = (_of_retiring(snapshot, entry) for entry in roles.retiring)
    return (
        *_of_rollout(snapshot, state),
        *(each for each in retiring if each.targets),
        *((unstarted,) if unstarted else ()),
        *_of_load(snapshot),
    )


def wakes_at(looks: Sequence[Look], now: datetime) -> datetime | None:
    """When the first look is due; of one that is under way, when it must have been lost."""
    return min((each.at if each.at > now else now + LOOKS_WITHIN for each in looks), default=None)


def _of_retiring(snapshot: Snapshot, entry: RevisionStatus) -> Look:
    """Whether its pods still get requests."""
    about, drain = drain_topic(entry.revision), drain_time(snapshot)
    evidence = snapshot.observed.evidence.get(about)
    return Look(
        topic=about,
        at=look_due(evidence.history if evidence else (), drain, snapshot.now),
        model=model_name(snapshot.owner, snapshot.spec),
        targets=tuple(_targets(snapshot, entry.revision)),
        remembers=drain,
    )


def _of_load(snapshot: Snapshot) -> Iterator[Look]:
    """How loaded the pods are that clients reach, for as long as Slipway sets their number. The first look waits for
    one that can say it."""
    if snapshot.load is None:
        return
    evidence = snapshot.observed.evidence.get(LOAD_TOPIC)
    asked = {each: tuple(_targets(snapshot, each, MIN_READY)) for each in sorted(snapshot.traffic.reaches)}
    begins = snapshot.now if any(asked.values()) else snapshot.now + LOOK_EVERY
    yield Look(
        topic=LOAD_TOPIC,
        at=evidence.after.at + LOOK_EVERY if evidence else begins,
        targets=tuple(target for targets in asked.values() for target in targets),
        load=True,
        absent={each: max(0, snapshot.count(each) - len(targets)) for each, targets in asked.items()},
        remembers=calm(snapshot.load, snapshot.start_time),
    )


def _of_rollout(snapshot: Snapshot, state: State) -> Iterator[Look]:
    rollout, analysis = state.rollout, snapshot.policy.analysis
    run = rollout.canary.analysis if rollout and rollout.canary else None
    if rollout is None or snapshot.suspended or rollout.clock.paused_at or rollout.clock.waiting_since:
        return
    if run and analysis and state.candidate and state.stable:
        yield from _of_analysis(snapshot, analysis, run, state.candidate, state.stable)
    if state.candidate and mirroring.is_measured(rollout):
        yield _of_shadow(snapshot, state.candidate.revision or "")


def _of_shadow(snapshot: Snapshot, revision: str) -> Look:
    """What becomes of the requests that are mirrored."""
    about = mirroring.topic(revision)
    return Look(
        topic=about,
        at=mirroring.look_due(snapshot.observed.evidence.get(about), snapshot.now),
        model=model_name(snapshot.owner, snapshot.spec),
        targets=tuple(_targets(snapshot, revision)),
    )


def _of_analysis(
    snapshot: Snapshot, analysis: Analysis, run: AnalysisStatus, candidate: RevisionRef, stable: RevisionRef
) -> Iterator[Look]:
    about = topic(candidate.revision or "", run)
    at = looks_at(run, snapshot.observed.evidence.get(about))
    if at is None:
        return
    yield Look(
        topic=about,
        at=at,
        model=model_name(snapshot.owner, snapshot.spec),
        targets=(*_targets(snapshot, candidate.revision or ""), *_targets(snapshot, stable.revision or "")),
        candidate=candidate.revision or "",
        stable=stable.revision or "",
        questions=questions(analysis, _subject(snapshot, candidate), _subject(snapshot, stable)),
        exams=exams(analysis, _golden(snapshot, candidate)),
        gradings=gradings(analysis),
        request_timeout=duration((snapshot.spec.server or Server()).request_timeout),
    )


def _golden(snapshot: Snapshot, candidate: RevisionRef) -> Sequence[Mapping[str, Any]]:
    """The golden requests that are known here: those of the spec, else what was told of the candidate's bundle."""
    verification = snapshot.spec.model.verification
    if verification and verification.requests:
        return list(comparable(verification.requests))
    record = snapshot.record(candidate.revision or "")
    return (record and record.resolved.asks) or ()


def _targets(snapshot: Snapshot, revision: str, ready_for: timedelta = timedelta()) -> Iterator[Target]:
    """The servers of a revision that may get traffic, those that have been `ready_for` so long."""
    for pod in snapshot.observed.pods_of(revision):
        settled = pod.ready_at is None or pod.ready_at <= snapshot.now - ready_for
        if pod.ready and pod.ip and not pod.deleting and settled:
            yield Target(pod=pod.uid, name=pod.name, revision=revision, ip=pod.ip, restarts=pod.server.restarts)


def _subject(snapshot: Snapshot, ref: RevisionRef) -> Subject:
    return Subject(namespace=snapshot.owner.namespace, name=snapshot.owner.name, revision=ref.revision or "")
