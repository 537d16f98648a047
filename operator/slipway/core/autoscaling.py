"""Autoscaling: how many pods carry the load under somebody else's scaler, and between what it may move a count.

While versions change, no revision's own count tells what carries the load: the number is kept in
`status.rollout.desiredReplicas`, and grows with what an autoscaler adds to a revision that clients reach. Surge is no
load. All functions are of numbers; snapshot.py reads them from the cluster.
"""

from dataclasses import dataclass

from slipway.api.v1alpha1.spec import Autoscaling, Scaler
from slipway.api.v1alpha1.status import RolloutPhase, RolloutStatus


def scaler_of(scaling: Autoscaling) -> Scaler:
    """Who sets the number of pods: as asked, else by what there is to go by."""
    return scaling.scaler or (Scaler.HPA if scaling.metrics else Scaler.SLIPWAY)


def takes_several(rollout: RolloutStatus, *, elsewhere: bool) -> bool:
    """Whether no revision's own count tells what carries the load, because several take part in the rollout.
    `elsewhere`: clients reach another revision than the stable one."""
    alone = rollout.phase is RolloutPhase.RESOLVING and not elsewhere
    return rollout.phase is not RolloutPhase.SOAKING and not alone


def desired_replicas(scaling: Autoscaling, *, carried: int, start: int) -> int:
    """Pods that carry the whole load: what the autoscaler has come to, within its limits; `start` before it came to
    anything."""
    return min(max(carried or start, scaling.min_replicas), scaling.max_replicas)


def added(count: int, planned: int, limits: tuple[int, int]) -> int:
    """What an autoscaler has put on top of the pods that were planned for a revision: that is load. Its controller
    raises every count to the least that it knows of, and may be late to hear that this is less by now: up to the least,
    and beyond the most, nothing is load."""
    least, most = limits
    return max(0, min(count, most) - max(planned, least)) if planned else 0


@dataclass(frozen=True, kw_only=True)
class ScaledRevision:
    """What a revision's part in the traffic means for its autoscaler."""

    count: int
    """Pods that it should have."""
    alone: bool
    """It is the only one that clients reach, and no version is changing."""
    carries_growth: bool
    """Of those that change it is the one that more load goes to, and it gives up no pods."""


def bounds(scaling: Autoscaling, part: ScaledRevision) -> tuple[int, int]:
    """Least and most pods that its autoscaler may give a revision. While versions change, what carries the load may
    grow and not shrink, and what gives up its pods, or has as many as its share needs, stays where it was put."""
    if part.alone:
        return scaling.min_replicas, scaling.max_replicas
    return part.count, max(part.count, scaling.max_replicas) if part.carries_growth else part.count


def kept_count(live: int, planned: int, limits: tuple[int, int] | None) -> int:
    """The count to write to a Deployment that has `live`. An autoscaler does nothing at zero, so it is woken; any other
    count within its limits is its own."""
    own = limits is not None and live > 0 and limits[0] <= live <= limits[1]
    return live if own else planned


def shown_count(live: int, planned: int, limits: tuple[int, int] | None) -> int:
    """The count for status: what an autoscaler has put on top of the plan counts from now on."""
    return max(planned, live) if limits else planned
