"""What is to be looked at beside the passes, from where the rollout stands: pods' counters, answers, Prometheus."""

from collections.abc import Iterator

from slipway.api.scalars import duration
from slipway.api.v1alpha1.analysis import Analysis, AnalysisStatus
from slipway.api.v1alpha1.spec import Server
from slipway.api.v1alpha1.status import RevisionRef
from slipway.core.analysis.course import looks_at
from slipway.core.analysis.query import Subject
from slipway.core.analysis.wanted import Target, Wanted, exams, questions
from slipway.core.children.pod import model_name
from slipway.core.rollout.analysing import topic
from slipway.core.rollout.state import State
from slipway.core.scene import Scene


def looks_of(scene: Scene, state: State) -> tuple[Wanted, ...]:
    """The topics of one ModelDeployment. One that is not named any more is forgotten."""
    rollout, analysis = state.rollout, scene.policy.analysis
    seen = rollout.canary.analysis if rollout and rollout.canary else None
    if not (rollout and seen and analysis and state.candidate and state.stable) or rollout.paused_at:
        return ()
    return tuple(_of_analysis(scene, analysis, seen, state.candidate, state.stable))


def _of_analysis(
    scene: Scene, analysis: Analysis, seen: AnalysisStatus, candidate: RevisionRef, stable: RevisionRef
) -> Iterator[Wanted]:
    about = topic(candidate.revision or "", seen)
    at = looks_at(seen, scene.observed.evidence.get(about))
    if at is None:
        return
    verification = scene.spec.model.verification
    yield Wanted(
        topic=about,
        at=at,
        model=model_name(scene.owner, scene.spec),
        targets=(*_targets(scene, candidate), *_targets(scene, stable)),
        candidate=candidate.revision or "",
        stable=stable.revision or "",
        questions=questions(analysis, _subject(scene, candidate), _subject(scene, stable)),
        exams=exams(analysis, [each.to_dict() for each in (verification and verification.requests) or ()]),
        request_timeout=duration((scene.spec.server or Server()).request_timeout),
    )


def _targets(scene: Scene, ref: RevisionRef) -> Iterator[Target]:
    """The servers of a revision that get traffic."""
    for pod in scene.observed.pods_of(ref.revision or ""):
        if pod.ready and pod.ip and not pod.deleting:
            yield Target(pod=pod.uid, name=pod.name, revision=ref.revision or "", ip=pod.ip)


def _subject(scene: Scene, ref: RevisionRef) -> Subject:
    return Subject(namespace=scene.owner.namespace, name=scene.owner.name, revision=ref.revision or "")
