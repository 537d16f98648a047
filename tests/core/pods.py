"""Pods as Kubernetes tells of them: each builder takes what a test is about and fills in the rest."""

from collections.abc import Sequence
from typing import Any, Final

from slipway.core.names import Manifest
from slipway.core.observed.pods import PodFacts, pod_facts

AT: Final = "2026-01-05T12:00:00Z"


def manifest(
    name: str = "churn-1",
    *,
    status: Manifest,
    labels: Manifest | None = None,
    node: str | None = "node-1",
    volumes: Sequence[Manifest] = (),
    created: str = AT,
    resource_version: str = "1",
) -> Manifest:
    meta = {
        "name": name,
        "uid": f"uid-{name}",
        "resourceVersion": resource_version,
        "labels": labels or {},
        "creationTimestamp": created,
    }
    spec: Manifest = {"volumes": list(volumes)} | ({"nodeName": node} if node else {})
    return {"metadata": meta, "spec": spec, "status": status}


def pod(
    name: str = "churn-1", *, node: str | None = "node-1", volumes: Sequence[Manifest] = (), **status: Any
) -> PodFacts:
    """What the core keeps of a pod with this status."""
    return pod_facts(manifest(name, node=node, volumes=volumes, status=status))


def true(*kinds: str, at: str = AT) -> list[dict[str, str]]:
    """Conditions that hold."""
    return [{"type": kind, "status": "True", "lastTransitionTime": at} for kind in kinds]


def server(**state: Any) -> dict[str, Any]:
    """The status of a pod whose bundle is fetched, with this of its server."""
    return {
        "phase": "Running",
        "conditions": true("PodScheduled", "Initialized"),
        "containerStatuses": [{"name": "triton", "restartCount": 0, **state}],
    }


def fetcher(**state: Any) -> dict[str, Any]:
    """The status of a pod on its node, with this of its fetcher."""
    return {"conditions": true("PodScheduled"), "initContainerStatuses": [{"name": "fetch", **state}]}


def ended(message: str = "", reason: str = "Error", code: int = 1) -> dict[str, Any]:
    """The state of a container that has ended."""
    return {"terminated": {"exitCode": code, "reason": reason, "message": message}}


def unschedulable(message: str) -> dict[str, Any]:
    """The status of a pod that finds no node."""
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
    return {"phase": "Pending", "conditions": [condition]}
