"""The operator's own pods: which of them leads, and what a story does to them."""

from e2e.space import Space
from testbed.installing import NAMESPACE


def leader(space: Space) -> str:
    """The pod that holds the lease."""
    lease = space.api.get("leases", NAMESPACE, "slipway") or {"spec": {}}
    return str(lease["spec"].get("holderIdentity") or "").rpartition("-")[0]


def kill_leader(space: Space) -> str:
    """End the pod that leads without a chance to clean up; its name."""
    found = leader(space)
    space.cluster.kubectl.within(NAMESPACE)("delete", "pod", found, "--force", "--grace-period=0")
    return found


def until_another_leads(space: Space, than: str) -> None:
    """Wait until another pod holds the lease."""
    space.until("another replica leads", lambda: leader(space) not in {"", than})
