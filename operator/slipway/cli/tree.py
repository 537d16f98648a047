"""What `slipway get NAME` shows: a model, its revisions and pods, the way of its rollout, and what is awaited."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from slipway.api.v1alpha1.analysis import AnalysisStatus
from slipway.api.v1alpha1.status import RevisionState, RevisionStatus
from slipway.cli.awaited import Awaited, awaited
from slipway.cli.model import Model, Pod
from slipway.cli.scaling import scaling
from slipway.cli.steps import Step, stages, steps
from slipway.core.body import mapping
from slipway.core.children.revision import NO_GOLDEN
from slipway.core.observed.pods import PodFacts
from slipway.core.status.conditions import FOLLOWING


@dataclass(frozen=True, kw_only=True)
class PodLine:
    """One pod."""

    name: str
    node: str | None
    gpu: str | None
    state: str
    golden: bool | None
    """Whether its server has answered its golden requests since it last started; None where it has none."""
    restarts: int
    created: datetime


@dataclass(frozen=True, kw_only=True)
class RevisionLine:
    """One revision that has pods, or the candidate before it has a revision."""

    revision: str | None
    number: int | None
    version: str
    state: str
    share: int
    available: int
    replicas: int
    pods: tuple[PodLine, ...] = ()


@dataclass(frozen=True, kw_only=True)
class MetricLine:
    """What a metric was when it was last measured."""

    metric: str
    outcome: str
    message: str
    at: datetime


@dataclass(frozen=True, kw_only=True)
class ModelTree:
    """The whole."""

    name: str
    namespace: str
    version: str
    phase: str
    ready: str
    reason: str
    message: str
    revisions: tuple[RevisionLine, ...] = ()
    stages: tuple[Step, ...] = ()
    steps: tuple[Step, ...] = ()
    measured: str | None = None
    """The phase of the last analysis, with its rounds."""
    measurements: tuple[MetricLine, ...] = ()
    strategy: str | None = None
    follows: str | None = None
    """The alias that is followed, and what has come of it."""
    scaling: tuple[str, ...] = ()
    """Why there are so many pods, where their number follows a load."""
    awaited: Awaited | None = None
    last_request: str | None = None
    unreadable: tuple[str, ...] = ()


def tree(model: Model) -> ModelTree:
    """The view of a model."""
    status, telling = model.status, model.telling
    analysis = _analysis(model)
    last = status.requests[-1] if status.requests else None
    following = model.condition(FOLLOWING)
    return ModelTree(
        name=model.name,
        namespace=model.namespace,
        version=model.version,
        phase=str(status.phase or "Pending"),
        ready=status.ready or "-",
        reason=telling.reason if telling else "",
        message=telling.message if telling else "the operator has not looked at it yet",
        revisions=(*_unresolved(model), *(_revision(model, each) for each in sorted(status.revisions, key=_place))),
        stages=stages(model),
        steps=steps(model),
        measured=_rounds(analysis) if analysis else None,
        measurements=tuple(_latest(analysis)) if analysis else (),
        strategy=status.rollout.strategy.message if status.rollout else None,
        follows=following.message if following else None,
        scaling=scaling(model),
        awaited=awaited(model),
        last_request=f"{last.request}: {last.outcome}" if last else None,
        unreadable=model.unreadable,
    )


def _place(revision: RevisionStatus) -> tuple[int, int]:
    """The candidate first, then what serves, then the others; newest first."""
    order = [RevisionState.CANDIDATE, RevisionState.STABLE]
    return order.index(revision.state) if revision.state in order else len(order), -revision.number


def _unresolved(model: Model) -> Iterator[RevisionLine]:
    """The candidate that has no pods listed."""
    candidate = model.status.candidate
    if candidate and not model.revision(candidate.revision):
        yield RevisionLine(
            revision=candidate.revision,
            number=candidate.number,
            version=candidate.version,
            state=str(RevisionState.CANDIDATE),
            share=0,
            available=0,
            replicas=0,
            pods=tuple(_pod(pod, golden=True) for pod in model.pods_of(candidate.revision or "")),
        )


def _revision(model: Model, status: RevisionStatus) -> RevisionLine:
    golden = status.verification != NO_GOLDEN
    return RevisionLine(
        revision=status.revision,
        number=status.number,
        version=status.version,
        state=str(status.state),
        share=status.share,
        available=status.available,
        replicas=status.replicas,
        pods=tuple(_pod(pod, golden=golden) for pod in model.pods_of(status.revision)),
    )


def _pod(pod: Pod, *, golden: bool) -> PodLine:
    facts = pod.facts
    return PodLine(
        name=facts.name,
        node=facts.node,
        gpu=_gpu(pod),
        state=state_of(pod),
        golden=facts.server.started if golden else None,
        restarts=facts.server.restarts,
        created=facts.created,
    )


def _gpu(pod: Pod) -> str | None:
    counts = (f"{count} {name.rpartition('/')[2]}".strip() for name, count in sorted(pod.gpus.items()))
    return ", ".join(counts) or None


def state_of(pod: Pod) -> str:
    """Where a pod is, in words: ready, or what it is at, or what its container ended with."""
    facts = pod.facts
    if facts.deleting:
        return "ending"
    if facts.over:
        return facts.failure or facts.phase
    return "ready" if facts.ready else _unready(facts)


def _unready(facts: PodFacts) -> str:
    server, fetch = facts.server, facts.fetch
    if facts.unschedulable is not None:
        return "waits for a node"
    ended = next((each for each in (server, fetch) if each.exit_code and not each.running), None)
    if ended:
        return f"ended: {_verdict(ended.termination_message) or ended.exit_reason or ended.exit_code}"
    if server.running:
        return "not ready" if server.started else "loads the model"
    return "fetches the bundle" if fetch.running else server.waiting_reason or fetch.waiting_reason or facts.phase


def _verdict(message: str | None) -> str | None:
    """The reason in a termination message of ours."""
    try:
        return str(mapping(json.loads(message or "")).get("reason") or "") or None
    except (ValueError, RecursionError):
        return None


def _analysis(model: Model) -> AnalysisStatus | None:
    rollout = model.status.rollout
    return rollout.canary.analysis if rollout and rollout.canary else None if rollout else model.status.analysis


def _rounds(analysis: AnalysisStatus) -> str:
    bad = [f"{analysis.failures} failed"] if analysis.failures else []
    bad += [f"{analysis.inconclusives} said nothing"] if analysis.inconclusives else []
    rounds = "1 round" if analysis.runs == 1 else f"{analysis.runs} rounds"
    return ", ".join([f"{analysis.phase}, {rounds}", *bad])


def _latest(analysis: AnalysisStatus) -> list[MetricLine]:
    """The last measurement of each metric."""
    last = {each.metric: each for each in sorted(analysis.measurements, key=lambda each: each.at)}
    return [
        MetricLine(metric=each.metric, outcome=str(each.outcome), message=each.message, at=each.at)
        for each in last.values()
    ]


def document(view: Any) -> Any:
    """A view as plain data for programs: fields as in the API, without what is absent."""
    from dataclasses import fields, is_dataclass

    if is_dataclass(view):
        pairs = ((field.name, getattr(view, field.name)) for field in fields(view))
        return {_camel(name): document(value) for name, value in pairs if value is not None}
    if isinstance(view, tuple | list):
        return [document(each) for each in view]
    return view.isoformat().replace("+00:00", "Z") if isinstance(view, datetime) else view


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.title() for word in rest)
