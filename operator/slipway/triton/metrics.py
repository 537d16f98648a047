"""What Triton says of a model on its metrics port: counters since it started, and quantiles of the last minute.

Two kinds of failure are in none of the failure counters: a request that is turned away because the queue is full counts
nowhere, and an error that a Python model answers with counts as a success (server#7713, #8521; both measured on 2.51).
Only who asks sees those: our own requests, or a gateway.
"""

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

SUCCEEDED: Final = "nv_inference_request_success"
FAILED: Final = "nv_inference_request_failure"
QUEUE_US: Final = "nv_inference_queue_duration_us"
LATENCY_US: Final = "nv_inference_request_summary_us"

_READ: Final = (SUCCEEDED, FAILED, QUEUE_US, LATENCY_US)

KEEP_LATENCIES: Final = "--metrics-config=summary_latencies=true"
"""What makes a server keep quantiles at all: by default 0.5, 0.9, 0.95, 0.99 and 0.999."""
QUANTILE_SECONDS: Final = 60
"""How far back Triton's quantiles look. It is prometheus-cpp's default, and Triton
sets no other: seen on 2.51, as is NaN after that."""


class MetricsError(ValueError):
    """What came from the metrics port says nothing of the model: in words, and short."""


@dataclass(frozen=True, kw_only=True)
class ModelMetrics:
    """One model in one server. Counts only grow while the server lives."""

    succeeded: float = 0
    failed: Mapping[str, float] = field(default_factory=dict)
    """By Triton's reason: REJECTED, CANCELED, BACKEND, OTHER; `all` from servers before there were reasons."""
    queue_us: float = 0
    """Microseconds that requests spent in the queue, summed over them."""
    quantiles_us: Mapping[float, float] = field(default_factory=dict)
    """Microseconds by quantile. NaN: no request within the last minute. Empty: the server keeps none."""

    @property
    def requests(self) -> float:
        """Requests that came to an end."""
        return self.succeeded + sum(self.failed.values())


def parse(text: str, model: str) -> ModelMetrics:
    """The model's metrics; MetricsError when the text is none, or speaks of other models only.

    Series that differ in other labels (version, gpu_uuid) are summed. Of quantiles the largest one is taken: they
    cannot be summed.
    """
    counts: dict[str, float] = defaultdict(float)
    failed: dict[str, float] = defaultdict(float)
    quantiles: dict[float, float] = {}
    for sample in _samples(text, model):
        match sample.name:
            case name if name == FAILED:
                failed[sample.labels.get("reason", "all")] += _count(sample)
            case name if name in (SUCCEEDED, QUEUE_US):
                counts[name] += _count(sample)
            case name if name == LATENCY_US and "quantile" in sample.labels:
                quantile = _quantile(sample)
                quantiles[quantile] = _larger(quantiles.get(quantile, math.nan), sample.value)
    if SUCCEEDED not in counts:
        raise MetricsError(f"the server's metrics have no {SUCCEEDED} of the model {model!r}")
    return ModelMetrics(
        succeeded=counts[SUCCEEDED], failed=dict(failed), queue_us=counts[QUEUE_US], quantiles_us=quantiles
    )


def _samples(text: str, model: str) -> list[Sample]:
    # Only the lines that matter: the rest is most of the text, and parsing is what a look costs.
    lines = "\n".join(line for line in text.splitlines() if line.startswith(_READ))
    try:
        found = [sample for family in text_string_to_metric_families(lines) for sample in family.samples]
    # The parser has no error of its own: on text that is no metrics it fails wherever it happens to.
    except (ValueError, IndexError, KeyError, TypeError) as error:
        raise MetricsError(f"the server's metrics do not parse: {str(error)[:200]}") from None
    return [sample for sample in found if sample.labels.get("model") == model]


def _count(sample: Sample) -> float:
    if not (math.isfinite(sample.value) and sample.value >= 0):
        raise MetricsError(f"the server's metrics do not parse: {sample.name} is {sample.value}")
    return float(sample.value)


def _quantile(sample: Sample) -> float:
    try:
        return float(sample.labels["quantile"])
    except ValueError:
        raise MetricsError(f"the server's metrics do not parse: a quantile of {sample.name}") from None


def _larger(one: float, other: float) -> float:
    """Of two the larger one; a NaN stands behind any number."""
    return other if math.isnan(one) else one if math.isnan(other) else max(one, other)
