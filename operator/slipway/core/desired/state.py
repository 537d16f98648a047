"""The desired state of one pass, from what the rollout decided and what the spec asks for."""

from slipway.core.children.revision import RevisionRecord
from slipway.core.desired import history, revisions, routing
from slipway.core.desired.objects import DesiredState, written
from slipway.core.lineup import Lineup
from slipway.core.rollout.state import Outcome
from slipway.core.scene import Scene


def desired_state(scene: Scene, outcome: Outcome, lineup: Lineup, made: RevisionRecord | None) -> DesiredState:
    """What the cluster should be moved towards. `made`: a revision that was just rendered."""
    state, traffic = outcome.state, routing.traffic_of(scene, outcome)
    live = tuple(revisions.revisions(scene, outcome, lineup, traffic.reaches))
    weights = routing.weights_of(scene, outcome, traffic, live)
    return DesiredState(
        objects=(
            *written(history.jobs(scene, outcome)),
            *written(history.made(scene, state, live, made)),
            *(each for revision in live for each in revisions.objects(scene, revision)),
            *routing.objects(scene, state, traffic, weights, live),
        ),
        revisions=live,
        traffic=traffic,
        weights=weights,
        discard=tuple(history.surplus(scene, outcome, live)),
        evict=outcome.evict,
    )
