"""What the API server keeps of one ModelDeployment and its cluster, and what becomes of the operator's writes.

A fake: objects stay as they were applied, with neither defaults, nor validation, nor preconditions.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from slipway.core.names import Manifest
from slipway.core.observed.devices import NO_DEVICES, Devices
from slipway.core.observed.nodes import NodeFacts
from slipway.core.plan import Apply, Delete, Scale
from tests.core.cluster.stored import copied
from tests.core.gen import NOON


@dataclass
class ApiServer:
    """The ModelDeployment `churn`, its children by kind and name, and the pods by name."""

    spec: dict[str, Any]
    now: datetime = NOON
    generation: int = 1
    status: dict[str, Any] = field(default_factory=dict)
    request: str | None = None
    """The annotation by which somebody asks for something."""
    objects: dict[tuple[str, str], Manifest] = field(default_factory=dict)
    pods: dict[str, Manifest] = field(default_factory=dict)
    nodes: tuple[NodeFacts, ...] = ()
    devices: Devices = NO_DEVICES
    serial: int = 0
    stirred: bool = False
    """Since the last pass the cluster told of something: pods went, or what was looked at had changed."""

    def edit(self, **model: Any) -> None:
        """Change fields of spec.model."""
        self.spec["model"].update(model)
        self.generation += 1

    def pass_time(self, **of: float) -> None:
        self.now += timedelta(**of)

    @property
    def timestamp(self) -> str:
        """Now, as Kubernetes writes it."""
        return self.now.strftime("%Y-%m-%dT%H:%M:%SZ")

    def deployments(self) -> dict[str, Manifest]:
        return {name: m for (kind, name), m in self.objects.items() if kind == "Deployment"}

    def carry_out(self, action: Apply | Scale | Delete) -> None:
        self.serial += 1
        match action:
            case Apply(manifest=manifest):
                assert action.first or action.uid, "a write says what it was decided from"
                key = (manifest["kind"], manifest["metadata"]["name"])
                old = self.objects.get(key, {})
                new = copied(manifest)
                uid = old.get("metadata", {}).get("uid", f"uid-{self.serial}")
                new["metadata"] |= {"uid": uid, "resourceVersion": str(self.serial)}
                generation = old.get("metadata", {}).get("generation", 0)
                new["metadata"]["generation"] = generation + (old.get("spec") != new.get("spec"))
                at = self.timestamp
                new["metadata"]["creationTimestamp"] = old.get("metadata", {}).get("creationTimestamp", at)
                new["metadata"]["managedFields"] = [{"manager": "slipway", "operation": "Apply", "time": at}]
                kept = old.get("metadata", {})
                new["metadata"] |= {name: kept[name] for name in ("finalizers", "deletionTimestamp") if name in kept}
                new["status"] = old.get("status", {})
                self.objects[key] = new
            case Scale(name=name, replicas=replicas):
                deployment = self.objects["Deployment", name]
                deployment["spec"]["replicas"] = replicas
                if deployment["status"].get("availableReplicas", 0) > replicas:
                    deployment["status"] |= {"availableReplicas": replicas, "replicas": replicas}
                    self.stirred = True
                for number in range(replicas, len(self.pods)):
                    self.stirred |= self.pods.pop(f"{name}-{number}", None) is not None
            case Delete(kind="Pod", name=name):
                del self.pods[name]
            case Delete(kind=kind, name=name) if self.objects[kind, name]["metadata"].get("finalizers"):
                self.objects[kind, name]["metadata"]["deletionTimestamp"] = self.timestamp
            case Delete(kind=kind, name=name):
                del self.objects[kind, name]
                if kind not in ("Deployment", "Job"):
                    return
                self.pods = {pod: m for pod, m in self.pods.items() if pod.rpartition("-")[0] != name}
