"""KEDA's operator, beside Kubernetes' garbage collector and its controller of autoscalers.

A fake: it takes ScaledObjects up as the real one does (finalizer, conditions, a HorizontalPodAutoscaler that has their
labels), and scales by a load that it is told. That the real one does so e2e/test_keda.py shows.
"""

from dataclasses import dataclass
from typing import Any, Final

from slipway.core.names import Manifest
from tests.core.cluster.simulator import Simulator
from tests.core.cluster.stored import copied

FINALIZER: Final = "finalizer.keda.sh"
READY: Final = {"type": "Ready", "status": "True", "reason": "ScaledObjectReady", "message": "is ready for scaling"}
CALM: Final = ({"type": "Fallback", "status": "False"}, {"type": "Paused", "status": "False"})


@dataclass
class Keda:
    """Looks after the ScaledObjects of one cluster."""

    cluster: Simulator

    def takes_up(self) -> None:
        """All ScaledObjects are as KEDA makes them, and those that were deleted are gone."""
        for (kind, name), manifest in [*self.cluster.objects.items()]:
            if kind != "ScaledObject":
                continue
            if "deletionTimestamp" in manifest["metadata"]:
                del self.cluster.objects[kind, name]
                continue
            manifest["metadata"]["finalizers"] = [FINALIZER]
            manifest["status"] = {"conditions": [dict(READY), *map(dict, CALM)]}
            self._touch(manifest)
            self._makes_autoscaler(name, manifest)

    def _makes_autoscaler(self, name: str, scaled: Manifest) -> None:
        meta, spec = scaled["metadata"], scaled["spec"]
        owner = {"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "name": name, "uid": meta["uid"]}
        before = self.cluster.objects.get(("HorizontalPodAutoscaler", f"keda-hpa-{name}"), {})
        made: dict[str, Any] = {
            "apiVersion": "autoscaling/v2",
            "kind": "HorizontalPodAutoscaler",
            "metadata": {
                "name": f"keda-hpa-{name}",
                "namespace": meta["namespace"],
                "labels": dict(meta["labels"]),
                "annotations": dict(meta["annotations"]),
                "ownerReferences": [{**owner, "controller": True, "blockOwnerDeletion": True}],
                "uid": f"hpa-of-{meta['uid']}",
                "creationTimestamp": self.cluster.timestamp,
            },
            "spec": {
                "scaleTargetRef": copied(spec["scaleTargetRef"]),
                "minReplicas": spec["minReplicaCount"],
                "maxReplicas": spec["maxReplicaCount"],
            },
            "status": before.get("status", {}),
        }
        self._touch(made)
        self.cluster.objects["HorizontalPodAutoscaler", f"keda-hpa-{name}"] = made

    def collects_garbage(self) -> None:
        """Autoscalers go whose ScaledObject is gone."""
        uids = {m["metadata"]["uid"] for (kind, _), m in self.cluster.objects.items() if kind == "ScaledObject"}
        for key, manifest in [*self.cluster.objects.items()]:
            owners = manifest["metadata"].get("ownerReferences") or ()
            if any(owner["kind"] == "ScaledObject" and owner["uid"] not in uids for owner in owners):
                del self.cluster.objects[key]

    def scales(self, load: int) -> None:
        """Each autoscaler brings its Deployment to what the load takes, within its bounds; at zero it does nothing."""
        for (kind, _), scaler in self.cluster.objects.items():
            if kind != "HorizontalPodAutoscaler":
                continue
            spec = scaler["spec"]
            deployment = self.cluster.objects.get(("Deployment", spec["scaleTargetRef"]["name"]))
            if deployment and deployment["spec"]["replicas"]:
                deployment["spec"]["replicas"] = min(max(load, spec["minReplicas"]), spec["maxReplicas"])
                self._touch(deployment)

    def says(self, kind: str, **condition: Any) -> None:
        """A condition of every object of a kind: a ScaledObject's, or an autoscaler's."""
        for (each, _), manifest in self.cluster.objects.items():
            if each == kind:
                others = manifest.get("status", {}).get("conditions", [])
                kept = [other for other in others if other["type"] != condition["type"]]
                manifest.setdefault("status", {})["conditions"] = [*kept, condition]
                self._touch(manifest)

    def _touch(self, manifest: Manifest) -> None:
        self.cluster.serial += 1
        manifest["metadata"]["resourceVersion"] = str(self.cluster.serial)
