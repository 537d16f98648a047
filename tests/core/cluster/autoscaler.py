"""The controller of HorizontalPodAutoscalers, which reads them from a watch of its own that may be late.

A fake: it scales by a load that it is told, where the real one asks for metrics.
"""

from dataclasses import dataclass, field

from slipway.core.names import Manifest
from tests.core.cluster.stored import copied
from tests.core.cluster.world import World


@dataclass
class AutoscalerController:
    """Scales the Deployments of one world."""

    world: World
    view: dict[str, Manifest] = field(default_factory=dict)
    """Specs of autoscalers by name, as its watch has them. The scale itself it reads live, as the real one does."""

    def hears(self) -> None:
        """Its watch has caught up; with KEDA between, which has made an autoscaler of each ScaledObject."""
        self.view = {}
        for (kind, name), manifest in self.world.objects.items():
            if kind == "HorizontalPodAutoscaler":
                self.view[name] = copied(manifest["spec"])
            elif kind == "ScaledObject":
                spec = manifest["spec"]
                self.view[name] = {"minReplicas": spec["minReplicaCount"], "maxReplicas": spec["maxReplicaCount"]}

    def acts(self, load: int | None = None) -> None:
        """Bring each Deployment between its bounds, and within them to what the load takes; without a load, or at zero,
        it does no more."""
        for name, spec in self.view.items():
            deployment = self.world.objects.get(("Deployment", name))
            if deployment is None or not (now := int(deployment["spec"]["replicas"])):
                continue
            within = min(max(now, spec["minReplicas"]), spec["maxReplicas"])
            if within == now and load is not None:
                within = min(max(load, spec["minReplicas"]), spec["maxReplicas"])
            if within != now:
                deployment["spec"]["replicas"] = within
                self.world.touch(deployment)
