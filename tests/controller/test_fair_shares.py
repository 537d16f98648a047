"""Fair shares: whatever one namespace does with its slots, the others do not wait for it."""

import asyncio
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.controller.fair_shares import FairSlots, Shares


@pytest.mark.parametrize(("capacity", "alone"), [(1, 1), (2, 1), (4, 3), (8, 6), (32, 24)])
def test_who_is_alone_has_all_but_a_quarter(capacity: int, alone: int) -> None:
    shares = Shares(capacity)
    while shares.may_take("a"):
        shares.take("a")
    assert shares.held("a") == alone


@given(st.integers(1, 40), st.lists(st.tuples(st.sampled_from("abcdef"), st.booleans()), max_size=200))
def test_no_more_are_out_than_there_are_and_who_has_none_waits_only_where_all_are_out(
    capacity: int, steps: list[tuple[str, bool]]
) -> None:
    shares, held = Shares(capacity), Counter[str]()
    for namespace, takes in steps:
        if not takes and held[namespace]:
            shares.give_back(namespace)
            held[namespace] -= 1
        elif takes and shares.may_take(namespace):
            shares.take(namespace)
            held[namespace] += 1
        assert held.total() <= capacity
        assert shares.may_take("nobody") == (held.total() < capacity)


async def hold(slots: FairSlots, namespace: str, began: list[str], end: asyncio.Event) -> None:
    async with slots.slot(namespace):
        began.append(namespace)
        await end.wait()


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_those_who_never_let_go_keep_nobody_else_waiting() -> None:
    slots, began, end = FairSlots(16), list[str](), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for _ in range(100):
            group.create_task(hold(slots, "silent", began, end))
        await settled()
        assert Counter(began) == {"silent": 12}
        for other in ("b", "c", "d", "e"):
            group.create_task(hold(slots, other, began, end))
            await settled()
        assert Counter(began) == {"silent": 12, "b": 1, "c": 1, "d": 1, "e": 1}
        end.set()
    assert Counter(began)["silent"] == 100


async def test_what_comes_free_goes_to_those_who_have_least() -> None:
    slots, began = FairSlots(4), list[str]()
    first, rest = asyncio.Event(), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for _ in range(3):
            group.create_task(hold(slots, "a", began, first))
        group.create_task(hold(slots, "z", began, rest))
        await settled()
        for namespace in ("a", "a", "b", "b", "c"):
            group.create_task(hold(slots, namespace, began, rest))
        await settled()
        assert began == ["a", "a", "a", "z"]
        first.set()
        await settled()
        assert began[4:7] == ["b", "c", "a"], "and the last of four is kept for who has none"
        rest.set()
    assert len(began) == 9


@pytest.mark.parametrize("given_already", [False, True])
async def test_who_is_cancelled_leaves_neither_a_place_nor_a_slot_behind(given_already: bool) -> None:
    slots, began, end = FairSlots(1), list[str](), asyncio.Event()
    holder = asyncio.create_task(hold(slots, "a", began, end))
    await settled()
    waiting = asyncio.create_task(hold(slots, "b", began, asyncio.Event()))
    await settled()
    if given_already:
        holder.cancel()
        await asyncio.sleep(0)  # it has given its slot to the one that waits, which has not run yet
    waiting.cancel()
    end.set()
    await asyncio.gather(holder, waiting, return_exceptions=True)
    async with asyncio.timeout(1), slots.slot("c"):
        assert not slots._line
