"""HorizontalPodAutoscaler of a revision: on its own Deployment, so that scaling goes on without us."""

from slipway.api.v1alpha1.spec import Autoscaling
from slipway.core.names import Manifest, labels, of_revision
from slipway.core.owner import Owner


def autoscaler(*, owner: Owner, revision: str, autoscaling: Autoscaling, bounds: tuple[int, int]) -> Manifest:
    """Metrics and behaviour as the user gave them; the API server judges them. The `bounds` are the user's, but for
    while versions change: a count that somebody else needs may not be scaled away."""
    name = of_revision(owner.name, revision)
    given = {**autoscaling.to_dict(), "minReplicas": bounds[0], "maxReplicas": bounds[1]}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": name, "labels": labels(owner.name, component="server", revision=revision)},
        "spec": {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}, **given},
    }
