"""Who serves: to whom clients are sent, as it was decided last, or as it can be seen where status does not tell."""

from collections.abc import Set
from dataclasses import replace
from typing import Final

from slipway.api.v1alpha1.status import RevisionState
from slipway.core.children.manifest import applied_hash
from slipway.core.children.service import root_selector, root_service
from slipway.core.names import REVISION
from slipway.core.seen import Seen
from slipway.core.shares import Traffic, by_pods

_WITHOUT_TRAFFIC: Final = (RevisionState.STANDBY, RevisionState.RETIRING)


def who_serves(seen: Seen) -> Traffic:
    """Who answers clients, as it was decided last; where status does not say, or says what nobody can have decided, as
    it can be seen."""
    stored = Traffic.of(seen.before.traffic)
    if seen.route is None:  # there is no gateway any more whose requests had been shared out
        stored = replace(stored, shares=None)
    if not stored.is_whole or any(_is_bystander(seen, name) for name in stored.reaches):
        return _adopted(seen)
    gone = [name for name in stored.reaches if not (seen.exists(name) and _counts(seen, name))]
    decided = stored.without(gone)
    return _adopted(seen) if not decided.service or _lacks(seen, decided, was=stored) else decided


def _is_bystander(seen: Seen, revision: str) -> bool:
    """Whether nobody can have decided that it gets traffic, by what else status says."""
    listed, refs = seen.listed(revision), (seen.before.stable, seen.before.candidate)
    if revision in (ref.revision for ref in refs if ref):
        return False
    return listed.state in _WITHOUT_TRAFFIC if listed else not seen.exists(revision)


def _lacks(seen: Seen, decided: Traffic, *, was: Traffic) -> bool:
    """Whether what status says leaves out a revision that the root Service selects, by status itself or by a decision
    that it does not know of, and what is left cannot carry the load, less what may be missing while versions change."""
    shared = {name for name, share in seen.shares_before.items() if share}
    if seen.selected <= decided.service or not (seen.selected <= shared or _was_decided_since(seen, was)):
        return False
    rollout = seen.before.rollout  # what is needed is asked of the traffic, so not here
    load = (rollout.desired_replicas if rollout else None) or seen.spec.replicas
    makes_room = int(bool(rollout and rollout.strategy.making_room))
    floor = load - max(seen.policy.may_lack(load), makes_room)
    carries, could = (sum(_carries(seen, name) for name in service) for service in (decided.service, seen.selected))
    return carries < min(floor, could)


def _carries(seen: Seen, revision: str) -> int:
    """Available pods that stay: right after a scale-down more are counted."""
    return min(seen.available(revision), seen.count(revision))


def _was_decided_since(seen: Seen, was: Traffic) -> bool:
    """Whether the root Service selects otherwise than status says, by what we wrote last, and reaches nobody that was
    sent home: status may be the older one, out of a backup."""
    root, refused = seen.observed.child("Service", seen.owner.name), seen.before.refused
    home = {each.revision for each in (*seen.before.also_refused, *((refused,) if refused else ()))}
    if root is None or seen.selector in (None, root_selector(seen.owner.name, was.alone)) or seen.selected & home:
        return False
    return root.applied == applied_hash(root_service(owner=seen.owner, revision=(seen.selector or {}).get(REVISION)))


def _counts(seen: Seen, revision: str) -> bool:
    """Whether it has ever carried anything, as far as can be told: a first version has to show it. Where status has
    the model of what serves, there is no first version."""
    before = seen.before
    begun = before.candidate is not None or before.rollout is not None
    first = _stable(seen) is None and begun and before.model is None
    alone = before.candidate is not None and before.candidate.revision == revision
    return not first or alone or bool(seen.available(revision))


def _adopted(seen: Seen) -> Traffic:
    """Status that was lost, or that an earlier operator wrote: what serves is seen from where clients are sent, by the
    Service and by the route."""
    weights = seen.route.weights if seen.route else {}
    routed = {name: part for name, part in weights.items() if part and seen.exists(name) and _counts(seen, name)}
    selected = frozenset(name for name in seen.selected & seen.deployed if _counts(seen, name))
    service = selected or _presumed(seen, frozenset(routed))
    exact = len(service) == 1 and not routed.keys() <= service
    return Traffic(service=service, shares=by_pods(routed) if exact else None)


def _presumed(seen: Seen, routed: Set[str]) -> frozenset[str]:
    """Where no Service says what it selects."""
    alone = seen.before.candidate.revision if seen.before.candidate else None
    one = (
        _stable(seen)
        or seen.most_available(filter(seen.available, seen.deployed & routed))
        or seen.most_available(filter(seen.available, seen.deployed))
        or (alone if alone and seen.exists(alone) else None)
    )
    return frozenset({one} if one else ())


def _stable(seen: Seen) -> str | None:
    """The stable revision; by the list of revisions, where the reference to it was lost."""
    if seen.before.stable is not None:
        return seen.before.stable.revision
    return seen.listed_as_stable.revision if seen.listed_as_stable else None
