"""Objects with something odd in one place, for each place."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

ODD = [None, "x"]
TIMES = ["2026-01-01T00:00:00", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-01-01"]
EVENT = {"lastTimestamp": "2026-01-01T00:00:00Z", "type": "Warning", "reason": "r", "message": "m", "count": 3}
Path = tuple[Any, ...]


def places(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """All that is in a value, with where it stands."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, each in inner:
        yield (*path, name), each
        yield from places(each, (*path, name))


def spoiled(value: Any) -> Iterator[tuple[Any, Any]]:
    """The value with something odd in one place, for each place."""
    for path, there in places(value):
        for odd in TIMES if isinstance(there, str) and there[:2] == "20" else ODD:
            made = deepcopy(value)
            inside = made
            for name in path[:-1]:
                inside = inside[name]
            inside[path[-1]] = odd
            yield odd, made
