"""What pages are made of is made once for each change, and forgotten with the object."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from slipway.console.latest import Each, Latest
from tests.console.objects import ready

Object = dict[str, Any]


@dataclass
class Stored:
    objects: dict[tuple[str, str], Object] = field(default_factory=dict)
    version: int = 0

    def take(self, each: Object) -> None:
        self.objects["team-a", each["metadata"]["name"]] = each
        self.version += 1

    def get(self, namespace: str, name: str) -> Object | None:
        return self.objects.get((namespace, name))


async def test_whoever_comes_while_it_is_made_waits_for_that_one() -> None:
    stored, made = Stored(), list[int]()

    def make() -> int:
        made.append(stored.version)
        return len(made)

    latest = Latest(make, stored)
    assert await asyncio.gather(*(latest() for _ in range(20))) == [1] * 20
    assert await latest() == 1
    stored.take(ready("a"))
    assert await asyncio.gather(*(latest() for _ in range(20))) == [2] * 20
    assert made == [0, 1]


def test_each_object_is_read_once_for_all_who_look_until_it_changes() -> None:
    stored, read = Stored(), list[str]()
    for name in "ab":
        stored.take(ready(name))

    def name_of(each: Object) -> str:
        read.append(each["metadata"]["name"])
        return read[-1]

    rows = Each(name_of, stored)
    for _ in range(3):
        assert rows(stored.objects.values()) == ["a", "b"]
        assert rows([stored.objects["team-a", "b"]]) == ["b"]
    assert read == ["a", "b"]
    stored.take(ready("b"))
    assert rows(stored.objects.values()) == ["a", "b"]
    assert read == ["a", "b", "b"]


def test_what_is_gone_is_not_kept() -> None:
    stored = Stored()
    rows = Each(lambda each: each["metadata"]["name"], stored)
    for number in range(100):
        stored.objects.clear()
        stored.take(ready(f"m{number}"))
        rows(stored.objects.values())
    assert len(rows._made) == 1
