"""What makes a write right still at the moment when it is made: pods that answer, a guard that is in force."""

from collections.abc import Mapping

from slipway.core.children.route import ROUTE
from slipway.core.desired.guarded_route import guard_of
from slipway.core.desired.objects import DesiredState
from slipway.core.diff import Changes
from slipway.core.names import of_revision
from slipway.core.plan import Action, Apply, Scale
from slipway.core.snapshot import Snapshot


def pods_relied_on(snapshot: Snapshot, desired: DesiredState, changes: Changes) -> dict[str, int]:
    """What makes it right to take capacity or traffic away: the pods that the traffic reaches afterwards."""
    named = {of_revision(snapshot.owner.name, each.revision): each for each in desired.revisions}
    counts = {name: snapshot.count(each.revision) for name, each in named.items()}
    takes = any(_lowers(action, counts) for action in changes.actions)
    service = desired.traffic.service or snapshot.selected
    moves = snapshot.selected != service or (snapshot.route and not snapshot.route.splits_by(desired.weights))
    if not (takes or moves):
        return {}
    left = {name: each for name, each in named.items() if each.revision in desired.traffic.reaches}
    relied = {name: min(snapshot.available(each.revision), each.replicas.count) for name, each in left.items()}
    return {name: available for name, available in relied.items() if available}


def guards_relied_on(snapshot: Snapshot, changes: Changes) -> dict[tuple[str, str], str]:
    """What makes it right to open a route: the guard that was seen in force."""
    routes = (a.manifest for a in changes.actions if isinstance(a, Apply) and a.manifest["kind"] == ROUTE)
    relied = (guard_of(snapshot.policies, route, snapshot.observed, snapshot.owner) for route in routes)
    return {(guard.kind, guard.name): guard.resource_version for guard in relied if guard}


def _lowers(action: Action, counts: Mapping[str, int]) -> bool:
    """Whether a write takes pods from a revision."""
    match action:
        case (
            Scale(name=name, replicas=replicas)
            | Apply(manifest={"kind": "Deployment", "metadata": {"name": name}, "spec": {"replicas": int(replicas)}})
        ):
            return replicas < counts.get(name, 0)
    return False
