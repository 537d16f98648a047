"""The scalers that are set beside each other: each has a ModelDeployment of its own, of the same bundle."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from bench.staircase.models import TARGET, Model
from bench.staircase.prometheus import QUEUE_BY_COMPUTE, QUEUE_US
from testbed.served import READ_KEYS, STORE_PORT

NAMESPACE: Final = "staircase"
SECRET: Final = "models-read"
FEWEST, MOST = 1, 6
CPU_REQUEST: Final = "5m"
"""So little that pods have room on two cores: what they wait for is no CPU."""


@dataclass(frozen=True)
class Scaler:
    """One way to say how many pods."""

    name: str
    what: str
    autoscaling: Mapping[str, Any]
    """Beside the bounds."""


ONE_POD: Final = Scaler("one", "one pod", {})
"""Nobody scales it."""


def scalers_of(model: Model, stabilization: int) -> tuple[Scaler, ...]:
    """All of them, for one model; each keeps pods for so many seconds after they were last needed."""
    backlog = f"{round(2500 * model.seconds)}ms"  # well above the time of one execution, as docs/scaling.md says
    load = {"target": round(100 * TARGET), "backlog": backlog, "stabilization": f"{stabilization}s"}
    behavior = {"scaleDown": {"stabilizationWindowSeconds": stabilization}}

    def hpa(name: str, what: str, metric: Mapping[str, Any]) -> Scaler:
        return Scaler(name, f"HPA on {what}", {"metrics": [metric], "behavior": behavior})

    return (
        Scaler("slipway", "Slipway, `load`", {"load": load}),
        hpa("cpu", "CPU, 70 % of a full pod's", _cpu(model)),
        hpa("ratio", "queue ÷ compute, target 1", _pods(QUEUE_BY_COMPUTE, "1")),
        hpa("queue", "queue time a request, target 50 µs", _pods(QUEUE_US, "50")),
    )


def name_of(model: Model, scaler: Scaler) -> str:
    """The ModelDeployment's."""
    return f"{model.name}-{scaler.name}"


def manifest(model: Model, scaler: Scaler, uri: str) -> dict[str, Any]:
    """The ModelDeployment of one model under one scaler."""
    endpoint = {"endpoint": f"http://s3.slipway-storage.svc:{STORE_PORT}"}
    resources = {"requests": {"cpu": CPU_REQUEST, "memory": "128Mi"}, "limits": {"memory": "1Gi"}}
    bounds = {"minReplicas": FEWEST, "maxReplicas": MOST}
    return {
        "apiVersion": "serving.slipway.dev/v1alpha1",
        "kind": "ModelDeployment",
        "metadata": {"name": name_of(model, scaler), "namespace": NAMESPACE},
        "spec": {
            "model": {"version": "1", "source": {"uri": uri, "secretName": SECRET, "s3": endpoint}},
            "server": {"resources": resources},
            "replicas": FEWEST,
            **({"autoscaling": {**bounds, **scaler.autoscaling}} if scaler.autoscaling else {}),
        },
    }


def surroundings() -> list[dict[str, Any]]:
    """The namespace, and the keys of the store in it."""
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": SECRET, "namespace": NAMESPACE}}
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
        {**secret, "stringData": READ_KEYS},
    ]


def _cpu(model: Model) -> dict[str, Any]:
    """As well set as it can be: what a full pod takes was measured beforehand."""
    target = {"type": "AverageValue", "averageValue": f"{round(model.cpu_full * TARGET)}m"}
    return {"type": "Resource", "resource": {"name": "cpu", "target": target}}


def _pods(metric: str, value: str) -> dict[str, Any]:
    target = {"type": "AverageValue", "averageValue": value}
    return {"type": "Pods", "pods": {"metric": {"name": metric}, "target": target}}
