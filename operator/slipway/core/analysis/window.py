"""Windows: what a revision's servers did between two looks at their counters.

Counts are differences, summed over pods before anything is divided. A pod that is there at one of the looks only
counts nothing. The counters of a server that the kubelet started again, or any of which fell, began at zero. How many
requests are Slipway's own is known within bounds, so there is a fewest and a most of others' requests.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from slipway.core.observed.evidence import NO_GOLDEN, Bounds, Golden, PodSample, Scrape
from slipway.triton.metrics import ModelMetrics


@dataclass(frozen=True, kw_only=True)
class Slowest:
    """The largest of a quantile over pods: quantiles cannot be averaged."""

    milliseconds: float
    pod: str


@dataclass(frozen=True, kw_only=True)
class Window:
    """One revision between two looks."""

    length: timedelta
    pods: int = 0
    """Seen at both looks."""
    succeeded: float = 0
    """Slipway's own requests among them."""
    failed: Mapping[str, float] = field(default_factory=dict)
    """By Triton's reason, without those that came to nothing."""
    own_least: float = 0
    """Requests that are Slipway's own for sure."""
    own_most: float = 0
    """Requests that may be Slipway's own."""
    queue_milliseconds: float = 0
    """Summed over all requests that succeeded, Slipway's own too."""
    slowest: Mapping[float, Slowest] = field(default_factory=dict)
    """By quantile, over Triton's last minute."""
    keeps_quantiles: bool = False
    missing: tuple[str, ...] = ()
    """Pods that were to be looked at and could not be: name and why."""

    @property
    def failures(self) -> float:
        """Failed requests of every reason."""
        return sum(self.failed.values())

    @property
    def fewest(self) -> float:
        """Requests of others that came to an end, for sure."""
        return self.succeeded - self.own_most + self.failures

    @property
    def most(self) -> float:
        """Requests that may be of others."""
        return self.succeeded - self.own_least + self.failures


def window(
    before: Scrape,
    after: Scrape,
    revision: str,
    *,
    golden: Golden = NO_GOLDEN,
    asked: Mapping[str, Bounds] | None = None,
) -> Window:
    """What happened to a revision between two looks. `asked`: requests of ours by pod, beside the guard's."""
    earlier = {sample.pod: (sample.metrics, sample.restarts) for sample in before.of(revision) if sample.metrics}
    length = after.at - before.at
    spans = []
    for sample in after.of(revision):
        if sample.metrics and sample.pod in earlier:
            then, restarts = earlier[sample.pod]
            base = None if sample.restarts > restarts or _fell(then, sample.metrics) else then
            spans.append(_Span.of(base, sample.metrics, length, golden, (asked or {}).get(sample.pod, Bounds())))
    now = [sample for sample in after.of(revision) if sample.metrics]
    failed: Counter[str] = Counter()
    for span in spans:
        failed.update(span.failed)
    return Window(
        length=length,
        pods=len(spans),
        succeeded=sum(span.succeeded for span in spans),
        failed={reason: count for reason, count in sorted(failed.items()) if count},
        own_least=sum(span.own_least for span in spans),
        own_most=sum(span.own_most for span in spans),
        queue_milliseconds=sum(span.queue_us for span in spans) / 1000,
        slowest=_slowest(now),
        keeps_quantiles=any(sample.metrics and sample.metrics.quantiles_us for sample in now),
        missing=tuple(f"{sample.name}: {sample.missing}" for sample in after.of(revision) if not sample.metrics),
    )


@dataclass(frozen=True, kw_only=True)
class _Span:
    """One server between two looks."""

    succeeded: float
    failed: Mapping[str, float]
    queue_us: float
    own_least: float
    own_most: float

    @classmethod
    def of(
        cls, before: ModelMetrics | None, after: ModelMetrics, length: timedelta, golden: Golden, asked: Bounds
    ) -> "_Span":
        """`before`: None where the server has started again since."""
        base = before or ModelMetrics()
        succeeded = after.succeeded - base.succeeded
        own_most = min(succeeded, golden.at_most(length, started=before is None) + asked.most)
        # Nothing is sure of a server that started again: how much of the time it was there is not told.
        own_least = min(own_most, golden.at_least(length) + asked.least) if before else 0
        return cls(
            succeeded=succeeded,
            failed={reason: count - base.failed.get(reason, 0) for reason, count in after.failed.items()},
            queue_us=after.queue_us - base.queue_us,
            own_least=own_least,
            own_most=own_most,
        )


def _fell(before: ModelMetrics, after: ModelMetrics) -> bool:
    """Any counter below what it was: the process started again, and all its counters with it."""
    pairs = [(before.succeeded, after.succeeded), (before.queue_us, after.queue_us)]
    pairs += [(count, after.failed.get(reason, 0)) for reason, count in before.failed.items()]
    return any(now < then for then, now in pairs)


def _slowest(samples: list[PodSample]) -> dict[float, Slowest]:
    """The worst pod of each quantile; a NaN is of a pod that had no requests in that minute."""
    worst: dict[float, Slowest] = {}
    for sample in samples:
        for quantile, microseconds in (sample.metrics.quantiles_us if sample.metrics else {}).items():
            slowest = worst.get(quantile)
            if microseconds >= 0 and (slowest is None or microseconds / 1000 > slowest.milliseconds):
                worst[quantile] = Slowest(milliseconds=microseconds / 1000, pod=sample.name)
    return worst
