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
from slipway.core.analysis.query import Subject
from slipway.core.analysis.wanted import Target, Wanted, exams, questions
from slipway.core.children.pod import model_name
from slipway.core.lineup import Lineup, drain_time, drain_topic
from slipway.core.rollout import mirroring
from slipway.core.rollout.analysing import topic
from slipway.core.rollout.state import State
from slipway.core.rollout.unstarted import wanted
from slipway.core.scene import Scene

LOOKS_WITHIN: Final = timedelta(minutes=1)
"""A look that is due has come by then, and brings a pass itself."""


def looks_of(scene: Scene, state: State, lineup: Lineup) -> tuple[Wanted, ...]:
    """The topics of one ModelDeployment. One that is not named any more is forgotten. Nothing is looked at whose
    numbers nobody reads: of a rollout that stands still, or where no server is."""
    unstarted = wanted(scene.observed, scene.owner, scene.now, rolls=state.rollout is not None)
    retiring = (_of_retiring(scene, known) for known in lineup.retiring)
    return (
        *_of_rollout(scene, state),
        *(each for each in retiring if each.targets),
        *((unstarted,) if unstarted else ()),
    )


def wakes_at(looks: Sequence[Wanted], now: datetime) -> datetime | None:
    """When the first look is due; of one that is under way, when it must have been lost."""
    return min((each.at if each.at > now else now + LOOKS_WITHIN for each in looks), default=None)


def _of_retiring(scene: Scene, known: RevisionStatus) -> Wanted:
    """Whether its pods still get requests."""
    about, drain = drain_topic(known.revision), drain_time(scene)
    seen = scene.observed.evidence.get(about)
    return Wanted(
        topic=about,
        at=look_due(seen.history if seen else (), drain, scene.now),
        model=model_name(scene.owner, scene.spec),
        targets=tuple(_targets(scene, known.revision)),
        remembers=drain,
    )


def _of_rollout(scene: Scene, state: State) -> Iterator[Wanted]:
    rollout, analysis = state.rollout, scene.policy.analysis
    seen = rollout.canary.analysis if rollout and rollout.canary else None
    if rollout is None or scene.suspended or rollout.clock.paused_at or rollout.clock.waiting_since:
        return
    if seen and analysis and state.candidate and state.stable:
        yield from _of_analysis(scene, analysis, seen, state.candidate, state.stable)
    if state.candidate and mirroring.is_measured(rollout):
        yield _of_shadow(scene, state.candidate.revision or "")


def _of_shadow(scene: Scene, revision: str) -> Wanted:
    """What becomes of the requests that are mirrored."""
    about = mirroring.topic(revision)
    return Wanted(
        topic=about,
        at=mirroring.look_due(scene.observed.evidence.get(about), scene.now),
        model=model_name(scene.owner, scene.spec),
        targets=tuple(_targets(scene, revision)),
    )


def _of_analysis(
    scene: Scene, analysis: Analysis, seen: AnalysisStatus, candidate: RevisionRef, stable: RevisionRef
) -> Iterator[Wanted]:
    about = topic(candidate.revision or "", seen)
    at = looks_at(seen, scene.observed.evidence.get(about))
    if at is None:
        return
    yield Wanted(
        topic=about,
        at=at,
        model=model_name(scene.owner, scene.spec),
        targets=(*_targets(scene, candidate.revision or ""), *_targets(scene, stable.revision or "")),
        candidate=candidate.revision or "",
        stable=stable.revision or "",
        questions=questions(analysis, _subject(scene, candidate), _subject(scene, stable)),
        exams=exams(analysis, _golden(scene, candidate)),
        request_timeout=duration((scene.spec.server or Server()).request_timeout),
    )


def _golden(scene: Scene, candidate: RevisionRef) -> Sequence[Mapping[str, Any]]:
    """The golden requests that are known here: those of the spec, else what was told of the candidate's bundle."""
    verification = scene.spec.model.verification
    if verification and verification.requests:
        return [request.to_dict() for request in verification.requests]
    record = scene.record(candidate.revision or "")
    return (record and record.resolved.asks) or ()


def _targets(scene: Scene, revision: str) -> Iterator[Target]:
    """The servers of a revision that may get traffic."""
    for pod in scene.observed.pods_of(revision):
        if pod.ready and pod.ip and not pod.deleting:
            yield Target(pod=pod.uid, name=pod.name, revision=revision, ip=pod.ip, restarts=pod.server.restarts)


def _subject(scene: Scene, ref: RevisionRef) -> Subject:
    return Subject(namespace=scene.owner.namespace, name=scene.owner.name, revision=ref.revision or "")
