"""Latencies as counts: in microseconds, kept to three digits. Those of several stretches of time add up. Pure."""

from collections import Counter
from typing import Final

DIGITS: Final = 3
MICROSECONDS: Final = 1_000_000

Latencies = Counter[int]


def kept(seconds: float) -> int:
    """A latency as it is counted: within half a percent."""
    microseconds = max(0, round(seconds * MICROSECONDS))
    return round(microseconds, min(0, DIGITS - len(str(microseconds))))


def percentile(latencies: Latencies, percent: float) -> float:
    """The milliseconds within which that share of them ended. There must be one."""
    wanted = latencies.total() * percent / 100
    counted = 0
    for microseconds in sorted(latencies):
        counted += latencies[microseconds]
        if counted >= wanted:
            return microseconds / 1000
    raise ValueError("no latency was counted")


def described(latencies: Latencies) -> dict[str, float]:
    """What people ask of them, in milliseconds; nothing when there is none."""
    if not latencies:
        return {}
    named = {f"p{percent}_ms": percentile(latencies, percent) for percent in (50, 90, 99)}
    return {**named, "max_ms": max(latencies) / 1000}
