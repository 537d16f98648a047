"""ScaledObject of a revision: KEDA scales its Deployment by what its own pods say of their load, operator or none.

KEDA asks each ready pod behind the revision's Service, and Kubernetes multiplies the average by the ready pods: that is
the sum over the target, as our own formula has it. Two signals, of which the one that asks for more pods counts.
"""

from typing import Final

from slipway.api.scalars import duration
from slipway.api.v1alpha1.spec import Autoscaling, Load
from slipway.core.names import LOAD_PORT, Manifest, labels, of_revision
from slipway.core.owner import Owner
from slipway.triton.load import BACKLOG, RATE, RATIO

SCALED_OBJECT: Final = "ScaledObject"
FAILURES: Final = 3
"""So many asks in vain, one every 15 seconds, and KEDA falls back, and says so. The count stays from the first on."""

_LONGEST_WINDOW_SECONDS: Final = 3600
"""Of an autoscaler (autoscaling/v2)."""


def scaled_object(
    *, owner: Owner, revision: str, autoscaling: Autoscaling, load: Load, bounds: tuple[int, int]
) -> Manifest:
    """Bounds and behaviour as of an autoscaler. While versions change the bounds hold a count, as they do for an
    autoscaler: an annotation that pauses has KEDA delete what scales, and write a count itself."""
    name = of_revision(owner.name, revision)
    backlog = duration(load.backlog).total_seconds()
    spec: Manifest = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
        "minReplicaCount": bounds[0],
        "maxReplicaCount": bounds[1],
        "triggers": [
            _trigger("load", name, owner.namespace, *_load(load)),
            _trigger("backlog", name, owner.namespace, BACKLOG, f"{backlog:.3f}"),
        ],
        # Never fewer than there are: of pods that do not speak nobody knows what they carry.
        "fallback": {"failureThreshold": FAILURES, "replicas": bounds[0], "behavior": "currentReplicasIfHigher"},
        "advanced": {"horizontalPodAutoscalerConfig": {"behavior": _behavior(autoscaling, load)}},
    }
    return {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": SCALED_OBJECT,
        "metadata": {"name": name, "labels": labels(owner.name, component="server", revision=revision)},
        "spec": spec,
    }


def _behavior(autoscaling: Autoscaling, load: Load) -> Manifest:
    """The spec's own; what that does not say of going down is `load.stabilization`, as with our own scaler."""
    behavior: Manifest = autoscaling.to_dict().get("behavior") or {}
    window = min(int(duration(load.stabilization).total_seconds()), _LONGEST_WINDOW_SECONDS)
    return {**behavior, "scaleDown": {"stabilizationWindowSeconds": window, **(behavior.get("scaleDown") or {})}}


def _load(load: Load) -> tuple[str, str]:
    """What a pod is asked for and its target: requests a second where its capacity was measured, else the ratio."""
    if load.capacity is None:
        return RATIO, f"{load.target / 100:.2f}"
    target = float(load.capacity) * load.target / 100
    return RATE, f"{target:.3f}" if target >= 1 else f"{target:.6f}"  # a request in minutes is a rate as well


def _trigger(name: str, service: str, namespace: str, metric: str, target: str) -> Manifest:
    return {
        "type": "metrics-api",
        "name": name,
        "metricType": "Value",
        "metadata": {
            "url": f"http://{service}.{namespace}.svc:{LOAD_PORT}/metrics",
            "format": "prometheus",
            "valueLocation": metric,
            "targetValue": target,
            "aggregateFromKubeServiceEndpoints": "true",
            "aggregationType": "average",
        },
    }
