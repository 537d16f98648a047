"""What is kept of objects: of each what pages show, and of a namespace so much and no more. Whoever may write an object
may write large ones by the thousand, and all who look have one console."""

import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final

from slipway.console.api_server import Object
from slipway.core.body import within
from slipway.core.names import REQUEST

MOST_BYTES: Final = 32 << 20
"""Of memory, for the objects of one kind in a namespace: three thousand versions with a full card."""
Key = tuple[str, str]
"""Namespace and name."""
_SHOWN: Final = ("apiVersion", "kind", "spec", "status")
_NAMED: Final = ("name", "namespace", "uid", "generation", "creationTimestamp", "resourceVersion")


def key_of(each: Object) -> Key:
    """Its namespace and name."""
    return str(within(each, "metadata").get("namespace") or ""), str(within(each, "metadata").get("name") or "")


def shown(each: Mapping[str, Any]) -> Object:
    """What pages show of an object: of its annotations the request, and not who manages which of its fields."""
    meta = within(each, "metadata")
    request = {name: text for name, text in within(meta, "annotations").items() if name == REQUEST}
    kept = {name: meta[name] for name in _NAMED if name in meta} | ({"annotations": request} if request else {})
    return {**{name: each[name] for name in _SHOWN if name in each}, "metadata": kept}


def bytes_of(value: Any) -> int:
    """The memory that an object takes with all that is in it."""
    total, inside = 0, [value]
    while inside:
        each = inside.pop()
        total += sys.getsizeof(each)
        if isinstance(each, dict):
            inside += [*each, *each.values()]
        elif isinstance(each, list):
            inside += each
    return total


class Keeping:
    """Objects of one kind, as far as there is room for them in their namespace."""

    def __init__(self) -> None:
        self.objects: dict[Key, Object] = {}
        self._bytes: dict[Key, int] = {}
        self._taken = Counter[str]()
        self._left_out: dict[str, dict[str, int]] = {}
        """Bytes of those without room, by namespace and name."""

    @property
    def left_out(self) -> Mapping[str, int]:
        """How many had no room, by namespace."""
        return {namespace: len(sizes) for namespace, sizes in self._left_out.copy().items()}

    @property
    def has_room_again(self) -> bool:
        """Whether what had none may have some when all is read again: of half of it somebody has made room."""
        return any(
            self._taken[namespace] + min(sizes.values()) <= MOST_BYTES and self._taken[namespace] < MOST_BYTES // 2
            for namespace, sizes in self._left_out.items()
        )

    def take_all(self, objects: Iterable[Mapping[str, Any]]) -> None:
        """Keep them."""
        for each in objects:
            self.take(each)

    def take(self, each: Mapping[str, Any]) -> None:
        """Keep it in place of what it was. What has no name is nothing."""
        made = shown(each)
        key, size = key_of(made), bytes_of(made)
        self.drop(key)
        if key == ("", ""):
            return
        if self._taken[key[0]] + size > MOST_BYTES:
            self._left_out.setdefault(key[0], {})[key[1]] = size
            return
        self.objects[key], self._bytes[key] = made, size
        self._taken[key[0]] += size

    def drop(self, key: Key) -> None:
        """It is gone."""
        self.objects.pop(key, None)
        self._taken[key[0]] -= self._bytes.pop(key, 0)
        if sizes := self._left_out.get(key[0]):
            sizes.pop(key[1], None)
            if not sizes:
                del self._left_out[key[0]]
