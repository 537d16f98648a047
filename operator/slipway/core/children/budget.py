"""PodDisruptionBudget of a revision: drains take its pods one by one."""

from slipway.core.names import Manifest, labels, of_revision, revision_selector
from slipway.core.owner import Owner


def budget(*, owner: Owner, revision: str) -> Manifest:
    """For a serving revision of more than one pod; with a single one it would block every drain."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {
            "name": of_revision(owner.name, revision),
            "labels": labels(owner.name, component="server", revision=revision),
        },
        "spec": {
            "maxUnavailable": 1,
            # A pod that does not serve anyway must not hold up a drain.
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
            "selector": {"matchLabels": revision_selector(owner.name, revision)},
        },
    }
