"""Stopping: what a candidate waits for whose next pods have no place before others have gone."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from slipway.api.v1alpha1.spec import RolloutType
from slipway.api.v1alpha1.status import RolloutPhase, RolloutStatus
from slipway.core.observed.revision import RevisionFacts
from slipway.core.policy import Policy
from slipway.core.reasons import Reason
from slipway.core.rollout.state import Facts
from slipway.core.rollout.stopping import drains
from slipway.core.shares import all_to

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
ROLLOUT = RolloutStatus(phase=RolloutPhase.STARTING, started_at=NOON, phase_started_at=NOON)
POLICY = Policy(
    fetch_timeout=timedelta(hours=1), progress_deadline=timedelta(minutes=10), type=RolloutType.ROLLING_UPDATE
)


def revision(version: str, count: int) -> RevisionFacts:
    return RevisionFacts(revision=f"revision-{version}", version=version, wanted=2, count=count, available=count)


STABLE, SUPERSEDED, CANDIDATE = revision("3", 1), revision("4", 2), revision("5", 0)
FULL = Facts(
    needed=2,
    traffic=all_to(SUPERSEDED.revision),
    revisions={each.revision: each for each in (STABLE, SUPERSEDED, CANDIDATE)},
    superseded=(SUPERSEDED.revision,),
    draining={STABLE.revision: NOON + timedelta(seconds=30)},
)


def test_pods_that_drain_where_the_next_ones_would_be_are_named_with_their_time() -> None:
    problem = drains(ROLLOUT, FULL, CANDIDATE, POLICY)
    assert problem is not None
    assert problem.reason is Reason.DRAINING
    assert problem.message == "5: gets more pods once those of 3 have drained, at 12:00:30 UTC"


def test_where_nobody_drains_or_there_is_room_nothing_is_waited_for() -> None:
    assert drains(ROLLOUT, replace(FULL, draining={}), CANDIDATE, POLICY) is None
    assert drains(ROLLOUT, replace(FULL, surge=2), CANDIDATE, POLICY) is None
    assert drains(ROLLOUT, FULL, replace(CANDIDATE, count=1), POLICY) is None
