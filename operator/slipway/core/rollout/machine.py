"""The rollout as a state machine: where a candidate is on its way, and what may happen next.

Pure: `step(state, facts, policy, now)` says the next state, which pods and which traffic each revision should have, and
when to look again. All state lives in status, so that a pass which is cut off at any write is simply made again. It is
one machine for every type: a type is a set of limits for capacity.py.

    Resolving → Starting → Shifting → promoted (→ Soaking, while the version before is in standby)
        └──────────┴───────────┴────────────────────┴── a finding about the revision, or a person's word
                                                        → RollingBack → refused
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from slipway.api.v1alpha1.spec import RolloutType
from slipway.api.v1alpha1.status import RolloutPhase, RolloutStatus
from slipway.core.facts import PodFacts
from slipway.core.plan import Note
from slipway.core.reasons import About, Finding, Reason, finding
from slipway.core.rollout import analysing, canary, limits, mirroring, proving, resolving
from slipway.core.rollout.capacity import Allocation, Limits, Side, allocate, hold
from slipway.core.rollout.facts import RevisionFacts
from slipway.core.rollout.gates import Policy, at_fault, first_finding, is_certain, objection, pod_was_lost
from slipway.core.rollout.progress import deadline, missed_deadline, noted, time_restarted, unpaused, wait_ended, waits
from slipway.core.rollout.state import Facts, Outcome, State, side
from slipway.core.rollout.target import at_phase, fallen_back, promoted, refused_as, started


def step(state: State, facts: Facts, policy: Policy, now: datetime) -> Outcome:
    """One step. `state` has been retargeted at what is asked."""
    rollout = state.rollout
    if rollout is None:
        return _steady(state, facts)
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
    return Outcome(state=state, allocation=as_it_is(state, facts), evict=_stable_faults(state, facts))


def as_it_is(state: State, facts: Facts) -> Allocation:
    """Pods and traffic stay; what serves alone has as many pods as are needed."""
    counts = {revision: known.count for revision, known in facts.revisions.items()}
    stable = state.stable.revision if state.stable else None
    root = facts.root or frozenset({stable} if stable else ())
    if facts.needed == 0:
        return Allocation(counts=dict.fromkeys(counts, 0), root=root)
    if stable and root <= {stable}:
        counts[stable] = facts.needed
    elif stable and (lacking := facts.needed - sum(counts.values())) > 0:
        counts[stable] = counts.get(stable, 0) + lacking
    return Allocation(counts=counts, root=root, weights=canary.held_shares(facts, state))


# -- towards a revision


def _resolve(state: State, rollout: RolloutStatus, facts: Facts, now: datetime) -> Outcome:
    candidate, still = state.candidate, as_it_is(state, facts)
    if candidate is None:
        return Outcome(state=state, allocation=still)
    if facts.known:
        return _start(state, facts.known, still, now)
    attempt = resolving.resolve(rollout, facts.resolve, version=candidate.version, now=now)
    return Outcome(
        state=replace(state, rollout=attempt.rollout),
        allocation=still,
        jobs=frozenset({candidate.ask} if attempt.job else ()),
        discard=frozenset({candidate.ask} if attempt.discard else ()),
        resolved=attempt.answer,
        finding=attempt.finding,
        stalled=attempt.stalled,
        wake_at=attempt.wake_at,
    )


def _start(state: State, revision: str, still: Allocation, now: datetime) -> Outcome:
    begun = started(state, revision=revision, now=now)
    candidate, stable = begun.candidate, begun.stable
    if candidate is None or stable is None:  # a first version is told of when it serves
        return Outcome(state=begun, allocation=still)
    message = f"{candidate.version} (revision {candidate.revision}) starts beside {stable.version}"
    return Outcome(state=begun, allocation=still, notes=(Note(reason=Reason.ROLLOUT_STARTED, message=message),))


# -- forward


def _advance(state: State, rollout: RolloutStatus, facts: Facts, policy: Policy, now: datetime) -> Outcome:
    candidate = facts.of(state.candidate)
    if candidate is None:
        return Outcome(state=state, allocation=as_it_is(state, facts))
    if _has_taken_over(state, facts, candidate):
        return _promote(state, facts, policy, now)
    unrouted = _unrouted(state, facts)
    outside = _hindered(facts) or unrouted or _drains(rollout, facts, candidate, policy)
    rollout, found, late = _judged(rollout, candidate, outside, policy, now)
    state = mirroring.measured(replace(state, rollout=rollout), facts)
    state, told = analysing.analysed(state, facts, policy, now)
    rollout = state.rollout or rollout
    failed = late or (found if found and is_certain(found, candidate) else analysing.failure(rollout, state.candidate))
    if failed and policy.automatic_rollback:
        return refuse(state, found if found and found.about is About.REVISION else failed, facts, now)
    outcome = _moved(state, rollout, facts, policy, now)
    said = failed or (None if unrouted else outcome.finding) or found  # a pause is not what is waited for then
    waiting = rollout.clock.waiting_since
    stalled = bool(failed) or outcome.stalled or (waiting is not None and now >= waiting + policy.progress_deadline)
    return replace(
        outcome,
        evict=(*at_fault(candidate), *_stable_faults(state, facts)),
        finding=said,
        stalled=stalled,
        notes=(*told, *outcome.notes),
        wake_at=_earliest(outcome.wake_at, None if stalled else _patience(rollout, candidate, policy)),
    )


def _has_taken_over(state: State, facts: Facts, candidate: RevisionFacts) -> bool:
    rollout = state.rollout
    shifted = state.stable is None or (rollout is not None and rollout.phase is RolloutPhase.SHIFTING)
    whole = state.stable is not None or candidate.available >= facts.needed > 0
    return shifted and whole and facts.root == {candidate.revision} and (facts.settled or state.stable is None)


def _promote(state: State, facts: Facts, policy: Policy, now: datetime) -> Outcome:
    settled, notes = promoted(state, now, soaks=policy.soaks)
    return replace(_steady(settled, facts), notes=notes)


def _unrouted(state: State, facts: Facts) -> Finding | None:
    """The gateway does not take the route: no share moves until it does. A first version takes nobody's share."""
    return facts.route.finding if facts.route and state.stable else None


def _hindered(facts: Facts) -> Finding | None:
    """A child whose name is taken, or that a quota or RBAC is against, is not a matter of the candidate's time."""
    found = facts.hindrance
    return found if found and found.about is About.WORLD else None


def _drains(rollout: RolloutStatus, facts: Facts, candidate: RevisionFacts, policy: Policy) -> Finding | None:
    """The candidate may not have pods before others' have ended; or it has all that it may have before the traffic is
    shared, and others' pods are about, which a Service that spans would reach."""
    if waits_for := _may_not_stop(facts, candidate, policy) or _awaits_end(rollout, facts, candidate, policy):
        return waits_for
    done = 0 < candidate.count <= candidate.available and candidate.count < facts.needed
    if not (facts.bystanders and done) or candidate.revision in facts.root:
        return None
    message = f"{candidate.version}: answers correctly, and gets traffic once pods of an earlier version have gone"
    return finding(Reason.DRAINING, message)


def _may_not_stop(facts: Facts, candidate: RevisionFacts, policy: Policy) -> Finding | None:
    """With Recreate a pod that nobody hears of would keep the candidate from starting, for ever perhaps: as long as it
    is there, what serves is not stopped."""
    if policy.type is not RolloutType.RECREATE or candidate.count:
        return None
    for known in facts.revisions.values():
        stuck = next((pod for pod in (*known.ending, *known.pods) if known.lost_node(pod)), None)
        if stuck and known.count and known is not candidate:
            message = f"{candidate.version}: {known.version} is not stopped while {_unheard(known, stuck)}"
            return finding(Reason.POD_LOST, message)
    return None


def _awaits_end(rollout: RolloutStatus, facts: Facts, leads: RevisionFacts, policy: Policy) -> Finding | None:
    """It may not have pods before others' have ended, which have been told to."""
    proved = rollout.strategy.bundles_verified
    stopped = proved or not any(known.count for known in facts.revisions.values())
    if leads.count or not stopped or not (proved or policy.type is RolloutType.RECREATE):
        return None
    lingering = list(_lingering(facts, leads))
    for known, pod in lingering:
        if known.lost_node(pod):
            return finding(Reason.POD_LOST, f"{leads.version}: starts no pod while {_unheard(known, pod)}")
    if not lingering:
        return None
    pod = lingering[0][1]
    message = (
        f"{leads.version}: starts once the pods of the version before have ended; {pod.name} on {pod.node} has not"
    )
    return finding(Reason.DRAINING, message)


def _unheard(known: RevisionFacts, pod: PodFacts) -> str:
    """That a pod has ended nobody can tell, and what helps."""
    force = f"kubectl delete pod {pod.name} --grace-period=0 --force"
    remedy = f"delete Node {pod.node} if its machine is off, or the pod: {force}"
    return f"nobody can tell whether {pod.name} of {known.version} has ended: {known.lost_node(pod)}; {remedy}"


def _judged(
    rollout: RolloutStatus, candidate: RevisionFacts, outside: Finding | None, policy: Policy, now: datetime
) -> tuple[RolloutStatus, Finding | None, Finding | None]:
    """The rollout with its clocks, what is in the way, and whether the time is up. While something outside is in the
    way or somebody has paused, the time does not count."""
    trouble = objection(candidate, policy)
    rollout = noted(rollout, candidate, policy, now, trouble=trouble is not None)
    found = trouble or outside
    world = found is not None and found.about is About.WORLD
    if world:
        return waits(rollout, now), found, None
    rollout = wait_ended(rollout, now)
    late = None if _idle(rollout, candidate) else missed_deadline(rollout, candidate, policy, now)
    return rollout, found or pod_was_lost(candidate), late


def _idle(rollout: RolloutStatus, candidate: RevisionFacts) -> bool:
    """There is no progress for its pods to make: somebody has to go on first, or it has all pods for its step."""
    held = rollout.canary is not None and candidate.available >= candidate.count
    return bool(rollout.clock.paused_at) or not candidate.count or held


def _patience(rollout: RolloutStatus, candidate: RevisionFacts, policy: Policy) -> datetime | None:
    if rollout.clock.waiting_since:
        return rollout.clock.waiting_since + policy.progress_deadline
    return None if _idle(rollout, candidate) else deadline(rollout, candidate, policy)


def _moved(state: State, rollout: RolloutStatus, facts: Facts, policy: Policy, now: datetime) -> Outcome:
    """Pods and traffic, one step further; unless somebody has paused, or something has to be proved first."""
    if rollout.clock.paused_at:
        return Outcome(state=state, allocation=as_it_is(state, facts))
    if state.stable and (split := canary.splits_sequences(facts, state.candidate)):
        return Outcome(state=state, allocation=as_it_is(state, facts), finding=split, stalled=True)
    candidate = facts.of(state.candidate)
    if candidate and _may_not_stop(facts, candidate, policy):
        return Outcome(state=state, allocation=as_it_is(state, facts))
    planned = limits.planned(rollout, facts, state, policy, now)
    rollout, state = planned.rollout, replace(state, rollout=planned.rollout)
    if planned.needs_proof:
        proof = proving.prove(rollout, facts.proofs, now)
        if not proof.proved:
            held = planned.before_proof and _allocated(state, facts, planned.before_proof, None)
            return replace(
                proof.outcome(state),
                allocation=held or as_it_is(state, facts),
                wake_at=_earliest(proof.wake_at, planned.wake_at),
            )
        rollout = time_restarted(limits.bundles_verified(resolving.settled(rollout)), now)
        planned = limits.planned(rollout, facts, replace(state, rollout=rollout), policy, now)
        state = replace(state, rollout=planned.rollout)
    allocation = _allocated(state, facts, planned.limits, planned.exact)
    moves = state.stable is not None and state.candidate is not None and state.candidate.revision in allocation.root
    notes = planned.notes
    if moves and rollout.phase is RolloutPhase.STARTING and state.candidate:
        message = f"{state.candidate.version} answers correctly and gets its first traffic"
        notes = (*notes, Note(reason=Reason.SHIFTING, message=message))
    rollout = at_phase(planned.rollout, RolloutPhase.SHIFTING if moves else RolloutPhase.STARTING, now)
    state = replace(state, rollout=rollout)
    return Outcome(state=state, allocation=allocation, notes=notes, finding=planned.finding, wake_at=planned.wake_at)


def _allocated(state: State, facts: Facts, within: Limits, exact: Allocation | None) -> Allocation:
    """Towards the candidate; backwards, towards the stable revision."""
    back = state.rollout is not None and state.rollout.phase is RolloutPhase.ROLLING_BACK
    up, other = (state.stable, state.candidate) if back else (state.candidate, state.stable)
    gives = (*facts.superseded, (other and other.revision) or "")
    down = [
        side(facts.revisions[name], expendable=back or name in facts.superseded)
        for name in gives
        if name in facts.revisions
    ]
    leads = facts.of(up)
    if leads is None:
        return as_it_is(state, facts)
    if not back:
        down = _grown(side(leads), down, within, facts.root & facts.revisions.keys())
    sides: list[Side] = [side(leads), *down]
    held = not back and _unrouted(state, facts) and any(s.carries for s in sides if s.revision in facts.root)
    if held:  # what serves goes on serving, the pods that it has included
        within = replace(within, unavailable=0)
    wanted = exact or allocate(sides[0], down, within, facts.root)
    if held:
        wanted = _held(state, facts, wanted, leads)
    allocation = hold(wanted, sides, within, facts.root)
    if within.apart and not leads.count and _lingers(facts, leads):
        return replace(allocation, counts={**allocation.counts, leads.revision: 0})
    return allocation


def _held(state: State, facts: Facts, wanted: Allocation, leads: RevisionFacts) -> Allocation:
    """No share moves, but for what nobody can carry; and where versions share the traffic, no pod."""
    shares = canary.held_shares(facts, state)
    root = frozenset(name for name, share in shares.items() if share) if shares else facts.root
    counts = as_it_is(state, facts).counts if leads.revision in root else wanted.counts
    return Allocation(counts=counts, root=root, weights=shares)


def _grown(new: Side, down: list[Side], within: Limits, root: frozenset[str]) -> list[Side]:
    """An old version that still carries all has as many pods as are asked for by now, as far as there is room beside
    the others; but for one that makes room."""
    if new.carries >= within.needed or (within.spans and new.carries):
        return down
    room = max(0, within.needed + within.surge - new.count - sum(old.count for old in down))
    return [
        replace(old, count=max(old.count, min(within.floor, old.count + room)))
        if root == {old.revision} and not old.expendable
        else old
        for old in down
    ]


def _lingers(facts: Facts, leads: RevisionFacts) -> bool:
    """Pods of another revision are still there, if only to end."""
    return any(_lingering(facts, leads))


def _lingering(facts: Facts, leads: RevisionFacts) -> Iterator[tuple[RevisionFacts, PodFacts]]:
    """Pods of other revisions that may still run. One whose Node is not there any more does not."""
    for known in facts.revisions.values():
        for pod in (*known.ending, *known.pods):
            if known is not leads and not known.has_no_node(pod):
                yield known, pod


# -- back


def refuse(state: State, found: Finding, facts: Facts, now: datetime) -> Outcome:
    """Send the candidate home. Where it has traffic, what was there before takes that back first."""
    candidate = state.candidate
    if candidate is None:
        return Outcome(state=state, allocation=as_it_is(state, facts))
    state = replace(state, refused=refused_as(candidate, found, now))
    if state.rollout and state.stable and (facts.root - {state.stable.revision}):
        state = replace(state, rollout=unpaused(at_phase(state.rollout, RolloutPhase.ROLLING_BACK, now)))
    else:
        state = replace(state, candidate=None, rollout=None)
    return Outcome(state=state, allocation=as_it_is(state, facts), notes=(_refusal(found),))


def _refusal(found: Finding) -> Note:
    return Note(reason=found.reason, message=f"refused: {found.message}", warning=True, refuses=True)


def _roll_back(state: State, rollout: RolloutStatus, facts: Facts, policy: Policy, now: datetime) -> Outcome:
    """No steps, no analysis: the stable revision gets whole and takes its share back, then the other goes."""
    stable = facts.of(state.stable)
    if stable is None or (facts.root == {stable.revision} and facts.settled):
        done = replace(state, candidate=None, rollout=None)
        note = Note(reason=Reason.ROLLED_BACK, message=f"{state.stable.version} serves again") if state.stable else None
        return replace(_steady(done, facts), notes=(note,) if note else ())
    if facts.needed == 0:  # asleep: there is nothing to carry
        none = dict.fromkeys(facts.revisions, 0)
        return Outcome(state=state, allocation=Allocation(counts=none, root=frozenset({stable.revision})))
    found = first_finding(stable, policy) or _unrouted(state, facts) or _awaits_end(rollout, facts, stable, policy)
    until = rollout.phase_started_at + policy.progress_deadline
    planned = limits.planned(rollout, facts, state, policy, now)
    state = replace(state, rollout=planned.rollout)
    return Outcome(
        state=state,
        allocation=_allocated(state, facts, planned.limits, None),
        finding=found,
        stalled=found is not None and now >= until,
        evict=at_fault(stable),
        wake_at=_earliest(planned.wake_at, until if now < until else None),
    )


def _soak(state: State, facts: Facts, policy: Policy, now: datetime) -> Outcome:
    """It has taken over. As long as the version before is in standby, a failure sends it home."""
    stable = facts.of(state.stable)
    if facts.standby is None:
        return _steady(replace(state, rollout=None), facts)
    found = first_finding(stable, policy) if stable and not stable.whole else None
    if found and stable and policy.automatic_rollback and is_certain(found, stable):
        return sent_home(state, found, facts, now)
    return replace(_steady(state, facts), finding=found)


def sent_home(state: State, found: Finding, facts: Facts, now: datetime) -> Outcome:
    """What soaks goes, and the version in standby serves again."""
    if facts.standby is None:
        return _steady(state, facts)
    state = fallen_back(state, found, facts.standby, now)
    return Outcome(state=state, allocation=as_it_is(state, facts), notes=(_refusal(found),))


def _stable_faults(state: State, facts: Facts) -> tuple[PodFacts, ...]:
    stable = facts.of(state.stable)
    return at_fault(stable) if stable else ()


def _earliest(*times: datetime | None) -> datetime | None:
    return min((at for at in times if at), default=None)
