"""What Triton says of a model on its metrics port: counters since it started, and quantiles of the last minute.

Two kinds of failure are in none of the failure counters: a request that is turned away because the queue is full counts
nowhere, and an error that a Python model answers with counts as a success (server#7713, #8521; both measured on 2.51).
Only who asks sees those: our own requests, or a gateway.

Whoever has the pod writes the text, so it is read in a time that grows with its length and no faster: a general parser
took minutes for one line of quotes. Of the text's format that much is read as Triton writes.
"""

import math
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

SUCCEEDED: Final = "nv_inference_request_success"
FAILED: Final = "nv_inference_request_failure"
QUEUE_US: Final = "nv_inference_queue_duration_us"
LATENCY_US: Final = "nv_inference_request_summary_us"

LARGEST_BYTES: Final = 256 * 1024
"""Of the whole text. Triton has 6 KB for a model; 109 KB were measured for 17, with names as long as may be."""
LONGEST_LINE: Final = 4096
LARGEST_COUNT: Final = 2.0**53
"""Beyond it a float64 counts no more one by one; no server gets there."""

_OTHER: Final = "OTHER"
_NO_REASON: Final = "all"
_REASONS: Final = frozenset({"REJECTED", "CANCELED", "BACKEND", _OTHER, _NO_REASON})

_LINE: Final = re.compile(rf"^(?P<name>{SUCCEEDED}|{FAILED}|{QUEUE_US}|{LATENCY_US})(?=[{{ ]).*$", re.MULTILINE)
# No two parts of it can match the same characters in two ways: nothing is tried twice.
_LABEL: Final = re.compile(r'(?P<key>[A-Za-z_][A-Za-z0-9_]*)="(?P<value>[^"\\]*(?:\\.[^"\\]*)*)"(?:,|(?=\}))')
_VALUE: Final = re.compile(r" +(?P<value>[-+.0-9A-Za-z]+)(?: +-?[0-9]+)?\s*")
_ESCAPED: Final = re.compile(r"\\(.)")

KEEP_LATENCIES: Final = "--metrics-config=summary_latencies=true"
"""What makes a server keep quantiles at all: by default 0.5, 0.9, 0.95, 0.99 and 0.999."""
QUANTILES: Final = frozenset({0.5, 0.9, 0.99})
"""Those that an analysis reads. Of a text no others are kept: it may have thousands."""
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
    """By Triton's reason: REJECTED, CANCELED, BACKEND, OTHER, and `all` from servers before there were reasons. Any
    other word counts as OTHER."""
    queue_us: float = 0
    """Microseconds that requests spent in the queue, summed over them."""
    quantiles_us: Mapping[float, float] = field(default_factory=dict)
    """Microseconds by quantile, of QUANTILES. NaN: no request within the last minute. Empty: the server keeps none."""

    @property
    def requests(self) -> float:
        """Requests that came to an end."""
        return self.succeeded + sum(self.failed.values())


def parse(text: str, model: str) -> ModelMetrics:
    """The model's metrics; MetricsError when the text is none, or speaks of other models only.

    Series that differ in other labels (version, gpu_uuid) are summed. Of quantiles the largest one is taken: they
    cannot be summed. Looks keep what this returns, so nothing in it is as long or as many as the text says.
    """
    counts: dict[str, float] = defaultdict(float)
    failed: dict[str, float] = defaultdict(float)
    quantiles: dict[float, float] = {}
    for sample in _samples(text, model):
        match sample.name:
            case name if name == FAILED:
                failed[_reason(sample)] += _count(sample)
            case name if name in (SUCCEEDED, QUEUE_US):
                counts[name] += _count(sample)
            case name if name == LATENCY_US and "quantile" in sample.labels:
                quantile = _quantile(sample)
                if quantile in QUANTILES:
                    quantiles[quantile] = _larger(quantiles.get(quantile, math.nan), sample.value)
    if SUCCEEDED not in counts:
        raise MetricsError(f"the server's metrics have no {SUCCEEDED} of the model {model!r}")
    return ModelMetrics(
        succeeded=counts[SUCCEEDED], failed=dict(failed), queue_us=counts[QUEUE_US], quantiles_us=quantiles
    )


@dataclass(frozen=True, kw_only=True)
class _Sample:
    name: str
    labels: Mapping[str, str]
    value: float


def _samples(text: str, model: str) -> Iterator[_Sample]:
    """The model's samples of what is read here; the rest of the text, most of it, is passed over."""
    if len(text) > LARGEST_BYTES:
        raise _unreadable(f"they are longer than {LARGEST_BYTES // 1024} KiB")
    for line in _LINE.finditer(text):
        sample = _sample(line[0], line["name"])
        if sample.labels.get("model") == model:
            yield sample


def _sample(line: str, name: str) -> _Sample:
    if len(line) > LONGEST_LINE:
        raise _unreadable(f"a line of {name} is longer than {LONGEST_LINE} characters")
    labels, end = _labels(line, len(name))
    match = _VALUE.fullmatch(line, end)
    try:
        value = float(match["value"] if match else "")
    except ValueError:
        raise _unreadable(f"a line of {name} has no number at its end") from None
    return _Sample(name=name, labels=labels, value=value)


def _labels(line: str, at: int) -> tuple[dict[str, str], int]:
    """The labels that begin at a place in the line, and where they end."""
    labels: dict[str, str] = {}
    if line[at] != "{":
        return labels, at
    at += 1
    while match := _LABEL.match(line, at):
        labels[match["key"]] = _ESCAPED.sub(_unescaped, match["value"])
        at = match.end()
    if not line.startswith("}", at):
        raise _unreadable(f"labels that cannot be read: {line[:80]!r}")
    return labels, at + 1


def _unescaped(match: re.Match[str]) -> str:
    return "\n" if match[1] == "n" else match[1]


def _unreadable(why: str) -> MetricsError:
    return MetricsError(f"the server's metrics do not parse: {why}")


def _count(sample: _Sample) -> float:
    if not 0 <= sample.value <= LARGEST_COUNT:
        raise _unreadable(f"{sample.name} is {sample.value}")
    return sample.value


def _reason(sample: _Sample) -> str:
    reason = sample.labels.get("reason", _NO_REASON)
    return reason if reason in _REASONS else _OTHER


def _quantile(sample: _Sample) -> float:
    try:
        return float(sample.labels["quantile"])
    except ValueError:
        raise _unreadable(f"a quantile of {sample.name}") from None


def _larger(one: float, other: float) -> float:
    """Of two the larger one; a NaN stands behind any number."""
    return other if math.isnan(one) else one if math.isnan(other) else max(one, other)
