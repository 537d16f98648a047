"""Capacity: how many pods each revision should have, and which revisions the traffic reaches.

Two steps. `allocate` says where a change of versions should go next; every type of rollout is one set of `Limits` for
it. `hold` lets no scale-down and no change of share through that would leave less capacity than the traffic needs:
available pods are never fewer than the share of the traffic that they get. Nothing else may take either away.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Side:
    """One revision, as far as capacity goes."""

    revision: str
    count: int
    """Pods that its Deployment is set to."""
    available: int
    """Pods that have answered correctly, and for minReadySeconds."""
    expendable: bool = False
    """Pods of it that are not available are worth nothing: they may go at once."""

    @property
    def carries(self) -> int:
        """Available pods that stay. Right after a scale-down more are told of."""
        return min(self.available, self.count)


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How far a change of versions may stray from `needed` available pods."""

    needed: int
    surge: int = 0
    """Pods beyond `needed`."""
    unavailable: int = 0
    """Pods that may be missing."""
    spans: bool = True
    """Old and new may share the traffic; else it moves at once, when the new side is whole."""

    apart: bool = False
    """The old side's pods have to be gone before the new side's start."""
    most: int | None = None
    """Pods of the new side, as long as it may not have them all. The old side has the others, and all where they do not
    share the traffic."""

    @property
    def floor(self) -> int:
        """Available pods that must stay in the traffic's reach."""
        return max(0, self.needed - self.unavailable)


@dataclass(frozen=True, kw_only=True)
class Move:
    """What should be there next, where each pod in the traffic's reach gets the same."""

    counts: Mapping[str, int]
    """Pods by revision."""
    root: frozenset[str]
    """Revisions that the traffic reaches."""


def allocate(up: Side, down: Sequence[Side], limits: Limits, root: frozenset[str]) -> Move:
    """The next step from the revisions `down`, which give up their pods in that order, to `up`. `root` is what the
    traffic reaches now."""
    if limits.most is None and up.carries >= limits.needed > 0:
        # It is whole and takes over; the others keep what they have until it did.
        counts = {side.revision: side.count for side in down}
        return Move(counts={**counts, up.revision: limits.needed}, root=frozenset({up.revision}))
    counts = _given_up(up, down, limits, root)
    counts[up.revision] = up.count
    for side, target in _in_need(up, down, limits, root):
        room = limits.needed + limits.surge - sum(counts.values())
        counts[side.revision] = max(counts[side.revision], min(target, counts[side.revision] + max(0, room)))
    counts[up.revision] = min(counts[up.revision], _target(limits))
    return Move(counts=counts, root=_reached(up, down, limits, root))


def _target(limits: Limits) -> int:
    """Pods that the new side should have in the end, or at this step."""
    return limits.needed if limits.most is None else min(limits.most, limits.needed)


def _stays(up: Side, down: Sequence[Side], limits: Limits, root: frozenset[str]) -> int:
    """Pods that the old side should have at this step, none in the end. The new side's are on top for as long as no
    traffic may reach them: they carry nothing. Nor does an old side that the traffic has left: it leaves them room."""
    shares = limits.most is None or limits.spans or up.revision in root
    stays = limits.needed - (_target(limits) if shares else 0)
    serving = sum(side.count for side in down if side.revision in root)
    if not serving or down[-1].revision in root:
        return stays
    return min(stays, max(0, limits.needed + limits.surge - serving - _target(limits)))


def _in_need(up: Side, down: Sequence[Side], limits: Limits, root: frozenset[str]) -> Iterator[tuple[Side, int]]:
    """Who may have more pods, and how many, in that order. What serves comes first for as long as nobody else does: it
    has proven itself."""
    serves_alone = [side for side in down if root == {side.revision} and not side.expendable]
    shares = limits.spans and up.carries
    if limits.most is not None:
        yield from ((side, _stays(up, down, limits, root)) for side in down[-1:])
    elif not shares and limits.unavailable < limits.needed:
        yield from ((side, limits.floor) for side in serves_alone)
    yield up, _target(limits)


def _reached(up: Side, down: Sequence[Side], limits: Limits, root: frozenset[str]) -> frozenset[str]:
    """The traffic spans old and new from the new side's first available pod on; at a step of a canary, once the pods
    are as the step has them."""
    before = frozenset(side.revision for side in down) & root
    if not before:  # nothing was ever decided to serve: whatever comes is welcome
        return frozenset({up.revision})
    if up.revision in root or not (limits.spans and up.carries):
        return root & (before | {up.revision})
    carried = sum(side.carries for side in down if side.revision in before)
    due = limits.most is None or (up.count <= limits.most and carried >= limits.needed - limits.most)
    return before | {up.revision} if due else root & before


def _given_up(up: Side, down: Sequence[Side], limits: Limits, root: frozenset[str]) -> dict[str, int]:
    """What the old side keeps. An available pod goes only for one that the traffic reaches already. Pods that are not
    available carry nothing, and would be in the way for ever: they go as far as enough pods are left to get better.
    What the traffic has just left for the new side is the way back: it keeps what there is room for."""
    reached = up.carries if up.revision in root else 0
    reaching = [side for side in down if side.revision in root]
    spare = reached + sum(side.carries for side in reaching) - limits.floor
    broken = max(0, reached + sum(side.count for side in reaching) - limits.floor)
    stays = _stays(up, down, limits, root)
    serving = sum(side.count for side in reaching)
    way_back = max(0, limits.needed + limits.surge - _target(limits) - serving) if up.revision in root else 0
    counts = {}
    for side in down:
        least = stays if side is down[-1] else 0
        idle = side.count - side.carries
        counts[side.revision] = min(side.count, max(least, way_back))
        if side.revision in root:
            gone = min(idle if side.expendable else min(idle, broken), max(0, side.count - least))
            spent = max(0, min(spare, side.carries, side.count - gone - least)) if gone == idle else 0
            counts[side.revision] = side.count - gone - spent
            broken = max(0, broken - gone)
            spare -= spent
    return counts


def hold(
    wanted: Move,
    sides: Sequence[Side],
    limits: Limits,
    root: frozenset[str],
    live: frozenset[str] = frozenset(),
    *,
    beside: int = 0,
) -> Move:
    """`wanted`, but for what would take more capacity from the traffic than `limits` allow.

    Every scale-down and every change of share goes through here. `root` is what the traffic was decided to reach,
    `live` what it can be seen to reach: as long as a change is on its way, all of them have to carry. Where there is
    less than the floor already, nothing is taken away. `beside`: available pods of others, which a Service that spans
    reaches as well.
    """
    serving = root | live if len(root) > 1 else root  # a selector of several can leave nobody's pods out
    had, left = (carried(sides, each) + (beside if len(each) > 1 else 0) for each in (serving, wanted.root))
    reached = wanted.root if left >= min(limits.floor, had) else root
    counts: Mapping[str, int] = wanted.counts
    for each in (root, live, reached):
        counts = kept(counts, sides, each, limits.floor)
    return Move(counts=counts, root=reached)


def kept(counts: Mapping[str, int], sides: Sequence[Side], reached: frozenset[str], floor: int) -> dict[str, int]:
    """The counts, raised as far as those that are `reached` have to keep their pods to carry `floor`."""
    held = dict(counts)
    least = min(floor, carried(sides, reached))
    for side in sorted(sides, key=lambda each: each.revision):
        lacking = least - carried(sides, reached, held)
        if lacking > 0 and side.revision in reached:
            count = held.get(side.revision, 0)
            held[side.revision] = max(count, min(side.count, count + lacking))
    return held


def carried(sides: Iterable[Side], reached: frozenset[str], counts: Mapping[str, int] | None = None) -> int:
    """Available pods that the traffic reaches, once the counts are as given. Of a set that shrinks, those that are not
    available go first."""
    return sum(
        side.carries if counts is None else min(side.carries, counts.get(side.revision, 0))
        for side in sides
        if side.revision in reached
    )
