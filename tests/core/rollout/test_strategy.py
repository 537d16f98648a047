"""Limits: what each type allows, and when Auto lets an old pod make room."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from slipway.api.v1alpha1.canary import CanaryStep
from slipway.api.v1alpha1.spec import RolloutType
from slipway.api.v1alpha1.status import RevisionRef, RolloutPhase, RolloutStatus, StrategyStatus
from slipway.core.observed.pods import PodFacts
from slipway.core.observed.revision import RevisionFacts
from slipway.core.policy import Policy
from slipway.core.reasons import Reason
from slipway.core.rollout.capacity import Limits
from slipway.core.rollout.state import Facts, State
from slipway.core.rollout.strategy import Strategy, bundles_verified, planned
from slipway.core.shares import all_to
from tests.core.pods import ended, fetcher, pod, unschedulable

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
ROLLOUT = RolloutStatus(phase=RolloutPhase.STARTING, started_at=NOON, phase_started_at=NOON)
OLD = RevisionRef(revision="aaaa1111", ask="a" * 64, number=1, version="3")
NEW = RevisionRef(revision="bbbb2222", ask="b" * 64, number=2, version="4")
STATE = State(stable=OLD, candidate=NEW)
GRACE = timedelta(minutes=5)


def policy(kind: RolloutType = RolloutType.AUTO, **of: Any) -> Policy:
    return Policy(
        fetch_timeout=timedelta(hours=1),
        progress_deadline=timedelta(minutes=10),
        type=kind,
        unschedulable_grace=GRACE,
        **of,
    )


def facts(needed: int = 4, *, new: int = 0, old: int = 4, pods: tuple[PodFacts, ...] = (), **of: Any) -> Facts:
    def revision(ref: RevisionRef, available: int, pods: tuple[PodFacts, ...] = ()) -> RevisionFacts:
        return RevisionFacts(
            revision=ref.revision or "",
            version=ref.version,
            wanted=needed,
            count=available,
            available=available,
            pods=pods,
        )

    revisions = {"aaaa1111": revision(OLD, old), "bbbb2222": revision(NEW, new, pods)}
    return Facts(needed=needed, traffic=all_to("aaaa1111"), revisions=revisions, **of)


def plan(seen: Facts, how: Policy, rollout: RolloutStatus = ROLLOUT, now: datetime = NOON) -> Strategy:
    return planned(rollout, seen, STATE, how, now)


TYPES: list[tuple[str, Policy, Facts, Limits]] = [
    ("a quarter more, rounded up", policy(), facts(5), Limits(needed=5, surge=2)),
    ("a number", policy(RolloutType.ROLLING_UPDATE, max_surge=3), facts(), Limits(needed=4, surge=3)),
    (
        "surge first, before anything may be missing",
        policy(RolloutType.ROLLING_UPDATE, max_unavailable="50%"),
        facts(),
        Limits(needed=4, surge=1),
    ),
    (
        "then what may be missing, rounded down",
        policy(RolloutType.ROLLING_UPDATE, max_unavailable="50%"),
        facts(5, new=1),
        Limits(needed=5, surge=2, unavailable=2),
    ),
    (
        "no surge at all",
        policy(RolloutType.ROLLING_UPDATE, max_surge=0, max_unavailable=1),
        facts(),
        Limits(needed=4, unavailable=1),
    ),
    (
        "percentages that both come to nothing",
        policy(RolloutType.ROLLING_UPDATE, max_surge="0%", max_unavailable="10%"),
        facts(),
        Limits(needed=4, unavailable=1),
    ),
    ("recreate", policy(RolloutType.RECREATE), facts(), Limits(needed=4, unavailable=4, apart=True)),
    ("blue and green", policy(RolloutType.BLUE_GREEN), facts(), Limits(needed=4, surge=4, spans=False)),
    ("others' pods about", policy(), facts(bystanders=True), Limits(needed=4, surge=1, spans=False)),
]


@pytest.mark.parametrize(("how", "seen", "limits"), [case[1:] for case in TYPES], ids=[case[0] for case in TYPES])
def test_a_type_is_a_set_of_limits(how: Policy, seen: Facts, limits: Limits) -> None:
    assert plan(seen, how).limits == limits


def test_the_type_that_was_chosen_is_said() -> None:
    kinds = (RolloutType.AUTO, RolloutType.RECREATE, RolloutType.BLUE_GREEN)
    said = [plan(facts(), policy(kind)).rollout.strategy.type for kind in kinds]
    assert said == ["RollingUpdate", "Recreate", "BlueGreen"]
    assert plan(facts(), policy(RolloutType.RECREATE)).rollout.strategy.message == (
        "rollout.type is Recreate: 3 stops before the next starts"
    )


def test_recreate_wants_proof_as_long_as_there_is_something_to_lose() -> None:
    how = policy(RolloutType.RECREATE)
    assert plan(facts(), how).needs_proof
    assert not plan(facts(old=0), how).needs_proof
    assert not plan(facts(), how, bundles_verified(ROLLOUT)).needs_proof
    assert not plan(facts(), how, ROLLOUT.evolve(phase=RolloutPhase.ROLLING_BACK)).needs_proof


# Auto, where there is no place for one more

UNPLACED = pod("churn-4", node=None, **unschedulable("0/4 nodes: no gpu"))
STUCK = facts(pods=(UNPLACED,), makes_room=True)
WAITED = ROLLOUT.evolve(strategy=StrategyStatus(type="RollingUpdate", unschedulable_since=NOON))


def test_auto_waits_the_grace_and_asks_to_be_looked_at_then() -> None:
    first = plan(STUCK, policy())
    assert first.rollout.strategy.unschedulable_since == NOON
    assert first.wait.until == NOON + GRACE
    assert first.limits == Limits(needed=4, surge=1)


def test_after_the_grace_it_says_why_and_proves_the_bundles_before_a_pod_goes() -> None:
    due = plan(STUCK, policy(), WAITED, NOON + GRACE)
    assert due.needs_proof
    assert due.before_proof == Limits(needed=4, surge=1)
    why = due.rollout.strategy.message or ""
    assert why.startswith("no place for a surge pod for 0:05:00, so one pod of 3 at a time makes room")
    assert "0/4 nodes: no gpu" in why
    assert not due.rollout.strategy.making_room
    assert due.notes == ()


def test_once_proved_one_pod_makes_room_and_an_event_tells_of_it() -> None:
    proved = bundles_verified(WAITED)
    yielding = plan(STUCK, policy(), proved, NOON + GRACE)
    assert yielding.rollout.strategy.making_room
    assert yielding.limits == Limits(needed=4, surge=1, unavailable=1)
    assert [note.reason for note in yielding.notes] == [Reason.MAKING_ROOM]
    after = plan(STUCK, policy(), yielding.rollout, NOON + GRACE)
    assert after.limits == yielding.limits
    assert after.notes == ()


def test_a_single_replica_without_a_second_place_is_recreate() -> None:
    single = facts(1, old=1, pods=(UNPLACED,), makes_room=True)
    due = plan(single, policy(), bundles_verified(WAITED), NOON + GRACE)
    assert due.rollout.strategy.type == "Recreate"
    assert "3 stops before the next starts" in (due.rollout.strategy.message or "")
    assert due.limits.floor == 0


def test_what_carries_nothing_makes_room_at_once_and_without_proof() -> None:
    broken = facts(old=0, pods=(UNPLACED,), makes_room=True)
    at_once = plan(broken, policy())
    assert at_once.rollout.strategy.making_room
    assert not at_once.needs_proof


@pytest.mark.parametrize(
    ("seen", "how"),
    [
        (STUCK, policy(RolloutType.ROLLING_UPDATE)),
        (STUCK, policy(max_unavailable=0)),
        (replace(STUCK, makes_room=False), policy()),
        (facts(makes_room=True), policy()),
    ],
    ids=["only Auto", "an explicit maxUnavailable binds", "an old pod's place would not do", "it has its place"],
)
def test_nobody_makes_room_where_it_is_not_wanted_or_would_not_help(seen: Facts, how: Policy) -> None:
    late = plan(seen, how, WAITED, NOON + timedelta(hours=3))
    assert not late.rollout.strategy.making_room
    assert not late.needs_proof
    assert late.limits.unavailable == 0


def test_a_place_that_was_found_ends_the_count_of_the_grace() -> None:
    assert plan(facts(makes_room=True), policy(), WAITED).rollout.strategy.unschedulable_since is None


def test_another_pods_fault_beside_it_does_not_begin_the_grace_anew() -> None:
    fetching = pod("churn-4-b", **fetcher(state=ended(), restartCount=1))
    both = facts(pods=(fetching, UNPLACED), makes_room=True)
    waits = plan(both, policy(), WAITED, NOON + timedelta(minutes=4))
    assert waits.rollout.strategy.unschedulable_since == NOON
    assert not waits.rollout.strategy.making_room

    alone = plan(STUCK, policy(), bundles_verified(waits.rollout), NOON + GRACE)
    assert alone.rollout.strategy.making_room


@pytest.mark.parametrize("kind", [RolloutType.RECREATE, RolloutType.BLUE_GREEN])
def test_a_grace_of_another_type_is_forgotten(kind: RolloutType) -> None:
    assert plan(STUCK, policy(kind), WAITED).rollout.strategy.unschedulable_since is None


def test_a_rollback_makes_room_without_proof() -> None:
    back = WAITED.evolve(phase=RolloutPhase.ROLLING_BACK)
    stable_waits = replace(
        STUCK,
        revisions={
            "aaaa1111": replace(STUCK.revisions["aaaa1111"], pods=(UNPLACED,)),
            "bbbb2222": replace(STUCK.revisions["bbbb2222"], count=4, available=4),
        },
    )
    due = plan(stable_waits, policy(), back, NOON + GRACE)
    assert due.rollout.strategy.making_room
    assert not due.needs_proof


class LaterStep(CanaryStep):
    """As a later operator may have it."""

    later: int = 7


def test_a_field_with_a_default_that_comes_later_starts_no_canary_anew() -> None:
    def steps(step: CanaryStep) -> str:
        canary = plan(facts(), policy(RolloutType.CANARY, canary_steps=(step,))).rollout.canary
        assert canary
        return canary.steps

    today = steps(CanaryStep(weight=10))
    assert steps(LaterStep(weight=10)) == today
    assert steps(LaterStep(weight=10, later=8)) != today
