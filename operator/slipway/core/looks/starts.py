"""What starts took is asked of pods once by GPU: of those on whose GPU nobody has said it yet."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from slipway.core.children.accelerator import PRODUCT
from slipway.core.observed.evidence import PodStart
from slipway.core.snapshot import Snapshot

CPU: Final = "CPU"
"""The product of a pod that asks for no GPU."""
MOST_PRODUCTS: Final = 8
ASKED_AGAIN: Final = timedelta(minutes=10)
"""Pods that did not say it may be an earlier operator's, or where a policy keeps this one from them."""
_LONGEST: Final = 63


def topic(revision: str) -> str:
    """What the looks for it are kept under."""
    return f"{revision}/start"


def told(snapshot: Snapshot, revision: str) -> Sequence[PodStart]:
    """What the last look has brought of a revision's pods."""
    evidence = snapshot.observed.evidence.get(topic(revision))
    return [each for each in evidence.starts if each.revision == revision] if evidence else []


def products(snapshot: Snapshot, revision: str) -> dict[str, str]:
    """The GPU of each pod, by the pod's name; without the pods whose node does not say it."""
    record = snapshot.record(revision)
    pods = snapshot.observed.pods_of(revision)
    if record is not None and record.asked.get("accelerator") is None:
        return {pod.name: CPU for pod in pods}
    labels = {node.name: node.labels.get(PRODUCT, "") for node in snapshot.observed.nodes}
    return {pod.name: labels[pod.node][:_LONGEST] for pod in pods if pod.node and labels.get(pod.node)}


def unmeasured(snapshot: Snapshot, revision: str) -> frozenset[str]:
    """The pods, by name, on whose GPU nobody has said it yet; none where status has no room for more."""
    listed, by_pod = snapshot.listed(revision), products(snapshot, revision)
    known = {each.product for each in listed.measured} if listed else set()
    known |= {by_pod[start.name] for start in told(snapshot, revision) if start.name in by_pod}
    return frozenset(name for name, product in by_pod.items() if product not in known and len(known) < MOST_PRODUCTS)
