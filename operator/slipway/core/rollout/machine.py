"""The rollout as a state machine: where a candidate is on its way, and what may happen next.

Pure: `step(state, facts, policy, now)` says the next state, which pods and which traffic each revision should have, and
when to look again. All state lives in status, so that a pass which is cut off at any write is simply made again. It is
one machine for every type: a type is a set of limits for capacity.py.

    Resolving → Starting → Shifting → promoted (→ Soaking, while the version before is in standby)
        └──────────┴───────────┴────────────────────┴── a finding about the revision, or a person's word
                                                        → RollingBack → refused
"""

from dataclasses import replace
from datetime import datetime

from slipway.api.v1alpha1.status import RolloutPhase, RolloutStatus
from slipway.core.observed.pods import PodFacts
from slipway.core.observed.revision import RevisionFacts
from slipway.core.plan import Note
from slipway.core.policy import Policy
from slipway.core.reasons import About, Finding, Reason, finding
from slipway.core.rollout import analysis_gate, bundle_check, canary, failure, mirroring, stopping, strategy
from slipway.core.rollout.allocation import back, is_shut_out, spans, standing_still, towards
from slipway.core.rollout.gates import at_fault, first_finding, is_certain, objection, pod_was_lost
from slipway.core.rollout.progress import (
    deadline,
    missed_deadline,
    noted,
    time_for_more,
    time_restarted,
    unpaused,
    wait_ended,
    waits,
)
from slipway.core.rollout.refusals import refused_as, with_refusal
from slipway.core.rollout.state import Allocation, Facts, Outcome, State
from slipway.core.rollout.target import at_phase, fallen_back, promoted, started
from slipway.core.rollout.withdrawn import blocked_candidate
from slipway.core.shares import all_to
from slipway.core.wait import NO_WAIT, Wait


def step(state: State, facts: Facts, policy: Policy, now: datetime) -> Outcome:
    """One step. `state` has been retargeted at what is asked."""
    rollout = state.rollout
    if rollout is None:
        return _steady(state, facts)
    rollout = strategy.as_its_type(rollout, policy, now)
    state = replace(state, rollout=rollout)
    withdrawn = blocked_candidate(state, facts) if rollout.phase is not RolloutPhase.ROLLING_BACK else None
    if withdrawn:
        return refuse(state, withdrawn, facts, now)
    match rollout.phase:
        case RolloutPhase.RESOLVING:
            return _resolve(state, rollout, facts, now)
        case RolloutPhase.SOAKING:
            return _soak(state, facts, policy, now)
        case RolloutPhase.ROLLING_BACK:
            return _roll_back(state, rollout, facts, policy, now)
        case _:
            return _advance(state, rollout, facts, policy, now)


# -- nothing moves


def _steady(state: State, facts: Facts) -> Outcome:
    return Outcome(state=state, allocation=standing_still(state, facts), evict=_stable_faults(state, facts))


# -- towards a revision


def _resolve(state: State, rollout: RolloutStatus, facts: Facts, now: datetime) -> Outcome:
    candidate, still = state.candidate, standing_still(state, facts)
    if candidate is None:
        return Outcome(state=state, allocation=still)
    if facts.reusable:
        return _start(state, facts.reusable, still, now)
    check = bundle_check.check_bundle(rollout, facts.resolve, version=candidate.version, now=now)
    return replace(check.outcome(state, candidate.ask, still), resolved=check.resolved)


def _start(state: State, revision: str, still: Allocation, now: datetime) -> Outcome:
    begun = started(state, revision=revision, now=now)
    candidate, stable = begun.candidate, begun.stable
    if candidate is None or stable is None:  # a first version is told of when it serves
        return Outcome(state=begun, allocation=still)
    message = f"{candidate.version} (revision {candidate.revision}) starts beside {stable.version}"
    return Outcome(state=begun, allocation=still, notes=(Note(reason=Reason.ROLLOUT_STARTED, message=message),))


# -- forward


def _advance(state: State, rollout: RolloutStatus, facts: Facts, policy: Policy, now: datetime) -> Outcome:
    state, facts, retried = failure.without_retried(state, facts)
    stable, candidate, rollout = facts.of(state.stable), facts.of(state.candidate), state.rollout or rollout
    if candidate is None:
        return Outcome(state=state, allocation=standing_still(state, facts))
    if _has_taken_over(state, facts, candidate):
        return _promote(state, facts, policy, now)
    unrouted, shut_out = _unrouted(state, facts), _shut_out(state, rollout, facts, policy, now)
    elsewhere = unrouted or shut_out or stopping.drains(rollout, facts, candidate, policy)
    outside = _blocked(facts) or elsewhere or _old_side_lacks(state, facts, candidate)
    rollout, problem, late = _judged(rollout, candidate, outside, policy, now)
    rollout = canary.rested_for_pods(rollout, facts, state.candidate, policy)
    state = mirroring.measured(replace(state, rollout=rollout), facts)
    state, events = analysis_gate.analysed(state, facts, policy, now)
    rollout = state.rollout or rollout
    certain = problem if problem and is_certain(problem, candidate) else None
    failed = late or certain or analysis_gate.failure(rollout, state.candidate, facts) or failure.standing(rollout)
    back_at = stopping.stopped_for_nothing(rollout, facts, stable, problem if problem is not unrouted else None, policy)
    if stable and problem and not failed and back_at and now >= back_at:
        failed = stopping.given_up(problem, stable, candidate, policy)
    if failed and policy.automatic_rollback:
        return refuse(state, problem if problem and problem.about is About.REVISION else failed, facts, now)
    if failed:
        rollout = failure.noted(rollout, failed, candidate.revision, now)
        state = replace(state, rollout=rollout)
    faults, stable_faults = at_fault(candidate), _stable_faults(state, facts)
    if stands := failure.standing(rollout):
        wait, still = Wait(finding=stands, stalled=True), standing_still(state, facts)
        return Outcome(state=state, allocation=still, wait=wait, evict=(*faults, *stable_faults), notes=events)
    outcome = _moved(state, rollout, facts, policy, now)
    held = unrouted or shut_out  # a pause is not what is waited for then
    moves = replace(outcome.wait, finding=None) if held else outcome.wait
    wait = Wait(finding=failed, stalled=bool(failed)) | moves | Wait(finding=problem)
    wait |= Wait(until=back_at) if back_at else _patience(rollout, candidate, policy, now)
    idle = wait.until is None and not rollout.clock.paused_at
    if wait.finding is None and (idle or _is_unlanded(facts)):
        wait |= _overdue(rollout, facts, policy, now)
    wait |= Wait(finding=facts.route.wait.finding if facts.route else None)
    wait |= Wait(finding=pod_was_lost(candidate), until=_drained_at(facts))
    notes = (*events, *outcome.notes)
    return replace(outcome, evict=(*faults, *retried, *stable_faults), wait=wait, notes=notes)


def _drained_at(facts: Facts) -> datetime | None:
    """When the pods of stable or the candidate may go that clients have left."""
    return min(facts.draining.values(), default=None)


def _has_taken_over(state: State, facts: Facts, candidate: RevisionFacts) -> bool:
    rollout = state.rollout
    if rollout is None or failure.standing(rollout):
        return False
    shifted = rollout.phase is RolloutPhase.SHIFTING
    whole = candidate.carries >= facts.needed > 0
    if state.stable is None:  # nobody else answers, whatever a gateway may say
        return whole and facts.live_service == {candidate.revision}
    return shifted and whole and facts.all_reach(candidate)


def _promote(state: State, facts: Facts, policy: Policy, now: datetime) -> Outcome:
    settled, notes = promoted(state, now, soaks=policy.soaks)
    return replace(_steady(settled, facts), notes=notes)


def _unrouted(state: State, facts: Facts) -> Finding | None:
    """The gateway does not take the route: no share moves until it does. A first version takes nobody's share."""
    return facts.route.wait.finding if facts.route and state.stable else None


def _blocked(facts: Facts) -> Finding | None:
    """A child whose name is taken, or that a quota or RBAC is against, is not a matter of the candidate's time."""
    problem = facts.blocked_write
    return problem if problem and problem.about is About.WORLD else None


def _old_side_lacks(state: State, facts: Facts, candidate: RevisionFacts) -> Finding | None:
    """Without a gateway shares are numbers of pods: the candidate has its own, and the old version has lost some."""
    stable, rollout = facts.of(state.stable), state.rollout
    steps = rollout.canary if rollout and facts.route is None else None
    shares = steps is not None and (steps.weight > 0 or candidate.revision in facts.traffic.reaches)
    if stable is None or not shares or not 0 < candidate.count <= candidate.available < facts.needed:
        return None
    if stable.available >= stable.count or stable.available + candidate.available >= facts.needed:
        return None
    lacks = f"{stable.available} of {stable.count} pods available"
    message = f"{stable.version}: {lacks}: shares are numbers of pods, so the step waits for them"
    return finding(Reason.UNAVAILABLE, message)


def _overdue(rollout: RolloutStatus, facts: Facts, policy: Policy, now: datetime) -> Wait:
    """Nothing that has a name is in the way, and nothing goes on: that has a deadline like any other wait. It counts
    from the last progress of any pod that takes part; for what was written to be there, from the step's start."""
    since = rollout.clock.deadline_from or rollout.phase_started_at
    unlanded = _is_unlanded(facts)
    if not unlanded:
        since = max((revision.progressed_at(since) for revision in facts.revisions.values()), default=since)
    until = since + policy.progress_deadline
    if now < until:
        return Wait(until=until)
    if unlanded:
        message = "the root Service, or the route, is not as it was written: see who else writes it, or what refuses it"
    else:
        pods = ", ".join(
            f"{each.version} has {each.available} of {each.count} pods available" for each in facts.revisions.values()
        )
        message = f"no progress for {policy.progress_deadline} (rollout.progressDeadline): {pods}; see its pods"
    return Wait(finding=finding(Reason.UNAVAILABLE, message), stalled=True)


def _is_unlanded(facts: Facts) -> bool:
    """What was decided of the traffic is on its way still."""
    return bool(facts.traffic.service) and not facts.landed


def _judged(
    rollout: RolloutStatus, candidate: RevisionFacts, outside: Finding | None, policy: Policy, now: datetime
) -> tuple[RolloutStatus, Finding | None, Finding | None]:
    """The rollout with its clocks, what is in the way, and whether the time is up. While something outside is in the
    way or somebody has paused, the time does not count."""
    trouble = objection(candidate, policy)
    rollout = noted(rollout, candidate, policy, now, trouble=trouble is not None)
    problem = trouble or outside
    world = problem is not None and problem.about is About.WORLD
    queued, since = world and problem is not None and problem.reason is Reason.QUEUED, rollout.clock.waiting_since
    if since and (not world or queued != bool(rollout.clock.queued)):
        # While somebody has paused it, the rest is none of the step's time by that already.
        rollout = wait_ended(canary.stood_still(rollout, since, rollout.clock.paused_at or now), now)
    if world:
        return waits(rollout, now, queued=queued), problem, None
    late = None if _idle(rollout, candidate) else missed_deadline(rollout, candidate, policy, now)
    return rollout, problem, late


def _idle(rollout: RolloutStatus, candidate: RevisionFacts) -> bool:
    """There is no progress for its pods to make: somebody has to go on first, or it has all pods for its step."""
    held = rollout.canary is not None and candidate.available >= candidate.count
    return bool(rollout.clock.paused_at) or not candidate.count or held


def _patience(rollout: RolloutStatus, candidate: RevisionFacts, policy: Policy, now: datetime) -> Wait:
    """How long the world may be in the way, and how long its pods may take; neither where it has nothing to do, or a
    queue holds them back, which takes as long as it does."""
    if rollout.clock.queued:
        return NO_WAIT
    if rollout.clock.waiting_since:
        until = rollout.clock.waiting_since + policy.progress_deadline
        return Wait(until=until) if now < until else Wait(stalled=True)
    return NO_WAIT if _idle(rollout, candidate) else Wait(until=deadline(rollout, candidate, policy))


def _moved(state: State, rollout: RolloutStatus, facts: Facts, policy: Policy, now: datetime) -> Outcome:
    """Pods and traffic, one step further; unless somebody has paused, or something has to be proved first."""
    if rollout.clock.paused_at:
        return Outcome(state=state, allocation=standing_still(state, facts))
    steps = state.stable is not None and strategy.by_steps(rollout, policy)
    if steps and (split := canary.splits_sequences(facts, state.candidate)):
        return Outcome(state=state, allocation=standing_still(state, facts), wait=Wait(finding=split, stalled=True))
    candidate = facts.of(state.candidate)
    if candidate and stopping.may_not_stop(facts, candidate, policy):
        return Outcome(state=state, allocation=standing_still(state, facts))
    planned = strategy.planned(rollout, facts, state, policy, now)
    rollout, state = planned.rollout, replace(state, rollout=planned.rollout)
    if planned.needs_proof:
        held = planned.before_proof and towards(state, facts, planned.before_proof)
        unproved = bundle_check.unproved(state, rollout, facts.proofs, held or standing_still(state, facts), now)
        if unproved:
            return replace(unproved, wait=unproved.wait | Wait(until=planned.wait.until))
        rollout = time_restarted(strategy.bundles_verified(bundle_check.settled(rollout)), now)
        planned = strategy.planned(rollout, facts, replace(state, rollout=rollout), policy, now)
        state = replace(state, rollout=planned.rollout)
    allocation = towards(state, facts, planned.limits, step=planned.exact, routed=_unrouted(state, facts) is None)
    moves = state.stable is not None and candidate is not None and candidate.revision in allocation.traffic.reaches
    notes = planned.notes
    if moves and rollout.phase is RolloutPhase.STARTING and state.candidate:
        message = f"{state.candidate.version} answers correctly and gets its first traffic"
        notes = (*notes, Note(reason=Reason.SHIFTING, message=message))
    rollout = at_phase(planned.rollout, RolloutPhase.SHIFTING if moves else RolloutPhase.STARTING, now)
    wait = planned.wait
    if candidate and _idle(rollout, candidate) and allocation.counts.get(candidate.revision, 0) > candidate.count:
        rollout = time_for_more(rollout, candidate, policy, now)
        wait |= Wait(until=deadline(rollout, candidate, policy))
    return Outcome(state=replace(state, rollout=rollout), allocation=allocation, notes=notes, wait=wait)


def _shut_out(state: State, rollout: RolloutStatus, facts: Facts, policy: Policy, now: datetime) -> Finding | None:
    """Earlier versions that share the Service have to give back before the candidate may have pods."""
    stable, candidate = facts.of(state.stable), facts.of(state.candidate)
    if candidate is None or rollout.clock.paused_at or not spans(facts):
        return None
    planned = strategy.planned(rollout, facts, state, policy, now)
    if not is_shut_out(facts, stable, candidate, planned.limits, planned.exact):
        return None
    spanned = [each for name, each in sorted(facts.revisions.items()) if name in facts.traffic.service]
    others = " and ".join(sorted(each.version for each in spanned)) or "several versions"
    pods = ", ".join(f"{each.version} has {each.available} of {each.count} pods available" for each in spanned)
    why = f"the Service spans {others}: it would reach that at once; {pods}"
    return finding(Reason.DRAINING, f"{candidate.version}: starts no pod while {why}")


# -- back


def refuse(state: State, problem: Finding, facts: Facts, now: datetime) -> Outcome:
    """Send the candidate home. Where it has traffic, what was there before takes that back first."""
    candidate = state.candidate
    if candidate is None:
        return Outcome(state=state, allocation=standing_still(state, facts))
    state = with_refusal(state, refused_as(candidate, problem, facts, now), facts)
    if state.rollout and state.stable and (facts.protected - {state.stable.revision}):
        state = replace(state, rollout=unpaused(at_phase(state.rollout, RolloutPhase.ROLLING_BACK, now)))
    else:
        state = replace(state, candidate=None, rollout=None)
    return Outcome(state=state, allocation=standing_still(state, facts), notes=(_refusal(problem),))


def _refusal(problem: Finding) -> Note:
    return Note(reason=problem.reason, message=f"refused: {problem.message}", warning=True, refuses=True)


def _roll_back(state: State, rollout: RolloutStatus, facts: Facts, policy: Policy, now: datetime) -> Outcome:
    """No steps, no analysis: the stable revision gets whole and takes its share back, then the other goes."""
    stable = facts.of(state.stable)
    if stable is None or (facts.protected == {stable.revision} and facts.landed):
        done = replace(state, candidate=None, rollout=None)
        note = Note(reason=Reason.ROLLED_BACK, message=f"{state.stable.version} serves again") if state.stable else None
        return replace(_steady(done, facts), notes=(note,) if note else ())
    if facts.needed == 0:  # asleep: there is nothing to carry
        none = dict.fromkeys(facts.revisions, 0)
        return Outcome(state=state, allocation=Allocation(counts=none, traffic=all_to(stable.revision)))
    problem = (
        objection(stable, policy) or _unrouted(state, facts) or stopping.awaits_end(rollout, facts, stable, policy)
    )
    until = rollout.phase_started_at + policy.progress_deadline
    planned = strategy.planned(rollout, facts, state, policy, now)
    wait = Wait(finding=problem, until=planned.wait.until) | Wait(until=_drained_at(facts))
    if problem is None:
        wait |= _overdue(rollout, facts, policy, now)
    else:
        wait |= Wait(until=until) if now < until else Wait(stalled=True)
    wait |= Wait(finding=pod_was_lost(stable))
    state = replace(state, rollout=planned.rollout)
    return Outcome(
        state=state,
        allocation=back(state, facts, planned.limits),
        wait=wait,
        evict=at_fault(stable),
    )


def _soak(state: State, facts: Facts, policy: Policy, now: datetime) -> Outcome:
    """It has taken over. As long as the version before is in standby, a failure sends it home."""
    stable = facts.of(state.stable)
    if facts.standby is None:
        return _steady(replace(state, rollout=None), facts)
    problem = first_finding(stable, policy) if stable and not stable.whole else None
    if problem and stable and policy.automatic_rollback and is_certain(problem, stable):
        return sent_home(state, problem, facts, now)
    return replace(_steady(state, facts), wait=Wait(finding=problem))


def sent_home(state: State, problem: Finding, facts: Facts, now: datetime) -> Outcome:
    """What soaks goes, and the version in standby serves again."""
    if facts.standby is None:
        return _steady(state, facts)
    state = fallen_back(state, problem, facts.standby, facts, now)
    return Outcome(state=state, allocation=standing_still(state, facts), notes=(_refusal(problem),))


def _stable_faults(state: State, facts: Facts) -> tuple[PodFacts, ...]:
    stable = facts.of(state.stable)
    return at_fault(stable) if stable else ()
