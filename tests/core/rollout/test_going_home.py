"""Behind a gateway: what those that go home leave, and whether the others can carry it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

import pytest

from slipway.api.v1alpha1.status import Refused, RevisionRef, RolloutPhase, RolloutStatus, StrategyStatus
from slipway.core.observed.revision import RevisionFacts
from slipway.core.observed.route import RouteFacts
from slipway.core.rollout.allocation import back, towards
from slipway.core.rollout.capacity import Limits
from slipway.core.rollout.state import Allocation, Facts, State
from slipway.core.shares import Traffic
from tests.core.gen import NOON

OLD = "old"
"""The stable revision. The others are versions by number, of which the last is the candidate."""


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A rolling update through a gateway: pods that are all available, and percent of the requests."""

    needed: int
    pods: Mapping[str, int]
    shares: Mapping[str, int]
    home: frozenset[str]
    may_lack: int = 0
    no_place: bool = False
    """A pod of the candidate has found no node."""

    @property
    def candidate(self) -> str:
        return max(self.pods.keys() - {OLD})

    def state(self, phase: RolloutPhase) -> State:
        refused = [
            Refused(ask=name, revision=name, version=name, reason="Aborted", message="", at=NOON)
            for name in sorted(self.home)
        ]
        strategy = StrategyStatus(unschedulable_since=NOON if self.no_place else None)
        rollout = RolloutStatus(phase=phase, started_at=NOON, phase_started_at=NOON, strategy=strategy)
        return State(stable=_ref(OLD), candidate=_ref(self.candidate), also_refused=refused, rollout=rollout)

    def facts(self) -> Facts:
        reached = frozenset(self.shares)
        return Facts(
            needed=self.needed,
            traffic=Traffic(service=reached),
            live_service=reached,
            live_shares={name: Fraction(share) for name, share in self.shares.items()},
            revisions={
                name: RevisionFacts(revision=name, version=name, wanted=self.needed, count=count, available=count)
                for name, count in self.pods.items()
            },
            superseded=tuple(sorted(reached - {OLD, self.candidate})),
            route=RouteFacts(weights=self.shares, settled=True),
        )

    def forward(self) -> Allocation:
        return towards(self.state(RolloutPhase.SHIFTING), self.facts(), self._limits)

    def back(self) -> Allocation:
        return back(self.state(RolloutPhase.ROLLING_BACK), self.facts(), self._limits)

    @property
    def _limits(self) -> Limits:
        return Limits(needed=self.needed, surge=1, unavailable=self.may_lack)


def _ref(name: str) -> RevisionRef:
    return RevisionRef(revision=name, ask=name, number=1, version=name)


TWO_WENT_HOME = Scene(
    needed=3, pods={OLD: 2, "4": 1, "5": 1, "6": 0}, shares={OLD: 50, "4": 25, "5": 25}, home=frozenset({"4", "5"})
)
ONE_WENT_HOME = Scene(
    needed=4,
    pods={OLD: 2, "4": 1, "5": 1, "6": 0},
    shares={OLD: 50, "4": 25, "5": 25},
    home=frozenset({"5"}),
    may_lack=1,
)


def test_nobody_leaves_for_a_candidate_before_the_others_can_carry_what_that_leaves() -> None:
    """What goes home gets no more, so that of three pods that are left one would carry less than its part: stable would
    have 75 % on two of three pods."""
    allocation = TWO_WENT_HOME.forward()
    assert allocation.traffic.service == {OLD, "4", "5"}
    assert allocation.counts == {OLD: 2, "4": 1, "5": 1, "6": 1}, "the candidate's pod comes on top"


def test_one_that_went_home_leaves_before_one_that_was_only_superseded() -> None:
    allocation = ONE_WENT_HOME.forward()
    assert allocation.traffic.service == {OLD, "4"}
    assert allocation.counts["4"] == 1


def test_where_the_candidates_pod_finds_no_place_one_that_went_home_makes_room() -> None:
    allocation = replace(TWO_WENT_HOME, no_place=True).forward()
    assert len(allocation.traffic.service) == 2


@pytest.mark.parametrize(
    ("pods", "shares", "home"),
    [
        ({OLD: 1, "4": 2, "5": 1}, {OLD: 25, "4": 50, "5": 25}, {"4", "5"}),
        ({OLD: 1, "4": 1, "5": 1, "6": 1}, {OLD: 40, "4": 20, "5": 20, "6": 20}, {"5", "6"}),
    ],
)
def test_on_the_way_back_pods_stay_until_the_others_can_carry_what_they_leave(
    pods: dict[str, int], shares: dict[str, int], home: set[str]
) -> None:
    allocation = Scene(needed=3, pods=pods, shares=shares, home=frozenset(home)).back()
    assert allocation.traffic.service == pods.keys()
    assert allocation.counts == {**pods, OLD: 3}, "what stable lacks comes on top"
