"""Body: reads a part of a live object, whatever somebody made of it.

Anybody who may write an object of ours may leave fields out, empty them or hand in objects that we never write. What is
not of the type that is asked for counts as absent; comparing with what is wanted then puts it right.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

_LARGEST: Final = 2**63 - 1
"""That an API server stores."""


def mapping(value: Any) -> Mapping[str, Any]:
    """The object; an empty one for anything else."""
    return value if isinstance(value, Mapping) else {}


def mappings(value: Any) -> Sequence[Mapping[str, Any]]:
    """The objects of a list, without anything else that is in it."""
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list | tuple) else []


def within(value: Any, *path: str) -> Mapping[str, Any]:
    """The object at a path of fields."""
    for name in path:
        value = mapping(value).get(name)
    return mapping(value)


def integer(value: Any, default: int) -> int:
    """The number; `default` for anything else."""
    return value if isinstance(value, int) and not isinstance(value, bool) else default


def one_more(count: int) -> int:
    """The next number; the same again where an edit has made it one after which none can be stored."""
    return min(count + 1, _LARGEST)


def instant(value: Any) -> datetime | None:
    """The time, as Kubernetes writes one with its zone."""
    try:
        parsed = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
    return parsed if parsed.tzinfo else None


def conditions(value: Any) -> Sequence[Mapping[str, Any]]:
    """Conditions, of which type and status can be relied on."""
    return [each for each in mappings(value) if "type" in each and "status" in each]


def place_deeper_than(value: Any, levels: int) -> str | None:
    """The path of something that is nested deeper than so many levels, as far as people need it to find that."""
    inside: list[tuple[Any, int, str]] = [(value, 0, "")]
    while inside:
        each, level, path = inside.pop()
        if level > levels:
            return path
        within_ = each.items() if isinstance(each, Mapping) else enumerate(each) if isinstance(each, list) else ()
        inside += [(part, level + 1, path if level > 3 else f"{path}.{name}".lstrip(".")) for name, part in within_]
    return None
