"""HorizontalPodAutoscaler of a revision: on its own Deployment, so that scaling goes on without us."""

from typing import Final

from slipway.api.v1alpha1.spec import Autoscaling
from slipway.core.names import Manifest, labels, of_revision
from slipway.core.owner import Owner

AUTOSCALER: Final = "HorizontalPodAutoscaler"


def autoscaler(*, owner: Owner, revision: str, autoscaling: Autoscaling, bounds: tuple[int, int]) -> Manifest:
    """Metrics and behaviour as the user gave them; the API server judges them. The `bounds` are the user's, but for
    while versions change: a count that somebody else needs may not be scaled away."""
    name = of_revision(owner.name, revision)
    asked = autoscaling.to_dict()
    given: Manifest = {name: asked[name] for name in ("metrics", "behavior") if name in asked}
    given |= {"minReplicas": bounds[0], "maxReplicas": bounds[1]}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": AUTOSCALER,
        "metadata": {"name": name, "labels": labels(owner.name, component="server", revision=revision)},
        "spec": {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}, **given},
    }
