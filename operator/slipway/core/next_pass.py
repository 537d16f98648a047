"""When to decide again: what is waited for, and what only our own writes permit, which bring no event."""

from collections.abc import Sequence
from datetime import datetime

from slipway.core.analysis.look import Look
from slipway.core.children.route import ROUTES
from slipway.core.desired.objects import SCALERS, DesiredState
from slipway.core.diff import Changes
from slipway.core.looks.due import wakes_at
from slipway.core.names import of_revision
from slipway.core.observed.blocked_writes import blocked_children
from slipway.core.plan import Action, Apply, Delete, place_of
from slipway.core.rollout import refusals
from slipway.core.rollout.blocked import changes_at
from slipway.core.rollout.recovery import HEARD_WITHIN, is_fresh
from slipway.core.rollout.roles import RevisionRoles
from slipway.core.rollout.state import Outcome
from slipway.core.snapshot import Snapshot
from slipway.core.status.scaler_faults import fault_reported_at


def wake_at(
    snapshot: Snapshot,
    *,
    outcome: Outcome,
    roles: RevisionRoles,
    desired: DesiredState,
    changes: Changes,
    looks: Sequence[Look],
) -> datetime | None:
    """The earliest time of all that is waited for; None where an event will bring the next pass."""
    before, now = snapshot.before, snapshot.now
    routed_at = snapshot.route.wait.until if snapshot.route else None
    times = [outcome.wait.until, roles.ends_at, routed_at, snapshot.policies.wait.until, wakes_at(looks, now)]
    times.append(fault_reported_at(snapshot))
    times.append(snapshot.following.until if snapshot.following else None)
    if is_fresh(snapshot) and before.rollout and any(each.record is None for each in desired.revisions):
        times.append(before.rollout.phase_started_at + HEARD_WITHIN)
    times += changes_at(snapshot, outcome.state)
    if _goes_on(snapshot, outcome, _unblocked(snapshot, changes)):
        times.append(now)
    return min((at for at in times if at), default=None)


def _goes_on(snapshot: Snapshot, outcome: Outcome, actions: Sequence[Action]) -> bool:
    """Whether the next step waits for nothing but our own writes, which bring no event."""
    before, rollout = snapshot.before.rollout, outcome.state.rollout
    stepped = rollout is not None and (before is None or before.phase is not rollout.phase)
    ended = before is not None and rollout is None  # from here on an autoscaler's own count is the one that counts
    verified = rollout is not None and bool(rollout.strategy.bundles_verified)
    proved = verified and not (before and before.strategy.bundles_verified)
    dropped = rollout is not None and any(isinstance(a, Delete) and a.kind == "Deployment" for a in actions)
    forgets = bool(refusals.to_forget(outcome.state.also_refused))
    permits = bool(outcome.discard) or outcome.resolved is not None or dropped
    return (
        stepped
        or ended
        or proved
        or ((permits or forgets) and bool(actions))
        or _is_news_to_the_follower(snapshot, outcome)
        or _takes_over_counts(snapshot, actions)
        or _moves_traffic(snapshot, outcome, actions)
        or _writes_route(actions)
        or _makes_addressable(snapshot, actions)
    )


def _is_news_to_the_follower(snapshot: Snapshot, outcome: Outcome) -> bool:
    """Whether what was refused or serves by now is yet to be weighed by what follows an alias."""
    before, state = snapshot.before, outcome.state
    now = (state.stable, state.refused, state.also_refused)
    return snapshot.following is not None and now != (before.stable, before.refused, before.also_refused)


def _takes_over_counts(snapshot: Snapshot, actions: Sequence[Action]) -> bool:
    """Whether a scaler goes, and another one sets the number from then on."""
    scales = snapshot.spec.autoscaling is not None
    return scales and any(isinstance(a, Delete) and a.kind in SCALERS for a in actions)


def _writes_route(actions: Sequence[Action]) -> bool:
    """What a gateway had said of a route is no longer said of it, and its silence will count; a new one is an owner of
    what guards it."""
    return any(isinstance(a, Apply) and a.manifest["kind"] in ROUTES for a in actions)


def _makes_addressable(snapshot: Snapshot, actions: Sequence[Action]) -> bool:
    """Whether pods that could answer get a Service of their own back, to which a gateway can send their share."""
    made = {a.manifest["metadata"]["name"] for a in actions if isinstance(a, Apply) and a.manifest["kind"] == "Service"}
    ready = (of_revision(snapshot.owner.name, name) for name in snapshot.deployed if snapshot.available(name))
    return snapshot.route is not None and not made.isdisjoint(ready)


def _moves_traffic(snapshot: Snapshot, outcome: Outcome, actions: Sequence[Action]) -> bool:
    """Whether the root Service is written anew for what was decided: the next step follows from it."""
    roots = (a for a in actions if isinstance(a, Apply) and a.manifest["kind"] == "Service")
    written = [a for a in roots if a.manifest["metadata"]["name"] == snapshot.owner.name]
    to_come = outcome.state.stable is None and not any(map(snapshot.available, snapshot.deployed))
    return any(not apply.first or not to_come for apply in written)


def _unblocked(snapshot: Snapshot, changes: Changes) -> list[Action]:
    """The actions that will be carried out: no other can be what the next step waits for."""
    places = blocked_children(snapshot.observed)
    return [action for action in changes.actions if place_of(action) not in places]
