"""Why there are so many pods: what people read beside the number, and when they are told anew."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

from slipway.api.scalars import quantity
from slipway.api.v1alpha1.spec import Scaler
from slipway.api.v1alpha1.status import LONGEST_BECAUSE, AutoscalingStatus, Direction, ModelDeploymentStatus
from slipway.core.body import mappings, within
from slipway.core.load import is_load_unknown
from slipway.core.observed.scalers import Whose
from slipway.core.plan import Note
from slipway.core.reasons import Finding, Reason, fit
from slipway.core.snapshot import Snapshot
from slipway.core.status.scaler_faults import SCALING_BLOCKED
from slipway.triton.load import BACKLOG, RATE, RATIO

REPORTED_EVERY: Final = timedelta(minutes=1)
"""Numbers change with every look; status is written for those that change nothing only so often."""


def autoscaling_status(snapshot: Snapshot) -> AutoscalingStatus | None:
    """What the load has come to, by Slipway or KEDA; None where neither sets the number of pods."""
    demand, before, wanted = snapshot.demand, snapshot.before.autoscaling, snapshot.needed
    if demand is None:
        return _by_keda(snapshot)
    same = before is not None and (before.by, before.wanted) == (Scaler.SLIPWAY, wanted)
    same_word = demand.unknown == is_load_unknown(snapshot.before.conditions)
    if before and same and same_word and (demand.at is None or (before.at and demand.at - before.at < REPORTED_EVERY)):
        return before
    return AutoscalingStatus(
        by=Scaler.SLIPWAY,
        wanted=wanted,
        at=demand.at,
        because=f"{demand.because}{_limit(snapshot, demand.pods)}",
        direction=_direction(before, wanted),
    )


def _by_keda(snapshot: Snapshot) -> AutoscalingStatus | None:
    before, wanted = snapshot.before.autoscaling, snapshot.needed
    if snapshot.scaled_by is not Scaler.KEDA or snapshot.suspended:
        return None
    numbers = "; ".join(dict.fromkeys(_kedas_numbers(snapshot)))
    because = fit(numbers, LONGEST_BECAUSE) or "KEDA has read no load yet"
    same = before is not None and (before.by, before.wanted) == (Scaler.KEDA, wanted)
    if before and same and (before.because == because or (before.at and snapshot.now - before.at < REPORTED_EVERY)):
        return before
    direction = _direction(before, wanted)
    return AutoscalingStatus(by=Scaler.KEDA, wanted=wanted, at=snapshot.now, because=because, direction=direction)


def _kedas_numbers(snapshot: Snapshot) -> Iterator[str]:
    """What Kubernetes was last told of the pods that clients reach, beside what was asked for."""
    load = snapshot.spec.autoscaling.load if snapshot.spec.autoscaling else None
    if load is None:
        return
    for scaler in (each for name in sorted(snapshot.traffic.reaches) for each in snapshot.scalers.get(name, ())):
        if scaler.whose is Whose.FOREIGN:
            continue
        for metric in mappings(within(scaler.body, "status").get("currentMetrics")):
            name, value = within(metric, "external", "metric").get("name"), _current(metric)
            if value is not None and str(name).endswith(RATIO):
                yield f"load {round(100 * value)} % of a pod, target {load.target} %"
            elif value is not None and load.capacity and str(name).endswith(RATE):
                yield f"{value:.3g} requests/s a pod of {load.capacity}, target {load.target} %"
            elif value is not None and str(name).endswith(BACKLOG):
                yield f"backlog {value:.1f} s, target {load.backlog}"


def _current(metric: Mapping[str, Any]) -> Decimal | None:
    try:
        return quantity(str(within(metric, "external", "current").get("value")))
    except ValueError:
        return None


def load_unknown(snapshot: Snapshot, shown: AutoscalingStatus | None) -> str | None:
    """Why the number of pods stays, for the condition."""
    unknown = snapshot.demand is not None and snapshot.demand.unknown
    return f"stays at {shown.wanted} pods: {shown.because}" if shown and unknown else None


def scaling_notes(
    before: ModelDeploymentStatus, shown: AutoscalingStatus | None, unknown: str | None, fault: Finding | None
) -> Iterator[Note]:
    """An Event when the number turns: up after down, or down after up; when nobody can say any more; and when another
    scaler cannot set it."""
    reported = {condition.reason for condition in before.conditions if condition.type == SCALING_BLOCKED}
    if fault and str(fault.reason) not in reported:
        yield Note(reason=fault.reason, message=fault.message, warning=True)
    if unknown and not is_load_unknown(before.conditions):
        yield Note(reason=Reason.LOAD_UNKNOWN, message=unknown, warning=True)
    last = before.autoscaling
    if shown and last and shown.direction and shown.direction is not last.direction:
        message = f"from {last.wanted} to {shown.wanted} pods: {shown.because}"
        yield Note(reason=Reason.SCALED, message=message)


def _limit(snapshot: Snapshot, pods: int) -> str:
    """Which bound it met."""
    scaling = snapshot.spec.autoscaling
    if scaling is None or snapshot.needed == pods:
        return ""
    return (
        f"; maxReplicas is {scaling.max_replicas}"
        if pods > snapshot.needed
        else f"; minReplicas is {scaling.min_replicas}"
    )


def _direction(before: AutoscalingStatus | None, wanted: int) -> Direction | None:
    if before is None or wanted == before.wanted:
        return before.direction if before else None
    return Direction.UP if wanted > before.wanted else Direction.DOWN
