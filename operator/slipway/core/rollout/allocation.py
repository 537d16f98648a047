"""Allocation: how many pods each revision has next, and who answers clients, in every direction of a rollout.

Towards a candidate, back to stable, or standing still: each way says what it wants, and `_safe` lets none of it take
capacity from clients: a revision keeps the available pods that its share needs. Nothing goes forward before what was
decided last can be seen to have landed.
"""

from collections.abc import Mapping, Set
from dataclasses import dataclass, replace
from fractions import Fraction

from slipway.core.observed.revision import RevisionFacts
from slipway.core.rollout.capacity import Limits, Move, Side, allocate, carried, hold
from slipway.core.rollout.refusals import going_home
from slipway.core.rollout.state import Allocation, Facts, State, side
from slipway.core.rollout.stopping import lingers
from slipway.core.shares import WHOLE, Traffic, all_to, can_carry, not_growing, split


@dataclass(frozen=True, kw_only=True)
class ExactStep:
    """What a step of a canary asks of a gateway."""

    weight: int
    pods: int
    """Pods of the candidate for the requests and copies that it should have."""
    over: bool
    """Every step was made: what is left is to take over."""


def standing_still(state: State, facts: Facts) -> Allocation:
    """Pods and traffic stay as they were decided; what serves has as many pods as are needed."""
    counts = {name: revision.count for name, revision in facts.revisions.items()}
    stable = facts.of(state.stable)
    if facts.needed == 0:
        return Allocation(counts=dict.fromkeys(counts, 0), traffic=_asleep(facts, stable))
    if stable and facts.traffic.reaches <= {stable.revision}:
        counts[stable.revision] = facts.needed
        return Allocation(counts=counts, traffic=facts.traffic if facts.traffic.service else all_to(stable.revision))
    if stable:
        counts |= _resized(facts, stable)
    traffic = _returned(facts, stable) or _no_larger(state, facts)
    still = Limits(needed=facts.needed)
    return _safe(counts, traffic, [side(revision) for revision in facts.revisions.values()], still, facts)


def towards(
    state: State, facts: Facts, within: Limits, *, step: ExactStep | None = None, routed: bool = True
) -> Allocation:
    """Towards the candidate, whose share no gateway takes while it is not `routed`."""
    leads, stable = facts.of(state.candidate), facts.of(state.stable)
    if leads is None:
        return standing_still(state, facts)
    down = _giving(facts, stable, back=False, first=going_home(state))
    sides = [side(leads), *down]
    held = not routed and any(each.carries for each in sides if each.revision in facts.traffic.reaches)
    if held:  # what serves goes on serving, the pods that it has included
        within = replace(within, unavailable=0)
    if step and stable:
        wanted = _exactly(step, facts, stable, leads)
        within = _made_whole(facts, stable, within)
    else:
        wanted = _as_allocation(allocate(sides[0], down, within, facts.traffic.reaches))
    if facts.route and not step:
        wanted, within = _leaving(state, facts, wanted, sides, within)
    shut_out = is_shut_out(facts, stable, leads, within, step)
    if shut_out and stable and not step:  # a step of exact shares narrows by itself
        wanted = _narrowing(facts, stable, leads, within)
    returned = _returned(facts, stable, spans=within.spans)
    if returned and stable and not (leads.carries and leads.revision in wanted.traffic.reaches):
        wanted = Allocation(counts={**wanted.counts, stable.revision: stable.count}, traffic=returned)
    if facts.route and facts.traffic.service and not leads.addressable:
        # A gateway would send its share to nobody of ours.
        wanted = replace(wanted, traffic=_no_larger(state, facts))
    if held:
        counts = standing_still(state, facts).counts if leads.revision in facts.traffic.reaches else wanted.counts
        wanted = Allocation(counts=counts, traffic=_no_larger(state, facts))
    if shut_out:
        stays = leads.carries if len(facts.traffic.service) > 1 else leads.count
        wanted = replace(wanted, counts={**wanted.counts, leads.revision: min(stays, leads.count)})
    return _apart(_safe(dict(wanted.counts), wanted.traffic, sides, within, facts), within, facts, leads)


def is_shut_out(
    facts: Facts, stable: RevisionFacts | None, leads: RevisionFacts, within: Limits, step: ExactStep | None
) -> bool:
    """Whether the candidate may have no more pods yet: the Service spans earlier versions, so that it would reach them
    before they may have traffic. Its selector cannot leave one version out. Where none of those answers, whatever comes
    is welcome."""
    service = facts.traffic.service
    may_share = (within.spans and step is None) or within.apart or leads.revision in service
    answered = any(each.carries for name, each in facts.revisions.items() if name in service)
    return stable is not None and spans(facts) and answered and not may_share


def spans(facts: Facts) -> bool:
    """Whether the Service selects several versions, by what was decided or as it can be seen."""
    return max(len(facts.traffic.service), len(facts.live_service)) > 1


def back(state: State, facts: Facts, within: Limits) -> Allocation:
    """Back to the stable revision, which gets whole and takes its share."""
    stable, candidate = facts.of(state.stable), facts.of(state.candidate)
    if stable is None:
        return standing_still(state, facts)
    if len(facts.traffic.service) > 1:  # its selector reaches stable's pods as well, whatever the type may be
        within = replace(within, spans=True)
    elif candidate and candidate.revision not in facts.traffic.service and (candidate.count or candidate.available):
        within = replace(within, spans=False)  # its selector would reach what was sent home: that goes first
    home = going_home(state)
    down = _giving(facts, candidate, back=True, first=home)
    wanted = _as_allocation(allocate(side(stable), down, within, facts.traffic.reaches))
    if facts.route and not stable.addressable:  # a gateway would send its share to nobody of ours
        wanted = replace(wanted, traffic=facts.traffic)
    elif facts.route and not facts.traffic.shares:
        wanted = _traffic_first(facts, wanted, [side(stable), *down], within)
        if not _carry(facts, wanted, within, home):  # what stable lacks comes on top of all that is there
            within = replace(within, surge=within.surge + max(0, facts.needed - stable.count))
            kept = wanted if _finds_no_place(state) else _kept(wanted, down)
            counts = {**kept.counts, stable.revision: facts.needed}
            wanted = Allocation(counts=counts, traffic=facts.traffic)
    elif facts.traffic.shares and wanted.traffic.reaches != {stable.revision}:
        shares = _shares(facts, stable, candidate, 0)
        wanted = replace(wanted, traffic=Traffic(service=facts.traffic.service, shares=shares))
    safe = _safe(dict(wanted.counts), wanted.traffic, [side(stable), *down], within, facts, forward=False)
    return _apart(safe, within, facts, stable)


# -- what each way wants


def _asleep(facts: Facts, stable: RevisionFacts | None) -> Traffic:
    """Nobody answers: what is waked up first is what has proven itself."""
    carries = any(revision.available for revision in facts.revisions.values())
    return all_to(stable.revision) if stable and not carries else facts.traffic


def _resized(facts: Facts, stable: RevisionFacts) -> dict[str, int]:
    """Scaling counts although nothing moves: what is lacking goes to stable, what is too much each side gives."""
    if facts.traffic.shares is not None:
        return {stable.revision: facts.needed}
    sharing = {name: revision.count for name, revision in facts.revisions.items() if name in facts.traffic.service}
    lacking = facts.needed - sum(sharing.values())
    if lacking > 0:
        grows = stable.revision if stable.revision in sharing else max(sharing, key=lambda name: sharing[name])
        return {grows: sharing[grows] + lacking}
    spare = -lacking - facts.surge
    if spare <= 0:
        return {}
    whole = facts.needed + facts.surge
    smaller = {name: max(min(1, count), whole * count // (whole + spare)) for name, count in sharing.items()}
    rest = whole - sum(smaller.values())
    return smaller | {stable.revision: smaller.get(stable.revision, 0) + max(0, rest)}


def _narrowing(facts: Facts, stable: RevisionFacts, leads: RevisionFacts, within: Limits) -> Allocation:
    """One version alone answers the clients of the Service: stable, once it is whole or the others have no pods left,
    or what is superseded where stable carries nothing."""
    service = facts.traffic.service
    down = _giving(facts, None, back=False)
    whole = replace(within, most=None, spans=True)
    move = allocate(side(stable), [each for each in down if each.revision != stable.revision], whole, service)
    counts = {**move.counts, leads.revision: leads.count}
    parts = {name: facts.revisions[name] for name in service if name in facts.revisions}
    left = {name for name, each in parts.items() if each.carries or (each.count and stable.carries)}
    alone = frozenset(left) if len(left) == 1 else move.root
    if facts.route and not all(parts[name].addressable for name in alone if name in parts):
        alone = service  # a gateway would send a share to nobody of ours
    return Allocation(counts=counts, traffic=replace(facts.traffic, service=alone))


def _exactly(step: ExactStep, facts: Facts, stable: RevisionFacts, candidate: RevisionFacts) -> Allocation:
    """Pods and shares of a step through a gateway. The old version keeps all its pods, and with them the way back; an
    earlier candidate keeps its own for as long as any traffic may reach them."""
    reached = facts.traffic.reaches
    counts = {name: facts.revisions[name].count if name in reached else 0 for name in facts.superseded}
    room = 2 * facts.needed - sum(counts.values()) - min(stable.available, facts.needed)
    counts[stable.revision] = facts.needed
    pods = max(step.pods, min(candidate.count, facts.needed))
    counts[candidate.revision] = min(pods, max(room, min(candidate.count, pods), 0))
    if step.over and candidate.available >= facts.needed and candidate.addressable:
        return Allocation(counts=counts, traffic=all_to(candidate.revision))
    weight = step.weight if facts.landed else min(step.weight, facts.shares.get(candidate.revision, 0))
    shares = _shares(facts, stable, candidate, weight)
    return Allocation(counts=counts, traffic=Traffic(service=frozenset({stable.revision}), shares=shares))


def _made_whole(facts: Facts, stable: RevisionFacts, within: Limits) -> Limits:
    """What has the Service in stable's place stays until stable is whole: what that lacks comes on top of all that is
    there."""
    lacks = 0 if stable.revision in facts.traffic.service else max(0, facts.needed - stable.count)
    return replace(within, surge=within.surge + lacks)


def _traffic_first(facts: Facts, wanted: Allocation, sides: list[Side], within: Limits) -> Allocation:
    """Behind a gateway a revision's last pods go after its share: proxies send it there by weight, not by endpoint.
    What a Service that begins to span reaches is decided: one that has pods is part of it then, and goes later."""
    service, leads = wanted.traffic.service, sides[0].revision
    staying = frozenset(name for name in service if wanted.counts.get(name) or name == leads)
    if not spans(facts) and len(staying) > 1:
        staying |= {each.revision for each in sides if each.revision in service and each.count}
    if staying == service or carried(sides, staying) < within.floor:
        return wanted
    return replace(wanted, traffic=Traffic(service=staying))


def _leaving(
    state: State, facts: Facts, wanted: Allocation, sides: list[Side], within: Limits
) -> tuple[Allocation, Limits]:
    """Forward, behind a gateway: shares go before the last pods do, once the others can carry them. Until then all keep
    their pods, and the candidate's come on top."""
    home, left = going_home(state), _traffic_first(facts, wanted, sides, within)
    begins = len(left.traffic.service) > 1 and not spans(facts)
    if begins and (given_back := _given_back(state, facts, wanted)):
        return replace(wanted, traffic=given_back), within
    if not home or _finds_no_place(state) or _carry(facts, left, within, home):
        return left, within
    kept = _kept(wanted, sides)
    return kept, replace(within, surge=within.surge + sum(kept.counts.values()) - sum(left.counts.values()))


def _given_back(state: State, facts: Facts, wanted: Allocation) -> Traffic | None:
    """The traffic before the Service begins to span, where it would reach pods of what is superseded and is to go: that
    gives its share back, so that its pods have gone by then. None where stable cannot carry the share."""
    stable, candidate = facts.of(state.stable), facts.of(state.candidate)
    leaves = [name for name in facts.superseded if facts.shares.get(name) and not wanted.counts.get(name)]
    if stable is None or candidate is None or not leaves:
        return None
    shares = _shares(facts, stable, candidate, facts.shares.get(candidate.revision, 0))
    stays = any(shares.get(name) for name in leaves)
    return None if stays else Traffic(service=facts.traffic.service, shares=shares)


def _carry(facts: Facts, wanted: Allocation, within: Limits, home: Set[str]) -> bool:
    """Whether those that do not go `home` can carry what they would get of the gateway's requests, of which those that
    do get no more. As many pods as may be missing have not to be there for it."""
    stay = {name: min(facts.revisions[name].carries, wanted.counts.get(name, 0)) for name in wanted.traffic.service}
    shares, rounding = not_growing(stay, home=home, now=facts.shares), len(stay)
    return not within.floor or all(
        shares.get(name, 0) <= max(can_carry(pods, within.floor) + rounding, facts.shares.get(name, 0))
        for name, pods in stay.items()
        if name not in home
    )


def _kept(wanted: Allocation, sides: list[Side]) -> Allocation:
    """What was wanted, but that nobody gives up an available pod."""
    carried = {each.revision: max(wanted.counts.get(each.revision, 0), each.carries) for each in sides}
    return replace(wanted, counts={**wanted.counts, **carried})


def _finds_no_place(state: State) -> bool:
    """Whether a pod that is to come finds none: then those that have one make room."""
    return state.rollout is not None and state.rollout.strategy.unschedulable_since is not None


def _no_larger(state: State, facts: Facts) -> Traffic:
    """The traffic as it was decided, as far as that was made; of exact shares what no pods are there for goes back to
    stable as it can carry it."""
    stable, candidate = facts.of(state.stable), facts.of(state.candidate)
    if stable is None or (facts.traffic.shares is None and not _is_unmade(facts, stable)):
        return facts.traffic
    weight = facts.made(stable.revision).get(candidate.revision, 0) if candidate else 0
    return Traffic(service=facts.traffic.service, shares=_shares(facts, stable, candidate, weight, keep=True))


def _is_unmade(facts: Facts, stable: RevisionFacts) -> bool:
    """Whether all of the traffic was decided to go to one version, and a gateway does not send it there yet."""
    alone = facts.traffic.alone
    return alone is not None and alone != stable.revision and facts.made(stable.revision).get(alone, 0) < WHOLE


def _returned(facts: Facts, stable: RevisionFacts | None, *, spans: bool = False) -> Traffic | None:
    """Stable takes the traffic back where nobody else answers, and from what is superseded once it can carry as much.
    Where the Service may span both, it takes its part of that from its first pod on: there may be no room for more
    before the others give some up."""
    service = facts.traffic.service
    if stable is None or not service or not stable.carries or stable.revision in service:
        return None
    if facts.route and not stable.addressable:
        return None
    carries, can = (
        sum(revision.carries for name, revision in facts.revisions.items() if name in service),
        stable.carries,
    )
    if not carries:
        return all_to(stable.revision)
    if not service <= set(facts.superseded):
        return None
    if can >= min(facts.needed, carries):
        return all_to(stable.revision)
    return Traffic(service=service | {stable.revision}) if spans else None


def _shares(
    facts: Facts, stable: RevisionFacts, candidate: RevisionFacts | None, weight: int, *, keep: bool = False
) -> dict[str, int]:
    """Percent by revision. With `keep`, those that are superseded keep what they have as well, as they can carry it."""
    can = {
        name: can_carry(revision.carries, facts.needed) if revision.addressable else 0
        for name, revision in facts.revisions.items()
    }
    now = _not_astray(facts, stable)
    others = (*facts.superseded, *(name for name in facts.revisions if name not in facts.superseded))
    wanted = {name: now.get(name, 0) if keep else 0 for name in others if name in can and name != stable.revision}
    if candidate:  # the last to keep what stable lacks
        wanted.pop(candidate.revision, None)
        wanted[candidate.revision] = weight
    return split(wanted, stable=stable.revision, now=now, can=can)


def _not_astray(facts: Facts, stable: RevisionFacts) -> Mapping[str, int]:
    """Percent that each has, but that stable has what a stranger would answer."""
    now = facts.made(stable.revision)
    usurped = {name for name, each in facts.revisions.items() if each.usurped and now.get(name)}
    if stable.usurped or not usurped:
        return now
    ours = {name: 0 if name in usurped else share for name, share in now.items()}
    return {**ours, stable.revision: ours.get(stable.revision, 0) + sum(now[name] for name in usurped)}


def _giving(facts: Facts, other: RevisionFacts | None, *, back: bool, first: Set[str] = frozenset()) -> list[Side]:
    """Who gives up pods, in that order: what is superseded, then the other one of stable and candidate; but before all
    those that are to go `first`."""
    names = sorted((*facts.superseded, *((other.revision,) if other else ())), key=lambda name: name not in first)
    return [
        side(facts.revisions[name], expendable=back or name in facts.superseded)
        for name in names
        if name in facts.revisions
    ]


# -- what holds on every way


def _safe(
    counts: dict[str, int], traffic: Traffic, sides: list[Side], within: Limits, facts: Facts, *, forward: bool = True
) -> Allocation:
    """What was wanted, but for what would take capacity from clients of the Service or of the gateway."""
    decided = facts.traffic
    answers = carried(sides, decided.service) or not carried(sides, traffic.service)
    if forward and not facts.landed and decided.service and answers:  # what nobody answers by now is not waited for
        traffic = replace(traffic, service=decided.service) if traffic.shares else decided
    wanted = Move(counts=counts, root=traffic.service)
    move = hold(wanted, sides, within, root=decided.service, live=facts.live_service, beside=facts.beside)
    if move.root != traffic.service:
        traffic = replace(traffic, service=move.root) if traffic.shares else decided
    held = dict(move.counts)
    for name, share in _owed(facts, traffic).items():
        holder = next((each for each in sides if each.revision == name), None)
        if holder:
            least = max(1, int(share * within.floor / WHOLE)) if share and within.floor else 0
            held[name] = max(held.get(name, 0), min(holder.carries, least))
    stay = {each.revision for each in sides} if not facts.landed else _draining(facts, within)
    held |= {each.revision: max(held.get(each.revision, 0), each.carries) for each in sides if each.revision in stay}
    return Allocation(counts=_within_surge(held, sides, within), traffic=traffic)


def _draining(facts: Facts, within: Limits) -> set[str]:
    """Revisions whose connections have not ended yet. Where the last pods have to go for the new side's, they go."""
    makes_room = within.apart or (within.unavailable and not within.surge)
    return set() if makes_room else set(facts.draining)


def _within_surge(counts: dict[str, int], sides: list[Side], within: Limits) -> dict[str, int]:
    """Where some have to keep pods that they were to give, nobody gets more than there is room for."""
    current = {each.revision: each.count for each in sides}
    excess = sum(counts.values()) - max(within.needed + within.surge, sum(current.values()))
    fitting = dict(counts)
    for name in (each.revision for each in sides):
        grown = fitting.get(name, 0) - current[name]
        if excess > 0 and grown > 0:
            fitting[name] -= min(excess, grown)
            excess -= min(excess, grown)
    return fitting


def _owed(facts: Facts, traffic: Traffic) -> dict[str, Fraction]:
    """The largest part of the gateway's requests that each revision has, had, or is about to have, in percent."""
    ways = (facts.traffic.shares or {}, traffic.shares or {}, facts.live_shares)
    names = {name for way in ways for name in way}
    return {name: max(Fraction(way.get(name, 0)) for way in ways) for name in names}


def _apart(allocation: Allocation, within: Limits, facts: Facts, leads: RevisionFacts) -> Allocation:
    """Where old pods have to be gone first, none come before."""
    if within.apart and not leads.count and lingers(facts, leads):
        return replace(allocation, counts={**allocation.counts, leads.revision: 0})
    return allocation


def _as_allocation(move: Move) -> Allocation:
    return Allocation(counts=move.counts, traffic=Traffic(service=move.root))
