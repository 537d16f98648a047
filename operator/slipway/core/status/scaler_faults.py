"""What keeps others' scalers from setting the number of pods: in their own words, with what to do about it.

The number stays meanwhile, or is somebody else's. None of it makes a model less Ready: what serves goes on.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from slipway.api.v1alpha1.spec import Scaler
from slipway.core.body import conditions, instant, within
from slipway.core.children.autoscaler import AUTOSCALER
from slipway.core.children.scaled_object import SCALED_OBJECT
from slipway.core.names import of_revision
from slipway.core.observed.scalers import ScalerFacts, Whose
from slipway.core.reasons import NOT_GRANTED, Finding, Reason, finding
from slipway.core.snapshot import Snapshot

SCALING_BLOCKED: Final = "ScalingBlocked"
"""The condition that is there for as long as a scaler beside us cannot set the number, or the wrong one does."""
REPORTED_AFTER: Final = timedelta(minutes=1)
"""How long KEDA may take for what it does within seconds: a KEDA that restarts is back by then."""
_AMBIGUOUS: Final = "AmbiguousSelector"
"""How Kubernetes says that two autoscalers are on the same pods, of which it then heeds none (podautoscaler)."""


@dataclass(frozen=True, kw_only=True)
class _Fault:
    finding: Finding
    reported_at: datetime | None = None
    """None: at once."""


def scaler_fault(snapshot: Snapshot) -> Finding | None:
    """The first fault that has lasted for long enough."""
    faults = (fault for fault in _faults(snapshot) if fault.reported_at is None or fault.reported_at <= snapshot.now)
    return next((fault.finding for fault in faults), None)


def fault_reported_at(snapshot: Snapshot) -> datetime | None:
    """When there is something new to say of one that has not lasted for long enough yet."""
    times = (fault.reported_at for fault in _faults(snapshot))
    return min((at for at in times if at and at > snapshot.now), default=None)


def _faults(snapshot: Snapshot) -> Iterator[_Fault]:
    if snapshot.scaled_by is Scaler.KEDA and not snapshot.suspended and not snapshot.observed.knows(SCALED_OBJECT):
        yield _Fault(finding=finding(Reason.KEDA_MISSING, _missing(snapshot)))
    for scalers in snapshot.scalers.values():
        for scaler in scalers:
            yield from _of_scaler(snapshot, scaler)


def _missing(snapshot: Snapshot) -> str:
    namespace, stays = snapshot.owner.namespace, f"the number stays at {snapshot.needed}"
    if SCALED_OBJECT in snapshot.observed.unknown:
        return f"the cluster knows no ScaledObject: install KEDA 2.18 or newer, or take autoscaling.scaler out; {stays}"
    return f"the operator cannot list ScaledObjects in namespace {namespace}; {NOT_GRANTED}; {stays}"


def _of_scaler(snapshot: Snapshot, scaler: ScalerFacts) -> Iterator[_Fault]:
    name = f"{scaler.child.kind} {scaler.child.name}"
    deployment = f"Deployment {of_revision(snapshot.owner.name, scaler.revision)}"
    if scaler.whose is Whose.FOREIGN:
        gives_way = "Slipway gives way until it is deleted"
        fights = "where spec.replicas says how many: delete it, or two write the count for ever"
        message = f"{name}, which is not ours, scales {deployment}: {gives_way if snapshot.scaled_by else fights}"
        yield _Fault(finding=finding(Reason.SCALER_CONFLICT, message))
    elif scaler.child.deleting:
        yield from _lingering(snapshot, scaler, name)
    elif scaler.child.kind == SCALED_OBJECT:
        yield from _of_scaled_object(scaler, name)
    else:
        yield from _of_autoscaler(scaler, name, deployment)


def _lingering(snapshot: Snapshot, scaler: ScalerFacts, name: str) -> Iterator[_Fault]:
    """Its finalizer is KEDA's to take off, and KEDA may be gone."""
    meta = within(scaler.body, "metadata")
    since, held = instant(meta.get("deletionTimestamp")), meta.get("finalizers")
    if since is None or not isinstance(held, list) or scaler.child.kind == AUTOSCALER:
        return
    take_off = (
        f"kubectl patch scaledobject {scaler.child.name} --namespace={snapshot.owner.namespace} --type=merge "
        """--patch='{"metadata":{"finalizers":null}}'"""
    )
    message = (
        f"{name} was deleted and stays, by finalizer {', '.join(map(str, held))}: start KEDA again, or take it off "
        f"({take_off}). Until then nobody else sets the number"
    )
    yield _Fault(finding=finding(Reason.SCALED_OBJECT_STUCK, message), reported_at=since + REPORTED_AFTER)


def _of_scaled_object(scaler: ScalerFacts, name: str) -> Iterator[_Fault]:
    ready, fallback, paused = (_condition(scaler.body, kind) for kind in ("Ready", "Fallback", "Paused"))
    if ready.get("status") == "False":
        yield _Fault(finding=finding(Reason.KEDA_NOT_READY, f"{name} is not Ready: {_words(ready)}; the number stays"))
    elif ready.get("status") != "True":
        made = instant(within(scaler.body, "metadata").get("creationTimestamp"))
        says = f" ({_words(ready)})" if ready.get("message") else ""
        message = (
            f"KEDA has not taken {name} up{says}: its operator has to run, and watch this namespace; the number stays"
        )
        yield _Fault(
            finding=finding(Reason.KEDA_NOT_READY, message), reported_at=made + REPORTED_AFTER if made else None
        )
    if fallback.get("status") == "True":
        message = f"KEDA reads no pod's load for {name}, and takes no pod away: {_words(fallback)}; {_REACH}"
        yield _Fault(finding=finding(Reason.KEDA_FALLBACK, message))
    if paused.get("status") == "True":
        message = f"{name} is paused: take the annotation autoscaling.keda.sh/paused… off it"
        yield _Fault(finding=finding(Reason.KEDA_NOT_READY, message))


_REACH: Final = "it asks ready pods at port 8004, which a NetworkPolicy may keep it from (models.kedaFrom in the chart)"


def _of_autoscaler(scaler: ScalerFacts, name: str, deployment: str) -> Iterator[_Fault]:
    active = _condition(scaler.body, "ScalingActive")
    if active.get("status") != "False":
        return
    if active.get("reason") == _AMBIGUOUS:
        message = f"another autoscaler is on {deployment} beside {name}: delete it; Kubernetes says: {_words(active)}"
        yield _Fault(finding=finding(Reason.SCALER_CONFLICT, message))
    elif scaler.whose is Whose.KEDAS and active.get("reason") != "ScalingDisabled":
        since = instant(active.get("lastTransitionTime"))
        message = f"{name}, which is KEDA's, cannot scale: {_words(active)}; the number stays. Do KEDA's pods run?"
        yield _Fault(
            finding=finding(Reason.KEDA_NOT_READY, message), reported_at=since + REPORTED_AFTER if since else None
        )


def _condition(body: Any, kind: str) -> Any:
    all_conditions = conditions(within(body, "status").get("conditions"))
    return next((condition for condition in all_conditions if condition["type"] == kind), {})


def _words(condition: Any) -> str:
    return ": ".join(str(condition[part]) for part in ("reason", "message") if condition.get(part))
