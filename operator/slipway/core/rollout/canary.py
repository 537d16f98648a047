"""A canary: which share the candidate should have next, and what has to come true before the step after that.

A share is never more than the candidate's available pods can carry. With a gateway shares are exact, and the old
version stays whole; without one they are what the numbers of pods allow, because a Service gives each pod the same.
A blue-green change with checks is a canary of two steps, nothing and all.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from slipway.api.scalars import duration
from slipway.api.v1alpha1.spec import AnalysisMode, CanaryStep, Pause
from slipway.api.v1alpha1.status import CanaryStatus, RevisionRef, RolloutStatus
from slipway.core.analysis.judge import begun
from slipway.core.observed.revision import RevisionFacts
from slipway.core.policy import Policy
from slipway.core.reasons import Finding, Reason, finding
from slipway.core.rollout import analysis_gate
from slipway.core.rollout.allocation import ExactStep
from slipway.core.rollout.capacity import Limits
from slipway.core.rollout.progress import time_restarted
from slipway.core.rollout.state import Facts
from slipway.core.shares import WHOLE
from slipway.core.wait import NO_WAIT, Wait


@dataclass(frozen=True, kw_only=True)
class Progressed:
    """Where a canary stands after a look."""

    rollout: RolloutStatus
    status: CanaryStatus
    """The rollout's."""
    wait: Wait = NO_WAIT


def splits_requests(policy: Policy) -> bool:
    """Whether at some step both versions get requests of the same clients."""
    return any(0 < (step.weight or 0) < WHOLE for step in policy.canary_steps)


def splits_sequences(facts: Facts, candidate: RevisionRef | None) -> Finding | None:
    """No route keeps the requests of a sequence together while it shares requests out: neither Gateway API nor Service
    knows of sequences. An edit of the spec heals it, so the version is not refused."""
    if not facts.sequences or candidate is None:
        return None
    message = (
        f"{candidate.version}: rollout.canary.steps would split the sequences of {' and '.join(facts.sequences)}, "
        "whose config.pbtxt has sequence_batching: all requests of a sequence must reach one pod; "
        "set rollout.type to BlueGreen"
    )
    return finding(Reason.SPEC_INVALID, message)


def progressed(
    rollout: RolloutStatus, facts: Facts, candidate: RevisionRef | None, policy: Policy, now: datetime
) -> Progressed:
    """Go on over every step that has come true. Steps that were changed start again."""
    before = rollout.canary
    if before is None or begins(rollout, policy):
        before = _first(facts, candidate, policy, now)
    status = _begun(before, facts, facts.of(candidate), policy, now)
    waits = rollout.clock.waiting_since is not None
    while not is_over(status, policy) and _has_come_true(status, facts, facts.of(candidate), policy, now, waits=waits):
        entered = _entered(status, policy, status.step + 1, now)
        status = _begun(entered, facts, facts.of(candidate), policy, now)
    wait = _wait(status, policy, candidate, facts)
    by_time = wait.until is not None or (wait.finding is not None and wait.finding.reason is Reason.ANALYSIS_RUNNING)
    if (wait.until and wait.until <= now) or (waits and by_time):  # what else is in the way is waited for
        wait = NO_WAIT
    rollout = rollout.evolve(canary=status)
    if status.step != before.step:  # the pods have time again to get there
        rollout = time_restarted(rollout, now)
    return Progressed(rollout=rollout, status=status, wait=wait)


def begins(rollout: RolloutStatus, policy: Policy) -> bool:
    """Whether the steps are at their beginning: nothing of them was decided yet, or they were changed."""
    return rollout.canary is None or rollout.canary.steps != _named(policy)


def forgotten(rollout: RolloutStatus) -> RolloutStatus:
    """The rollout as if it had no steps."""
    return rollout.evolve(canary=None)


def stood_still(rollout: RolloutStatus, since: datetime | None, now: datetime) -> RolloutStatus:
    """The rollout whose step was held since then: that time is none of its pause, and its analysis measures anew. Of a
    step that was held from its beginning, None, nothing counts."""
    status = rollout.canary
    if status is None:
        return rollout
    held = max(timedelta(), now - max(since or status.since, status.since))
    rests = analysis_gate.rested(status.analysis)
    return rollout.evolve(canary=status.evolve(since=min(now, status.since + held), analysis=rests))


def rested_for_pods(
    rollout: RolloutStatus, facts: Facts, candidate: RevisionRef | None, policy: Policy
) -> RolloutStatus:
    """The rollout whose analysis rests while all pods that it has looked at are gone, and the step's are not there
    again: an eviction or a drained node is nothing that the version did."""
    status, candidate_facts = rollout.canary, facts.of(candidate)
    if (
        status is None
        or status.analysis is None
        or candidate_facts is None
        or candidate_facts.available >= wanted_pods(status, facts, policy)
    ):
        return rollout
    evidence = facts.evidence.get(analysis_gate.topic(candidate_facts.revision, status.analysis))
    looked_at = {sample.pod for sample in evidence.after.of(candidate_facts.revision)} if evidence else set()
    if not looked_at or looked_at & {pod.uid for pod in candidate_facts.pods}:
        return rollout
    return rollout.evolve(canary=status.evolve(analysis=analysis_gate.rested(status.analysis)))


def skipped(rollout: RolloutStatus, policy: Policy, now: datetime) -> RolloutStatus | None:
    """Past the pause or the analysis that the canary stands in, as somebody asks; None where it stands in none."""
    status = rollout.canary
    if status is None:
        return None
    if analysis_gate.holds(status, policy):
        status = status.evolve(analysis=analysis_gate.ended(status.analysis, policy))
    elif _pause(status, policy) is None:
        return None
    return rollout.evolve(canary=_entered(status, policy, status.step + 1, now))


def is_over(status: CanaryStatus, policy: Policy) -> bool:
    """Whether every step has been made: what is left is to take over."""
    return status.step >= len(policy.canary_steps)


def wanted_pods(status: CanaryStatus, facts: Facts, policy: Policy) -> int:
    """Pods of the candidate for the requests that it should have by now, those that only it answers and copies."""
    if is_over(status, policy):
        return facts.needed
    if facts.route is None:
        return _nearest(status.weight, facts)
    if policy.canary_full_size:
        return facts.needed
    load = min(WHOLE, status.weight + status.shadow)
    return min(facts.needed, max(1, -(-facts.needed * load // WHOLE)))


def mirrored(status: CanaryStatus, available: int, needed: int) -> int:
    """Percent of the requests to copy: never more than the pods that are there can answer beside their share."""
    can = WHOLE * available // needed if needed else 0
    return max(0, min(status.shadow, can - status.weight))


def exact_step(status: CanaryStatus, facts: Facts, policy: Policy) -> ExactStep | None:
    """What the step asks of a gateway; None where there is none."""
    if facts.route is None:
        return None
    return ExactStep(weight=status.weight, pods=wanted_pods(status, facts, policy), over=is_over(status, policy))


def limits_of(status: CanaryStatus, facts: Facts, policy: Policy) -> Limits:
    """With a gateway, room for two whole versions. Without one, old and new share the number of pods; of a single one
    there are two for as long as both have to answer. At 0 % the candidate's pods are on top of those that are needed.
    """
    if facts.route is not None:
        return Limits(needed=facts.needed, surge=facts.needed)
    spans = not facts.bystanders
    if is_over(status, policy):
        return Limits(needed=facts.needed, surge=1, spans=spans)
    pods, shares = wanted_pods(status, facts, policy), status.weight > 0
    several = shares or len(facts.traffic.reaches) > 1
    needed = max(facts.needed, 2) if several else facts.needed
    return Limits(needed=needed, surge=1, spans=spans and shares, most=pods)


def _named(policy: Policy) -> str:
    """A name for these steps and their analysis, to see when they change. What is default is left out, so that a field
    that a later operator adds changes no name."""
    parts = (*policy.canary_steps, *filter(None, [policy.analysis]))
    text = "".join(each.model_dump_json(by_alias=True, exclude_defaults=True) for each in parts)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _first(facts: Facts, candidate: RevisionRef | None, policy: Policy, now: datetime) -> CanaryStatus:
    """At the first step; past the last one where all of the traffic is the candidate's already, and nothing is left for
    the steps to do but to take it back."""
    status = CanaryStatus(steps=_named(policy), since=now)
    if facts.all_reach(facts.of(candidate)):
        return _entered(status.evolve(weight=WHOLE), policy, len(policy.canary_steps), now)
    return _entered(status, policy, 0, now)


def _entered(status: CanaryStatus, policy: Policy, at: int, now: datetime) -> CanaryStatus:
    """At the beginning of a step; after the last one nothing is mirrored any more."""
    steps, status = policy.canary_steps, status.evolve(step=at, since=now)
    if at == len(steps):
        return status.evolve(shadow=0)
    if (weight := steps[at].weight) is not None:
        return status.evolve(weight=weight)
    if (shadow := steps[at].shadow) is not None:
        return status.evolve(shadow=shadow)
    if steps[at].analysis is AnalysisMode.INLINE:
        return status.evolve(analysis=None)  # another one
    return status


def _begun(
    status: CanaryStatus, facts: Facts, candidate: RevisionFacts | None, policy: Policy, now: datetime
) -> CanaryStatus:
    """An analysis begins, or goes on after it stood still, once there are pods to measure."""
    if policy.analysis is None or candidate is None or candidate.available < wanted_pods(status, facts, policy):
        return status
    if status.analysis is not None:
        return status.evolve(analysis=analysis_gate.gone_on(status.analysis, policy, now))
    return status.evolve(analysis=begun(policy.analysis, now)) if analysis_gate.is_to_begin(status, policy) else status


def _has_come_true(
    status: CanaryStatus, facts: Facts, candidate: RevisionFacts | None, policy: Policy, now: datetime, *, waits: bool
) -> bool:
    step = policy.canary_steps[status.step]
    if analysis_gate.holds(status, policy) or (facts.route and facts.route.wait.finding):
        return False
    if step.pause is not None:
        return step.pause.duration is not None and not waits and now >= status.since + duration(step.pause.duration)
    if candidate is None or candidate.available < wanted_pods(status, facts, policy):
        return False
    return step.analysis is not None or _is_routed(step, status, facts, candidate, policy)


def _is_routed(step: CanaryStep, status: CanaryStatus, facts: Facts, candidate: RevisionFacts, policy: Policy) -> bool:
    """Whether the traffic is as a step of weight or shadow wants it."""
    if facts.route is None:
        pods = wanted_pods(status, facts, policy)
        return step.weight is None or _is_split(status.weight, candidate, facts, pods)
    if step.weight is not None:
        return facts.route.settled and facts.route.share(candidate.revision) == step.weight
    copies = mirrored(status, candidate.available, facts.needed)
    return facts.route.settled and facts.route.shadow == ((candidate.revision, copies) if copies else None)


def _is_split(weight: int, candidate: RevisionFacts, facts: Facts, pods: int) -> bool:
    """Without a gateway: the pods are as the share has them, and the Service spans them."""
    reached = facts.traffic.service
    others = sum(facts.revisions[name].count for name in reached - {candidate.revision} if name in facts.revisions)
    spread = candidate.revision in reached and facts.landed and candidate.count <= pods
    return not weight or (spread and others <= max(facts.needed, 2) - pods)


def _pause(status: CanaryStatus, policy: Policy) -> Pause | None:
    """The pause that it stands in."""
    steps = policy.canary_steps
    return steps[status.step].pause if status.step < len(steps) else None


def _wait(status: CanaryStatus, policy: Policy, candidate: RevisionRef | None, facts: Facts) -> Wait:
    """An analysis or a pause in words, and when the pause ends."""
    if candidate is None:
        return NO_WAIT
    pause = _pause(status, policy)
    if (analysis := analysis_gate.wait(status, policy, candidate, facts)) or pause is None:
        return Wait(finding=analysis)
    until = status.since + duration(pause.duration) if pause.duration else None
    ends = f"until {until:%H:%M:%S} UTC" if until else f"until promote/{candidate.revision} is asked for"
    place = f"step {status.step + 1} of {len(policy.canary_steps)}"
    message = f"{candidate.version}: {place}: pauses at {analysis_gate.share(status, candidate, facts)} {ends}"
    return Wait(finding=finding(Reason.PAUSED, message), until=until)


def _nearest(weight: int, facts: Facts) -> int:
    """Pods of the candidate whose part of all pods is nearest to the share; each side has at least one (as Argo
    Rollouts has it, which also rounds a tie up)."""
    total = max(facts.needed, 2)
    return min(total - 1, max(1, (2 * total * weight + WHOLE) // (2 * WHOLE)))
