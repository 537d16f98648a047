"""What starts of a revision's pods took, kept by the GPU of their node: as the first look had it that brought it."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from statistics import median_high

from slipway.api.v1alpha1.status import Measured
from slipway.core.looks import starts
from slipway.core.observed.evidence import PodStart
from slipway.core.snapshot import Snapshot


def measured(snapshot: Snapshot, revision: str) -> list[Measured]:
    """What is known of a revision, and what the last look adds to it. One pod's word is never changed by a later one's:
    starts that differ are seen in the pods' own metrics."""
    listed, evidence = snapshot.listed(revision), snapshot.observed.evidence.get(starts.topic(revision))
    kept = list(listed.measured) if listed else []
    if evidence is None:
        return kept
    products = starts.products(snapshot, revision)
    by_product: dict[str, list[PodStart]] = {}
    for start in starts.told(snapshot, revision):
        if product := products.get(start.name):
            by_product.setdefault(product, []).append(start)
    for product in sorted(by_product.keys() - {each.product for each in kept}):
        if len(kept) < starts.MOST_PRODUCTS:
            kept.append(_of(product, by_product[product], evidence.after.at))
    return kept


def _of(product: str, told: Sequence[PodStart], at: datetime) -> Measured:
    facts = [start.facts for start in told]
    return Measured(
        product=product,
        pods=len(told),
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
