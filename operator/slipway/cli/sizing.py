"""How many pods a rate takes of what one can do, and what to write in the manifest. Pure."""

from collections.abc import Mapping
from math import ceil, floor, log10
from typing import Any, Final

from slipway.api.v1alpha1.spec import MOST_PODS, Load
from slipway.core.body import integer, within

_DIGITS: Final = 3
"""Of a capacity: it was measured within ten percent."""
_LEAST, _MOST = 0.001, 9_999_999.0
_ROUNDING: Final = 1e-9
_BY_METRICS: Final = ("metrics", "scaler", "behavior")
"""Fields that a manifest with metrics has for them, and that say something else beside load, or nothing."""


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


def manifest(spec: Mapping[str, Any], *, capacity: float | None, pods: int) -> dict[str, Any]:
    """The block `autoscaling` with what was measured; the bounds and the rest stay as they are where they will do.
    Without a capacity that of the manifest stays."""
    given = within(spec, "autoscaling")
    most = min(max(integer(given.get("maxReplicas"), 0), pods), MOST_PODS)
    load = {"target": load_of(spec).target} | {k: v for k, v in within(given, "load").items() if k != "target"}
    block = {
        "minReplicas": min(max(integer(given.get("minReplicas"), 1), 1), most),
        "maxReplicas": most,
        "load": load if capacity is None else load | {"capacity": written(capacity)},
    }
    by_metrics = _BY_METRICS if given.get("metrics") else ()
    return {"autoscaling": block | {name: given[name] for name in given if name not in (*block, *by_metrics)}}


def left_out(spec: Mapping[str, Any], block: Mapping[str, Any]) -> list[str]:
    """What the manifest has in `autoscaling` and the block has not: it goes by metrics, in whose place load is."""
    return sorted(within(spec, "autoscaling").keys() - within(block, "autoscaling").keys())
