"""What pages are made of, made anew only for what has changed, and in threads: the more is stored the longer it takes,
and nobody else waits for that."""

import asyncio
import threading
from collections.abc import Callable, Iterable
from typing import Generic, Protocol, TypeVar

from slipway.console.api_server import Object
from slipway.console.keeping import Key, key_of

T = TypeVar("T")


class _Versioned(Protocol):
    @property
    def version(self) -> int: ...


class _Stored(_Versioned, Protocol):
    def get(self, namespace: str, name: str) -> Object | None: ...


class Latest(Generic[T]):
    """What was made of objects, kept until they change: pages are asked for oftener."""

    def __init__(self, make: Callable[[], T], *of: _Versioned) -> None:
        self._make, self._of = make, of
        self._making = asyncio.Lock()
        self._made: tuple[tuple[int, ...], T] | None = None

    async def __call__(self) -> T:
        """As of now, or later. Whoever comes while it is made waits for that one, in no thread."""
        asked = self._versions()
        async with self._making:
            if self._made is None or any(made < now for made, now in zip(self._made[0], asked, strict=True)):
                self._made = (self._versions(), await asyncio.to_thread(self._make))
            return self._made[1]

    def _versions(self) -> tuple[int, ...]:
        return tuple(each.version for each in self._of)


class Each(Generic[T]):
    """What was made of each object of a kind, once for all who look, for as long as the object is as it was."""

    def __init__(self, make: Callable[[Object], T], of: _Stored) -> None:
        self._make, self._of, self._version = make, of, of.version
        self._made: dict[Key, tuple[Object, T]] = {}
        self._lock = threading.Lock()

    def __call__(self, objects: Iterable[Object]) -> list[T]:
        """Of some of them, in their order."""
        with self._lock:
            self._forget()
            return [self._of_one(each) for each in objects]

    def _of_one(self, each: Object) -> T:
        key = key_of(each)
        before, made = self._made.get(key, (None, None))
        if before is not each or made is None:
            made = self._make(each)
            self._made[key] = (each, made)
        return made

    def _forget(self) -> None:
        """Those that are gone."""
        if self._version != (version := self._of.version):
            self._version = version
            self._made = {key: made for key, made in self._made.items() if self._of.get(*key) is made[0]}
