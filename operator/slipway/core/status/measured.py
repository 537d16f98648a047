"""What starts of a revision's pods took, kept by the GPU of their node: as the first look had it that brought it."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from statistics import median_high
from typing import Final

from slipway.api.v1alpha1.status import Measured
from slipway.core.children.accelerator import PRODUCT
from slipway.core.load import LOAD_TOPIC
from slipway.core.observed.evidence import PodStart
from slipway.core.snapshot import Snapshot

CPU: Final = "CPU"
"""The product of a pod that asks for no GPU."""
_PRODUCTS: Final = 8
_LONGEST: Final = 63


def measured(snapshot: Snapshot, revision: str) -> list[Measured]:
    """What is known of a revision, and what the last look adds to it. One pod's word is never changed by a later one's:
    starts that differ are seen in the pods' own metrics."""
    listed, evidence = snapshot.listed(revision), snapshot.observed.evidence.get(LOAD_TOPIC)
    kept = list(listed.measured) if listed else []
    starts = [each for each in evidence.starts if each.revision == revision] if evidence else []
    if not (starts and evidence):
        return kept
    products = _products(snapshot, revision)
    by_product: dict[str, list[PodStart]] = {}
    for start in starts:
        if product := products.get(start.name):
            by_product.setdefault(product, []).append(start)
    for product in sorted(by_product.keys() - {each.product for each in kept}):
        if len(kept) < _PRODUCTS:
            kept.append(_of(product, by_product[product], evidence.after.at))
    return kept


def _products(snapshot: Snapshot, revision: str) -> dict[str, str]:
    """The GPU of each pod, by the pod's name; without the pods whose node does not say it."""
    record = snapshot.record(revision)
    pods = snapshot.observed.pods_of(revision)
    if record is not None and record.asked.get("accelerator") is None:
        return {pod.name: CPU for pod in pods}
    labels = {node.name: node.labels.get(PRODUCT, "") for node in snapshot.observed.nodes}
    return {pod.name: labels[pod.node][:_LONGEST] for pod in pods if pod.node and labels.get(pod.node)}


def _of(product: str, starts: Sequence[PodStart], at: datetime) -> Measured:
    facts = [start.facts for start in starts]
    return Measured(
        product=product,
        pods=len(starts),
        at=at,
        load_milliseconds=round(1000 * median_high(each.load for each in facts)),
        first_answer_milliseconds=round(1000 * median_high(each.first_answer for each in facts)),
        memory_bytes=_middle(each.memory for each in facts),
        gpu_memory_bytes=_middle(each.gpu_memory for each in facts),
        shared_memory_bytes=_middle(each.shared_memory for each in facts),
    )


def _middle(numbers: Iterable[int | None]) -> int | None:
    said = [number for number in numbers if number is not None]
    return median_high(said) if said else None
