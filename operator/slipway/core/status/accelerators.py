"""What the pods of a revision really have of accelerators: which devices are claimed for them, and whether those of a
device plugin are theirs alone.

A plugin's resource may be a whole device, a slice of one, or a turn at one that others have as well: its name says
nothing of it, and the labels of the node do.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from pydantic import ValidationError

from slipway.api.v1alpha1.spec import Accelerator
from slipway.api.v1alpha1.status import AllocatedDevice
from slipway.core.body import mapping
from slipway.core.children.accelerator import GPU, PRODUCT, SHARING, claims_devices, resource_name
from slipway.core.observed.devices import ClaimFacts, Devices, PodId
from slipway.core.observed.nodes import NodeFacts
from slipway.core.observed.pods import PodFacts
from slipway.core.snapshot import Snapshot

MOST_DEVICES: Final = 64
"""That status lists of a revision."""
_REPLICAS: Final = "nvidia.com/gpu.replicas"
_MIG: Final = "-MIG-"


def accelerators(snapshot: Snapshot, revision: str) -> dict[str, Any]:
    """The fields of a revision's status that say so: empty where it has none."""
    asked = _asked(snapshot, revision)
    if asked is None:
        return {"devices": [], "sharing": None}
    pods = [pod for pod in snapshot.observed.pods_of(revision) if pod.node]
    if claims_devices(asked):
        return {"devices": list(_devices(snapshot, pods))[:MOST_DEVICES], "sharing": None}
    return {"devices": [], "sharing": _sharing(pods, snapshot.observed.nodes, resource_name(asked))}


def _asked(snapshot: Snapshot, revision: str) -> Accelerator | None:
    """As the revision was asked for, which need not be what the spec says by now."""
    record = snapshot.record(revision)
    if record is None or "accelerator" not in record.asked:
        return None
    try:
        return Accelerator.model_validate(mapping(record.asked["accelerator"]))
    except ValidationError:
        return None  # an operator of another version knew more of it


def _devices(snapshot: Snapshot, pods: Iterable[PodFacts]) -> Iterator[AllocatedDevice]:
    devices = snapshot.observed.devices
    for pod in sorted(pods, key=lambda pod: pod.name):
        for claim in devices.claims_of(PodId(snapshot.owner.namespace, pod.uid)):
            yield from _of_claim(devices, claim, pod)


def _of_claim(devices: Devices, claim: ClaimFacts, pod: PodFacts) -> Iterator[AllocatedDevice]:
    for name in claim.devices:
        published = devices.device(name)
        yield AllocatedDevice(
            pod=pod.name[:253],
            driver=name.driver[:63],
            pool=name.pool[:253],
            device=name.device[:63],
            product=(published.product or "")[:64] or None if published else None,
            profile=(published.profile or "")[:64] or None if published else None,
            shared=True if name in claim.shares else None,
        )


def _sharing(pods: Iterable[PodFacts], nodes: Iterable[NodeFacts], resource: str) -> str | None:
    """In words, with how many of the pods have it so; None while none is on a node."""
    labels = {node.name: node.labels for node in nodes}
    counts = Counter(_how(labels[pod.node], resource) for pod in pods if pod.node in labels)
    parts = (f"{count} {'pod has' if count == 1 else 'pods have'} {how}" for how, count in sorted(counts.items()))
    return "; ".join(parts) or None


def _how(labels: Mapping[str, str], resource: str) -> str:
    """What one of a resource is, by the labels of GPU feature discovery."""
    product = labels.get(PRODUCT, "")
    strategy = labels.get(SHARING if resource == GPU else f"{resource}.sharing-strategy", "none")
    replicas = labels.get(_REPLICAS if resource == GPU else f"{resource}.replicas", "")
    of = f"one of {replicas}" if replicas.isdigit() and int(replicas) > 1 else "one of several"
    if strategy == "time-slicing":
        return f"turns at a device, {of}, with no limit on memory or compute{_named(product)}"
    if strategy == "mps":
        return f"a share of a device by MPS, {of} of the same memory and compute{_named(product)}"
    if resource.startswith("nvidia.com/mig-"):
        return f"a MIG slice {resource.removeprefix('nvidia.com/mig-')} of their own{_named(product)}"
    if _MIG in product:
        whole, _, profile = product.partition(_MIG)
        return f"a MIG slice {profile} of their own{_named(whole)}"
    return f"whole devices{_named(product)}"


def _named(product: str) -> str:
    return f" ({product})" if product else ""
