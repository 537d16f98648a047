"""What a ModelDeployment awaits next, until when, and what happens then; by the same limits that the operator has."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from slipway.api.scalars import duration
from slipway.api.v1alpha1.analysis import AnalysisStatus
from slipway.api.v1alpha1.canary import CanaryStep
from slipway.api.v1alpha1.status import Phase, RevisionState, RolloutPhase, RolloutStatus
from slipway.cli.model import Model
from slipway.cli.steps import words
from slipway.core.observed.revision import RevisionFacts
from slipway.core.policy import Policy
from slipway.core.rollout.progress import deadline


@dataclass(frozen=True, kw_only=True)
class Awaited:
    """What is awaited."""

    what: str
    until: datetime | None = None
    """None: for as long as it takes."""
    then: str = ""
    """What happens at `until`, or meanwhile."""


def awaited(model: Model) -> Awaited | None:
    """The next thing that something waits for; None where nothing does."""
    try:
        return next(_each(model), None)
    except OverflowError:
        return Awaited(what="a time that no calendar has: see the times in status")


def _each(model: Model) -> Iterator[Awaited]:
    """In the order in which one hides the others."""
    rollout = model.status.rollout
    if not model.is_looked_at:
        yield Awaited(what=f"the operator's look at generation {model.generation}", then="is the operator running?")
    elif rollout is None:
        yield from _at_rest(model)
    else:
        yield from _held(rollout)
        yield from _soaking(model) if model.soaks else _moving(model, rollout)


def _held(rollout: RolloutStatus) -> Iterator[Awaited]:
    """Somebody's decision, or a time that stands in status."""
    failure = rollout.failure
    if failure and not (failure.accepted or failure.retry_pods_until):
        yield Awaited(what="somebody's decision: promote, retry or abort", then="nothing moves meanwhile")
    if rollout.clock.paused_at:
        yield Awaited(what="somebody: resume lets it go on", then="paused: no deadline counts")
    if rollout.resolve.retry_at:
        yield Awaited(what="another look at the source", until=rollout.resolve.retry_at, then="retry looks at once")


def _moving(model: Model, rollout: RolloutStatus) -> Iterator[Awaited]:
    """What is in the way; else the traffic, the source, a step, pods."""
    status, policy = model.status, model.policy
    if rollout.clock.queued:
        yield Awaited(what="the queue to let its pods go", then="no deadline counts: it takes as long as it does")
    elif policy and rollout.clock.waiting_since:
        until = None if _is_stalled(model) else rollout.clock.waiting_since + policy.progress_deadline
        reason = model.telling.reason if model.telling else "what is in the way"
        yield Awaited(what=f"{reason} to end", until=until, then="Stalled, and the trying goes on")
    elif rollout.phase is RolloutPhase.ROLLING_BACK:
        version = status.stable.version if status.stable else "what was there before"
        yield Awaited(what=f"{version} to have all the traffic again")
    elif rollout.phase is RolloutPhase.RESOLVING or not (status.candidate and status.candidate.revision):
        yield Awaited(what="the resolve Job's answer", then="a failed look is tried again")
    elif policy:
        yield from _by_steps(rollout, policy)
        yield _pods(model, rollout, policy)


def _is_stalled(model: Model) -> bool:
    return model.telling is not None and model.telling.type == "Stalled"


def _at_rest(model: Model) -> Iterator[Awaited]:
    """No version is on its way."""
    status = model.status
    if status.phase is Phase.SUSPENDED:
        yield Awaited(what="suspend: false, and replicas of 1 or more")
    elif status.refused:
        yield Awaited(what="another manifest, or retry", then=f"{status.refused.version} is not tried again by itself")
    elif status.phase in (Phase.WAITING, Phase.DEGRADED, Phase.STALLED):
        since = status.outage_since
        until = since + model.policy.progress_deadline if since and model.policy else None
        until = None if _is_stalled(model) else until
        yield Awaited(what="pods that answer", until=until, then="it is Stalled" if until else "")


def _soaking(model: Model) -> Iterator[Awaited]:
    standby = model.in_state(RevisionState.STANDBY)
    if standby:
        then = f"the pods of {standby.version} go; promote has them go now, abort goes back to them"
        yield Awaited(what="the end of the standby", until=standby.retire_at, then=then)


def _by_steps(rollout: RolloutStatus, policy: Policy) -> Iterator[Awaited]:
    """The pause or the analysis that a canary stands in, once it has its pods."""
    canary, steps = rollout.canary, policy.canary_steps
    if canary is None or canary.step >= len(steps) or rollout.phase is RolloutPhase.STARTING:
        return
    step = steps[canary.step]
    if step.pause:
        until = canary.since + duration(step.pause.duration) if step.pause.duration else None
        then = _next(steps, canary.step) if until else "promote goes on, abort goes back"
        yield Awaited(what="the end of the pause" if until else "somebody: promote or abort", until=until, then=then)
    elif step.analysis and canary.analysis and policy.analysis:
        yield _analysis(canary.analysis, policy.analysis.count)


def _analysis(status: AnalysisStatus, count: int) -> Awaited:
    good = status.runs - status.failures - status.inconclusives
    return Awaited(
        what=f"the analysis, {max(0, good)} of {count} rounds passed",
        until=status.next_at,
        then=f"the next round ({status.failures} failed, {status.inconclusives} said nothing)",
    )


def _next(steps: tuple[CanaryStep, ...], at: int) -> str:
    return f"then {words(steps[at + 1])}" if at + 1 < len(steps) else "then it takes over"


def _pods(model: Model, rollout: RolloutStatus, policy: Policy) -> Awaited:
    """Its pods, by the deadline that the operator has."""
    candidate = model.status.candidate
    revision = candidate.revision or "" if candidate else ""
    shown = model.revision(revision)
    have, wanted = (shown.available, shown.replicas) if shown else (0, 0)
    pods = tuple(pod.facts for pod in model.pods_of(revision) if not pod.facts.deleting and not pod.facts.over)
    version = candidate.version if candidate else "-"
    facts = RevisionFacts(revision=revision, version=version, wanted=wanted, count=wanted, available=have, pods=pods)
    if wanted and have >= wanted:
        return Awaited(what=f"{version} to take over", then=f"{have} of {wanted} pods are available")
    field = "progressDeadline" if facts.fetched else "fetchTimeout"
    ends = "is sent home" if policy.automatic_rollback else "stands still until somebody decides"
    return Awaited(
        what=f"pods of {version}: {have} of {wanted} available",
        until=deadline(rollout, facts, policy),
        then=f"without progress {version} {ends} (rollout.{field})",
    )
