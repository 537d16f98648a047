"""What a pod's guard says on its port `load`. Whoever has the pod may write the text, so it is read as no more."""

import math
import re
from dataclasses import dataclass
from typing import Final

from slipway.triton.metrics import MetricsError

RATIO: Final = "slipway_load_ratio"
BACKLOG: Final = "slipway_backlog_seconds"
RATE: Final = "slipway_requests_per_second"
LARGEST_BYTES: Final = 16 * 1024
"""Of the whole text: it is of five numbers."""
_LONGEST_BACKLOG: Final = 1e6
"""Seconds. No queue is longer than eleven days; a number above is none."""
_MOST_REQUESTS: Final = 1e6
"""A second. No server answers more."""
_LINE: Final = re.compile(
    rf"^(?P<name>{RATIO}|{BACKLOG}|{RATE}) +(?P<value>[-+.0-9A-Za-z]{{1,32}})[ \t]*$", re.MULTILINE
)


_LONGEST_START: Final = 7 * 86400
"""Seconds."""
_MOST_BYTES: Final = 1 << 50
_START: Final = re.compile(
    r"^slipway_(?P<name>start_load_seconds|start_first_answer_seconds|start_memory_bytes|start_gpu_memory_bytes"
    r"|shared_memory_peak_bytes) +(?P<value>[-+.0-9A-Za-z]{1,32})[ \t]*$",
    re.MULTILINE,
)


@dataclass(frozen=True, kw_only=True)
class StartFacts:
    """What one start took, as the pod's guard says."""

    load: float
    """Seconds from the server's start to its models being ready."""
    first_answer: float
    """Seconds from the server's start to its first golden answer."""
    memory: int | None = None
    """Bytes that the kernel cannot take back, then."""
    gpu_memory: int | None = None
    """Bytes of all GPUs of the pod."""
    shared_memory: int | None = None
    """The most bytes that /dev/shm has held."""


@dataclass(frozen=True, kw_only=True)
class PodLoad:
    """How loaded one pod is."""

    ratio: float
    """Part of what it can do, 0 to 1."""
    backlog: float
    """Seconds that its queue takes."""
    rate: float | None = None
    """Requests of clients that ended in a second; None of a guard that does not count them so."""
    start: StartFacts | None = None
    """None where the pod does not say it, or says what cannot be."""


def parse(text: str) -> PodLoad:
    """A pod's load; MetricsError where the text does not say it."""
    values = {line["name"]: line["value"] for line in _LINE.finditer(text)}
    if missing := [name for name in (RATIO, BACKLOG) if name not in values]:
        raise MetricsError(f"it does not say {missing[0]} (yet, or Triton is silent)")
    return PodLoad(
        ratio=_number(RATIO, values[RATIO], most=1),
        backlog=_number(BACKLOG, values[BACKLOG], most=_LONGEST_BACKLOG),
        rate=_number(RATE, values[RATE], most=_MOST_REQUESTS) if RATE in values else None,
        start=_start(text),
    )


def _start(text: str) -> StartFacts | None:
    """One number that cannot be makes all of them no facts: who wrote that one may have written the others."""
    values = {line["name"]: line["value"] for line in _START.finditer(text)}
    try:
        numbers = {
            name: _number(name, value, most=_LONGEST_START if name.endswith("seconds") else _MOST_BYTES)
            for name, value in values.items()
        }
        return StartFacts(
            load=numbers["start_load_seconds"],
            first_answer=numbers["start_first_answer_seconds"],
            **{field: int(numbers[name]) for field, name in _BYTES.items() if name in numbers},
        )
    except (MetricsError, KeyError):
        return None


_BYTES: Final = {
    "memory": "start_memory_bytes",
    "gpu_memory": "start_gpu_memory_bytes",
    "shared_memory": "shared_memory_peak_bytes",
}


def _number(name: str, text: str, *, most: float) -> float:
    try:
        value = float(text)
    except ValueError:
        raise MetricsError(f"its {name} is no number") from None
    if not (math.isfinite(value) and 0 <= value <= most):
        raise MetricsError(f"its {name} is {value}, and can be 0 to {most:g}")
    return value
