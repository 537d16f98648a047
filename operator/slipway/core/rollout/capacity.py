"""Capacity: how many pods each revision should have, and which revisions the traffic reaches.

Two steps. `allocate` says where a change of versions should go next; every type of rollout is one set of `Limits` for
it. `hold` lets no scale-down and no change of share through that would leave less capacity than the traffic needs
(design rule 4); nothing else may take either away.
"""

from collections.abc import Iterable, Mapping, Sequence
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
    """Pods of the new side, as long as it may not have them all."""

    @property
    def floor(self) -> int:
        """Available pods that must stay in the traffic's reach."""
        return max(0, self.needed - self.unavailable)


@dataclass(frozen=True, kw_only=True)
class Allocation:
    """What should be there next."""

    counts: Mapping[str, int]
    """Pods by revision."""
    root: frozenset[str]
    """Revisions that the traffic reaches."""
    weights: Mapping[str, int] | None = None
    """Percent of the traffic by revision, through a gateway; None: as much as each has pods for."""


def allocate(up: Side, down: Sequence[Side], limits: Limits, root: frozenset[str]) -> Allocation:
    """The next step from the revisions `down`, which give up their pods in that order, to `up`. `root` is what the
    traffic reaches now."""
    target = limits.needed if limits.most is None else min(limits.most, limits.needed)
    if up.carries >= limits.needed > 0:  # whole: it takes over, and the others keep what they have until it did
        counts = {side.revision: side.count for side in down}
        return Allocation(counts={**counts, up.revision: limits.needed}, root=frozenset({up.revision}))
    reached = _reached(up, down, limits, root)
    counts = _given_up(up, down, limits, root)
    room = limits.needed + limits.surge - sum(counts.values())
    counts[up.revision] = min(target, max(room, up.count, 0))
    return Allocation(counts=counts, root=reached)


def _reached(up: Side, down: Sequence[Side], limits: Limits, root: frozenset[str]) -> frozenset[str]:
    """The traffic spans old and new from the new side's first available pod on."""
    before = frozenset(side.revision for side in down) & root
    if not before:  # nothing serves that could go on: whatever comes is welcome
        return frozenset({up.revision})
    return before | {up.revision} if limits.spans and up.carries else root & (before | {up.revision})


def _given_up(up: Side, down: Sequence[Side], limits: Limits, root: frozenset[str]) -> dict[str, int]:
    """What the old side keeps. An available pod goes only for one that the traffic reaches already. Pods that are not
    available carry nothing, and would be in the way for ever: they go as far as enough pods are left to get better."""
    reached = up.carries if up.revision in root else 0
    reaching = [side for side in down if side.revision in root]
    spare = reached + sum(side.carries for side in reaching) - limits.floor
    broken = max(0, reached + sum(side.count for side in reaching) - limits.floor)
    counts = {}
    for side in down:
        idle = side.count - side.carries
        counts[side.revision] = 0
        if side.revision in root:
            gone = idle if side.expendable else min(idle, broken)
            spent = max(0, min(spare, side.carries)) if gone == idle else 0
            counts[side.revision] = side.count - gone - spent
            broken = max(0, broken - gone)
            spare -= spent
    return counts


def hold(wanted: Allocation, sides: Iterable[Side], limits: Limits, root: frozenset[str]) -> Allocation:
    """`wanted`, but for what would take more capacity from the traffic than `limits` allow.

    Every scale-down and every change of share goes through here. `root` is what the traffic reaches now: as long as the
    change is on its way, that has to carry as well. Where there is less than the floor already, nothing is taken away.
    """
    known = {side.revision: side for side in sides}
    floor = min(limits.floor, _carries(known, root, None))
    reached = wanted.root if _carries(known, wanted.root, None) >= floor else root
    counts = dict(wanted.counts)
    for held in (root, reached):
        for revision in sorted(held & known.keys()):
            lacking = floor - _carries(known, held, counts)
            if lacking <= 0:
                break
            asked = counts.get(revision, 0)
            counts[revision] = max(asked, min(known[revision].count, asked + lacking))
    return Allocation(counts=counts, root=reached, weights=wanted.weights if reached == wanted.root else None)


def _carries(known: Mapping[str, Side], root: frozenset[str], counts: Mapping[str, int] | None) -> int:
    """Available pods in the root's reach, once the counts are as given. Of a set that shrinks, those that are not
    available go first."""
    return sum(
        side.carries if counts is None else min(side.carries, counts.get(side.revision, 0))
        for side in known.values()
        if side.revision in root
    )
