"""Capacity: each type's way from old to new, step by step, and what must hold whatever the cluster looks like."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slipway.core.rollout.capacity import Limits, Move, Side, allocate, hold

Row = tuple[str, str]
"""Counts in the order of the sides, the new one first, and what the traffic reaches: ("1 4", "old")."""

STEPS = 40


def side(revision: str, count: int = 0, available: int | None = None, *, expendable: bool = False) -> Side:
    """A side whose pods are all available, unless told otherwise."""
    return Side(
        revision=revision, count=count, available=count if available is None else available, expendable=expendable
    )


def next_step(sides: list[Side], limits: Limits, root: frozenset[str]) -> Move:
    up, *down = sides
    return hold(allocate(up, down, limits, root), sides, limits, root)


def grown(side: Side, count: int, broken: frozenset[str]) -> Side:
    """The side with its new count, after its pods had time to get available. Those that are not go first."""
    available = min(side.available, count) if side.revision in broken else count
    return replace(side, count=count, available=available)


def play(sides: list[Side], limits: Limits, root: str, broken: str = "") -> list[Row]:
    """Every step until nothing moves any more, with all pods but the broken ones getting available after each."""
    reached, rows = frozenset(root.split()), list[Row]()
    for _ in range(STEPS):
        step = next_step(sides, limits, reached)
        row = (" ".join(str(step.counts[s.revision]) for s in sides), " ".join(sorted(step.root)))
        if rows and row == rows[-1]:
            return rows
        rows.append(row)
        reached = step.root
        sides = [grown(s, step.counts[s.revision], frozenset(broken.split())) for s in sides]
    raise AssertionError(f"never comes to rest: {rows}")


NEW, OLD = side("new"), side("old", 4)
ONE_BY_ONE = [("1 4", "old"), ("1 4", "new old"), ("2 3", "new old"), ("3 2", "new old"), ("4 1", "new old")]
TAKEN_OVER = ("4 1", "new")

PLAYS: dict[str, tuple[list[Side], Limits, str, list[Row]]] = {
    "a first version": ([side("new")], Limits(needed=3, surge=1), "", [("3", "new")]),
    "rolling, one more": ([NEW, OLD], Limits(needed=4, surge=1), "old", [*ONE_BY_ONE, TAKEN_OVER]),
    "rolling, one more and one less": (
        [NEW, OLD],
        Limits(needed=4, surge=1, unavailable=1),
        "old",
        [("2 3", "old"), ("2 3", "new old"), ("4 1", "new old"), TAKEN_OVER],
    ),
    "rolling, none more": (
        [NEW, OLD],
        Limits(needed=4, unavailable=1),
        "old",
        [
            ("1 3", "old"),
            ("1 3", "new old"),
            ("2 2", "new old"),
            ("3 1", "new old"),
            ("4 0", "new old"),
            ("4 0", "new"),
        ],
    ),
    "recreate": ([NEW, OLD], Limits(needed=4, unavailable=4), "old", [("4 0", "old"), ("4 0", "new")]),
    "blue and green": ([NEW, OLD], Limits(needed=4, surge=4, spans=False), "old", [("4 4", "old"), ("4 4", "new")]),
    "a single replica": ([NEW, side("old", 1)], Limits(needed=1, surge=1), "old", [("1 1", "old"), ("1 1", "new")]),
    "a single replica that makes room": (
        [side("new", 1, 0), side("old", 1)],
        Limits(needed=1, surge=1, unavailable=1),
        "old",
        [("1 0", "old"), ("1 0", "new")],
    ),
    "more are asked for on the way": (
        [side("new", 2), side("old", 3)],
        Limits(needed=6, surge=1),
        "new old",
        [("4 3", "new old"), ("5 2", "new old"), ("6 1", "new old"), ("6 1", "new")],
    ),
    "fewer are asked for on the way": (
        [side("new", 2), side("old", 3)],
        Limits(needed=3, surge=1),
        "new old",
        [("3 1", "new old"), ("3 1", "new")],
    ),
    "so few are asked for that the new ones do": (
        [side("new", 2), side("old", 3)],
        Limits(needed=2, surge=1),
        "new old",
        [("2 3", "new")],
    ),
    "a third version, in place of two": (
        [side("v3"), side("v2", 2), side("v1", 2)],
        Limits(needed=4, surge=1),
        "v1 v2",
        [
            ("1 2 2", "v1 v2"),
            ("1 2 2", "v1 v2 v3"),
            ("2 1 2", "v1 v2 v3"),
            ("3 0 2", "v1 v2 v3"),
            ("4 0 1", "v1 v2 v3"),
            ("4 0 1", "v3"),
        ],
    ),
    "back, to a stable one that is not there any more": (
        [side("old"), side("new", 4, expendable=True)],
        Limits(needed=4, surge=1),
        "new",
        [
            ("1 4", "new"),
            ("1 4", "new old"),
            ("2 3", "new old"),
            ("3 2", "new old"),
            ("4 1", "new old"),
            ("4 1", "old"),
        ],
    ),
}


@pytest.mark.parametrize("name", PLAYS)
def test_a_type_goes_its_way_step_by_step(name: str) -> None:
    sides, limits, root, rows = PLAYS[name]
    assert play(sides, limits, root) == rows


BROKEN: dict[str, tuple[list[Side], Limits, str, str, list[Row]]] = {
    "a new one that never gets there": ([NEW, OLD], Limits(needed=4, surge=1), "old", "new", [("1 4", "old")]),
    "a new one that never gets there, none more": (
        [NEW, OLD],
        Limits(needed=4, unavailable=1),
        "old",
        "new",
        [("1 3", "old")],
    ),
    "room was made and a neighbour took it": (
        [side("new", 1, 0), OLD],
        Limits(needed=4, surge=1, unavailable=1),
        "old",
        "new",
        [("2 3", "old")],
    ),
    "an old one that is wholly broken": (
        [NEW, side("old", 4, 0)],
        Limits(needed=4, surge=1),
        "old",
        "old",
        [*ONE_BY_ONE, TAKEN_OVER],
    ),
    "an old one that is half broken": (
        [NEW, side("old", 4, 2)],
        Limits(needed=4, surge=1),
        "old",
        "old",
        [*ONE_BY_ONE, TAKEN_OVER],
    ),
    "a broken old one in the only place there is": (
        [side("new", 1, 0), side("old", 1, 0)],
        Limits(needed=1, surge=1, unavailable=1),
        "old",
        "old",
        [("1 0", "old"), ("1 0", "new")],
    ),
    "a broken old one, none more": (
        [NEW, side("old", 4, 0)],
        Limits(needed=4, unavailable=1),
        "old",
        "old",
        [
            ("1 3", "old"),
            ("1 3", "new old"),
            ("2 2", "new old"),
            ("3 1", "new old"),
            ("4 0", "new old"),
            ("4 0", "new"),
        ],
    ),
    "recreate of a broken one": (
        [NEW, side("old", 4, 0)],
        Limits(needed=4, unavailable=4),
        "old",
        "old",
        [("4 0", "old"), ("4 0", "new")],
    ),
    "back, from one that carries a part": (
        [side("old", 2), side("new", 3, 1, expendable=True)],
        Limits(needed=4, surge=1),
        "new old",
        "new",
        [("4 1", "new old"), ("4 1", "old")],
    ),
    "back, to one that is not well itself": (
        [side("old", 2), side("new", 3, expendable=True)],
        Limits(needed=4, surge=1),
        "new old",
        "old",
        [("3 2", "new old")],
    ),
    "a fix, in place of one that broke on its way": (
        [side("v3"), side("v2", 2, 1, expendable=True), side("v1", 2)],
        Limits(needed=4, surge=1),
        "v1 v2",
        "v2",
        [("2 1 2", "v1 v2"), ("2 1 2", "v1 v2 v3"), ("3 0 2", "v1 v2 v3"), ("4 0 1", "v1 v2 v3"), ("4 0 1", "v3")],
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_pods_stop_what_they_must_and_nothing_else(name: str) -> None:
    sides, limits, root, broken, rows = BROKEN[name]
    assert play(sides, limits, root, broken) == rows


def test_pods_beside_the_traffic_are_not_spanned() -> None:
    """With others' pods about, a Service that spans would reach them: it waits until they are gone."""
    assert play([NEW, OLD], Limits(needed=4, surge=1, spans=False), "old") == [("1 4", "old")]


# What holds whatever there is


def counts() -> st.SearchStrategy[int]:
    return st.integers(0, 6)


@st.composite
def situations(draw: st.DrawFn) -> tuple[list[Side], Limits, frozenset[str]]:
    names = ["new", "v2", "v1"][: draw(st.integers(1, 3))]
    sides = [
        Side(
            revision=name,
            count=draw(counts()),
            available=draw(counts()),
            expendable=name != "new" and draw(st.booleans()),
        )
        for name in names
    ]
    needed, surge = draw(st.integers(1, 6)), draw(st.integers(0, 6))
    unavailable = draw(st.integers(0 if surge else 1, 6))
    limits = Limits(needed=needed, surge=surge, unavailable=unavailable, spans=draw(st.booleans()))
    root = draw(st.sets(st.sampled_from(names)))
    return sides, limits, frozenset(root)


def carried(sides: list[Side], root: frozenset[str], given: Move | None = None) -> int:
    """Available pods in the traffic's reach; of a set that shrinks, those that are not available go first."""
    return sum(
        min(s.available, s.count, given.counts[s.revision] if given else s.count) for s in sides if s.revision in root
    )


@settings(max_examples=150, deadline=None)
@given(situations())
def test_no_step_takes_capacity_that_the_traffic_needs(
    situation: tuple[list[Side], Limits, frozenset[str]],
) -> None:
    sides, limits, root = situation
    step = next_step(sides, limits, root)
    least = min(limits.floor, carried(sides, root))
    assert carried(sides, root, step) >= least  # as long as the change of share is on its way
    assert carried(sides, step.root, step) >= least
    assert step.root or not root


@settings(max_examples=150, deadline=None)
@given(situations())
def test_no_step_makes_more_pods_than_the_surge_or_more_of_an_old_version(
    situation: tuple[list[Side], Limits, frozenset[str]],
) -> None:
    sides, limits, root = situation
    step = next_step(sides, limits, root)
    assert sum(step.counts.values()) <= max(limits.needed + limits.surge, sum(s.count for s in sides))
    assert all(step.counts[s.revision] <= s.count for s in sides[1:])
    assert step.counts["new"] <= max(limits.needed, sides[0].count)


@settings(max_examples=150, deadline=None)
@given(situations(), st.lists(counts(), min_size=3, max_size=3), st.sets(st.sampled_from(["new", "v2", "v1"])))
def test_hold_lets_nothing_through_whatever_is_wanted_and_changes_nothing_twice(
    situation: tuple[list[Side], Limits, frozenset[str]], asked: list[int], to: set[str]
) -> None:
    sides, limits, root = situation
    wanted = Move(
        counts={s.revision: count for s, count in zip(sides, asked, strict=False)},
        root=frozenset(to & {s.revision for s in sides}),
    )
    held = hold(wanted, sides, limits, root)
    least = min(limits.floor, carried(sides, root))
    assert carried(sides, root, held) >= least
    assert carried(sides, held.root, held) >= least
    assert hold(held, sides, limits, root) == held
    assert all(held.counts[s.revision] <= max(s.count, wanted.counts[s.revision]) for s in sides)


@settings(max_examples=150, deadline=None)
@given(situations(), st.booleans())
def test_where_the_new_pods_get_available_it_ends_with_them_alone(
    situation: tuple[list[Side], Limits, frozenset[str]], old_ones_stay_broken: bool
) -> None:
    sides, limits, root = situation
    sides = [replace(s, available=min(s.available, s.count)) for s in sides]
    broken = " ".join(s.revision for s in sides[1:]) if old_ones_stay_broken else ""
    limits = replace(limits, spans=limits.spans or limits.surge < limits.needed)
    rows = play(sides, limits, " ".join(root), broken)
    given, reached = rows[-1]
    assert reached == "new"
    assert given.split()[0] == str(limits.needed)
