"""The desired state of one pass, from what the rollout decided and what the spec asks for."""

from slipway.core.children.revision import RevisionRecord
from slipway.core.desired import history, network, revisions, routing
from slipway.core.desired.objects import DesiredState, written
from slipway.core.rollout.roles import RevisionRoles
from slipway.core.rollout.state import Outcome
from slipway.core.shares import Traffic
from slipway.core.snapshot import Snapshot


def desired_state(
    snapshot: Snapshot, outcome: Outcome, roles: RevisionRoles, traffic: Traffic, made: RevisionRecord | None
) -> DesiredState:
    """What the cluster should be moved towards. `traffic`: who answers clients from now on; `made`: a revision that was
    just rendered."""
    state = outcome.state
    live = tuple(revisions.revisions(snapshot, outcome, roles, traffic.reaches))
    weights = routing.weights_of(snapshot, outcome, traffic, live)
    return DesiredState(
        objects=(
            *written(network.policies(snapshot, live)),
            *written(history.jobs(snapshot, outcome)),
            *written(history.made(snapshot, state, live, made)),
            *(each for revision in live for each in revisions.objects(snapshot, revision)),
            *routing.objects(snapshot, state, traffic, weights, live),
        ),
        revisions=live,
        traffic=traffic,
        weights=weights,
        discard=tuple(history.surplus(snapshot, outcome, live)),
        evict=outcome.evict,
    )
