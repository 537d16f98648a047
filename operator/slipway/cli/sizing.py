"""How many pods a rate takes of what one can do, and what to write in the manifest. Pure."""

from collections.abc import Mapping
from math import ceil, floor, log10
from typing import Any, Final

from slipway.api.v1alpha1.spec import Load
from slipway.core.body import integer, within

_DIGITS: Final = 3
"""Of a capacity: it was measured within ten percent."""
_LEAST, _MOST = 0.001, 9_999_999.0
_ROUNDING: Final = 1e-9


def written(capacity: float) -> str:
    """A capacity as the manifest has it, rounded down."""
    within_bounds = min(max(capacity, _LEAST), _MOST)
    places = min(3, max(0, _DIGITS - 1 - floor(log10(within_bounds))))
    rounded = floor(within_bounds * 10**places + _ROUNDING) / 10**places
    return f"{max(rounded, _LEAST):.{places}f}"


def load_of(spec: Mapping[str, Any]) -> Load:
    """What the manifest asks for of load, as far as it can be read; else as by default."""
    given = within(spec, "autoscaling", "load")
    target, headroom = integer(given.get("target"), 0), integer(given.get("headroom"), -1)
    default = Load()
    return default.evolve(
        target=target if 1 <= target <= 100 else default.target,
        headroom=headroom if 0 <= headroom <= 100 else default.headroom,
    )


def pods_for(rps: float, capacity: float, load: Load) -> int:
    """Pods of which each has so many requests a second that `target` percent of it is used, and those to spare."""
    return max(1, ceil(rps * 100 / (capacity * load.target) - _ROUNDING)) + load.headroom


def manifest(spec: Mapping[str, Any], *, capacity: float, pods: int) -> dict[str, Any]:
    """The block `autoscaling` with what was measured; the bounds and the rest stay as they are where they will do."""
    given = within(spec, "autoscaling")
    load = load_of(spec)
    kept = {name: value for name, value in within(given, "load").items() if name not in ("target", "capacity")}
    return {
        "autoscaling": {
            "minReplicas": max(1, min(integer(given.get("minReplicas"), 1), pods)),
            "maxReplicas": max(integer(given.get("maxReplicas"), 0), pods),
            "load": {"target": load.target, **kept, "capacity": written(capacity)},
        }
    }
