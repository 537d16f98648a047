"""Drift: does a live object still hold what we asked for?

We compare by containment: the API server adds defaults, and people and other controllers add what is theirs. Where
Kubernetes merges lists by key, so do we; where it takes a list or a selector as one value, so do we. In what says who
gets traffic, nothing may be added (`additions`).
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from slipway.api.scalars import MULTIPLIERS
from slipway.core.additions import addition
from slipway.core.merge_keys import by_key

_WHOLE_MAPS: Final = {"selector", "podSelector", "namespaceSelector", "labelSelector", "matchLabels", "nodeSelector"}
"""Maps that Kubernetes takes as one value: a key more changes what they mean."""

_FALSE_IS_SAID: Final = {"automountServiceAccountToken", "allowPrivilegeEscalation"}
"""Where absent means true, and the API server does not fill it in."""

_SUFFIX: Final = {**MULTIPLIERS, "n": Decimal("1e-9"), "u": Decimal("1e-6")}

_EMPTY_IS_SAID: Final = {"namespaceSelector", "podSelector", "labelSelector"}
"""Selectors that select everything when they are empty, and something else, or nothing, when they are absent."""

_Path = tuple[str, str]
"""The names of the field above and of the field itself; an item of a list has its list's."""

_NOWHERE: Final = ("", "")


def as_asked(live: Mapping[str, Any], desired: Mapping[str, Any]) -> bool:
    """Whether everything in `desired` is in `live`, as the API server writes it, and nothing more where that matters.
    Both are parsed JSON."""
    return _holds(live, desired, _NOWHERE) and addition(live, desired) is None


@dataclass(frozen=True, kw_only=True)
class Difference:
    """The first field that a live object does not hold as asked."""

    field: str
    """Its path, as Kubernetes' own messages write it."""
    asked: str
    got: str


def difference(live: Mapping[str, Any], desired: Mapping[str, Any]) -> Difference | None:
    """What keeps `live` from being what `desired` asks for."""
    if not _holds(live, desired, _NOWHERE):
        return _difference(live, desired, _NOWHERE, "")
    more = addition(live, desired)
    return Difference(field=more.field, asked=_short(None), got=_short(more.got)) if more else None


def _difference(live: Any, desired: Any, path: _Path, where: str) -> Difference:
    for step, asked, got, inside in _parts(live, desired, path):
        if not _holds(got, asked, inside):
            return _difference(got, asked, inside, f"{where}{step}")
    return Difference(field=where.removeprefix("."), asked=_short(desired), got=_short(live))


def _parts(live: Any, desired: Any, path: _Path) -> Iterator[tuple[str, Any, Any, _Path]]:
    """The parts of a value that are compared one by one: how a path goes on to it, both sides, and its names."""
    if isinstance(desired, dict) and isinstance(live, dict):
        for key, asked in desired.items():
            step = f"[{key}]" if path[1] in _NAMED_BY_USERS else f".{key}"
            yield step, asked, live.get(key), (path[1], key)
    elif isinstance(desired, list | tuple) and isinstance(live, list | tuple):
        if keyed := by_key(path[1], live, desired):
            live_items, wanted = keyed
            for key, item in wanted.items():
                yield f"[{key[0]}]", item, live_items.get(key), path
        elif len(live) == len(desired):
            for index, (got, asked) in enumerate(zip(live, desired, strict=True)):
                yield f"[{index}]", asked, got, path


_NAMED_BY_USERS: Final = _WHOLE_MAPS | {"labels", "annotations", "data", "limits", "requests"}
"""Maps whose keys are no fields."""
_SHORT: Final = 120


def _short(value: Any) -> str:
    if value is None:
        return "nothing"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHORT else f"{text[: _SHORT - 1]}…"


def _holds(live: Any, desired: Any, path: _Path) -> bool:
    if live == desired:  # compared in C, and true of most parts: this is the dearest function of a first pass
        return True
    if _is_empty(desired, path) and (live is None or _is_empty(live, path)):
        return True
    if isinstance(desired, dict):
        return isinstance(live, dict) and _map_holds(live, desired, path)
    if isinstance(desired, list | tuple):
        return isinstance(live, list | tuple) and _list_holds(live, desired, path)
    return _is_quantity(path) and not isinstance(live, dict | list | tuple) and _same_quantity(live, desired)


def _map_holds(live: dict[str, Any], desired: dict[str, Any], path: _Path) -> bool:
    name = path[1]
    if name in _WHOLE_MAPS and {k for k in live if not _is_empty(live[k], path)} - set(desired):
        return False
    return all(_holds(live.get(key), value, (name, key)) for key, value in desired.items())


def _list_holds(live: Sequence[Any], desired: Sequence[Any], path: _Path) -> bool:
    if keyed := by_key(path[1], live, desired):
        live_items, wanted = keyed
        return all(key in live_items and _holds(live_items[key], item, path) for key, item in wanted.items())
    return len(live) == len(desired) and all(_holds(a, b, path) for a, b in zip(live, desired, strict=True))


def _is_empty(value: Any, path: _Path) -> bool:
    """What the API server leaves out when it writes an object back."""
    if value is False:
        return path[1] not in _FALSE_IS_SAID
    if value == {}:
        return path[1] not in _EMPTY_IS_SAID
    return value is None or value in ("", 0, {}, [])


def _is_quantity(path: _Path) -> bool:
    above, name = path
    return above in ("requests", "limits") or name in ("sizeLimit", "averageValue") or path == ("target", "value")


def _same_quantity(live: Any, desired: Any) -> bool:
    actual, wanted = _quantity(live), _quantity(desired)
    return actual is not None and actual == wanted


def _quantity(value: Any) -> Decimal | None:
    """Any spelling that Kubernetes takes, also those that our own API does not: a user's HPA metrics may have them."""
    match = re.fullmatch(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)([a-zA-Z]*)", str(value))
    if not match or match[2] not in _SUFFIX:
        return None
    return Decimal(match[1]) * _SUFFIX[match[2]]
