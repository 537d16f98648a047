"""What a type of rollout means for capacity: how many pods more, how many less, and whether versions share the traffic.

Auto goes by what the hardware allows. It surges; where a surge pod has found no place for `unschedulableGrace` for lack
of the accelerator or quota, one old pod at a time makes room, and `strategy.message` says so before the first one goes.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from slipway.api.scalars import share_of
from slipway.api.v1alpha1.spec import RolloutType
from slipway.api.v1alpha1.status import CanaryStatus, RolloutPhase, RolloutStatus
from slipway.core.observed.revision import RevisionFacts
from slipway.core.plan import Note
from slipway.core.policy import Policy
from slipway.core.reasons import Finding, Reason, fit
from slipway.core.rollout import canary
from slipway.core.rollout.allocation import ExactStep
from slipway.core.rollout.capacity import Limits
from slipway.core.rollout.gates import first_finding, lacks_place
from slipway.core.rollout.progress import time_restarted
from slipway.core.rollout.state import Facts, State
from slipway.core.shares import WHOLE
from slipway.core.wait import NO_WAIT, Wait

NO_PLACE: Final = frozenset({Reason.INSUFFICIENT_CAPACITY, Reason.QUOTA_EXCEEDED, Reason.QUEUED})


@dataclass(frozen=True, kw_only=True)
class Strategy:
    """The limits that hold now."""

    rollout: RolloutStatus
    limits: Limits
    exact: ExactStep | None = None
    """What the limits are for, where a gateway gives exact shares."""
    wait: Wait = NO_WAIT
    needs_proof: bool = False
    """They take capacity away: first it must be proved that both bundles can be had."""
    before_proof: Limits | None = None
    """What holds until then; None where nothing moves."""
    notes: tuple[Note, ...] = ()


def as_its_type(rollout: RolloutStatus, policy: Policy, now: datetime) -> RolloutStatus:
    """The rollout without the steps that it was in, where its type has none any more, or it skips them. The pods that
    no step asked for have their whole time."""
    if rollout.canary is None or (policy.canary_steps and not rollout.command.rollback):
        return rollout
    strategy = rollout.strategy.evolve(type=None, message=None)
    return time_restarted(canary.forgotten(rollout), now).evolve(strategy=strategy)


def by_steps(rollout: RolloutStatus, policy: Policy) -> bool:
    """Whether the change goes by the steps of its type. A way back that a person asks for skips them, as one that a
    failure starts does."""
    back = rollout.command.rollback or rollout.phase is RolloutPhase.ROLLING_BACK
    return bool(policy.canary_steps) and not back


def planned(rollout: RolloutStatus, facts: Facts, state: State, policy: Policy, now: datetime) -> Strategy:
    """The limits for the next step."""
    match policy.type:
        case RolloutType.RECREATE:
            return _recreate(_placed(rollout, None), facts, state)
        case _ if by_steps(rollout, policy) and facts.of(state.stable):
            return _canary(_placed(rollout, None), facts, state, policy, now)
        case RolloutType.BLUE_GREEN:
            rollout = _explained(_placed(rollout, None), RolloutType.BLUE_GREEN, None)
            return Strategy(rollout=rollout, limits=Limits(needed=facts.needed, surge=facts.needed, spans=False))
        case _:
            return _rolling(rollout, facts, state, policy, now)


def _canary(rollout: RolloutStatus, facts: Facts, state: State, policy: Policy, now: datetime) -> Strategy:
    going = canary.progressed(rollout, facts, state.candidate, policy, now)
    return Strategy(
        rollout=_explained(going.rollout, policy.type, _shares_by_pods(going.status, facts, policy)),
        limits=canary.limits_of(going.status, facts, policy),
        exact=canary.exact_step(going.status, facts, policy),
        wait=going.wait,
    )


def _shares_by_pods(status: CanaryStatus, facts: Facts, policy: Policy) -> str | None:
    if facts.route is not None:
        return None
    pods = max(facts.needed, 2)
    why = f"there is no traffic.gateway: shares are what {pods} pods allow, to the nearest {WHOLE // pods} %"
    if canary.is_over(status, policy) or not status.weight:
        return why
    wanted = canary.wanted_pods(status, facts, policy)
    return f"{why}; weight: {status.weight} is {wanted} of {pods}, {WHOLE * wanted // pods} %"


def _recreate(rollout: RolloutStatus, facts: Facts, state: State) -> Strategy:
    old = facts.of(state.stable)
    why = f"rollout.type is Recreate: {state.stable.version} stops before the next starts" if state.stable else None
    serves = old is not None and old.available > 0 and rollout.phase is not RolloutPhase.ROLLING_BACK
    return Strategy(
        rollout=_explained(rollout, RolloutType.RECREATE, why),
        limits=Limits(needed=facts.needed, unavailable=facts.needed, spans=not facts.bystanders, apart=True),
        needs_proof=serves and not rollout.strategy.bundles_verified,
    )


def _rolling(rollout: RolloutStatus, facts: Facts, state: State, policy: Policy, now: datetime) -> Strategy:
    back = rollout.phase is RolloutPhase.ROLLING_BACK
    leads, gives = (
        facts.of(state.stable if back else state.candidate),
        facts.of(state.candidate if back else state.stable),
    )
    problem = first_finding(leads, policy) if leads else None
    no_place = problem is not None and problem.reason in NO_PLACE
    since = (rollout.strategy.unschedulable_since or now) if leads and lacks_place(leads, policy) else None
    rollout = _placed(rollout, since)
    if not rollout.strategy.type and state.stable:  # a first version takes nobody's place
        rollout = _explained(rollout, RolloutType.ROLLING_UPDATE, None)
    surging = Strategy(rollout=rollout, limits=_limits(rollout, facts, policy, leads))
    if rollout.strategy.making_room or not (problem and no_place and _may_yield(facts, policy)):
        return surging
    due = (since or now) + policy.unschedulable_grace
    carries = gives is not None and gives.available > 0
    if now < due and carries:
        return replace(surging, wait=Wait(until=due))
    return _yielding(surging, facts, state, policy, problem, carries=carries and not back)


def _placed(rollout: RolloutStatus, since: datetime | None) -> RolloutStatus:
    """The rollout with the time since when a pod of it has found no place."""
    return rollout.evolve(strategy=rollout.strategy.evolve(unschedulable_since=since))


def _may_yield(facts: Facts, policy: Policy) -> bool:
    return policy.type is RolloutType.AUTO and policy.max_unavailable is None and facts.makes_room


def _yielding(
    surging: Strategy, facts: Facts, state: State, policy: Policy, problem: Finding, *, carries: bool
) -> Strategy:
    single = facts.needed == 1
    old = state.stable.version if state.stable else "the old version"
    way = f"{old} stops before the next starts" if single else f"one pod of {old} at a time makes room"
    why = fit(f"no place for a surge pod for {policy.unschedulable_grace}, so {way}: {problem.message}")
    rollout = _explained(surging.rollout, RolloutType.RECREATE if single else RolloutType.ROLLING_UPDATE, why)
    if carries and not rollout.strategy.bundles_verified:
        return replace(surging, rollout=rollout, needs_proof=True, before_proof=surging.limits)
    rollout = rollout.evolve(strategy=rollout.strategy.evolve(making_room=True))
    note = Note(reason=Reason.MAKING_ROOM, message=why)
    leads = facts.of(state.candidate)
    return Strategy(rollout=rollout, limits=_limits(rollout, facts, policy, leads), notes=(note,))


def _limits(rollout: RolloutStatus, facts: Facts, policy: Policy, leads: RevisionFacts | None) -> Limits:
    """Surge first, which costs nothing; fewer pods than needed only where that does not help, or has helped."""
    surge = share_of(policy.max_surge, facts.needed, up=True)
    strategy = rollout.strategy
    allowed = policy.may_lack(facts.needed) if policy.max_unavailable is not None else int(bool(strategy.making_room))
    helped = leads is not None and leads.available > 0
    used = strategy.making_room or not surge or strategy.unschedulable_since or helped
    return Limits(needed=facts.needed, surge=surge, unavailable=allowed if used else 0, spans=not facts.bystanders)


def bundles_verified(rollout: RolloutStatus) -> RolloutStatus:
    """Both bundles can be had: capacity may be taken away for a while."""
    return rollout.evolve(strategy=rollout.strategy.evolve(bundles_verified=True))


def _explained(rollout: RolloutStatus, kind: RolloutType, why: str | None) -> RolloutStatus:
    """The rollout with its type, and the reason for it as status keeps it."""
    strategy = rollout.strategy.evolve(type=kind.value, message=fit(why) if why else None)
    return rollout.evolve(strategy=strategy)
