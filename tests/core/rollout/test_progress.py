"""The progress deadline: what moves it, what does not, and which field its message names."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from slipway.api.v1alpha1.status import RolloutPhase, RolloutStatus
from slipway.core.observed.pods import PodFacts
from slipway.core.observed.revision import RevisionFacts
from slipway.core.reasons import Reason
from slipway.core.rollout.progress import deadline, missed_deadline, noted, time_restarted
from tests.core.cluster.kubelet import says
from tests.core.cluster.simulator import Simulator, simulator
from tests.core.gen import NOON, POLICY
from tests.core.pods import pod, true, unschedulable

STARTED = RolloutStatus(phase=RolloutPhase.STARTING, started_at=NOON, phase_started_at=NOON)


def minutes(count: int) -> datetime:
    return NOON + timedelta(minutes=count)


def reached(name: str = "a", **conditions: datetime) -> PodFacts:
    """A pod made at noon, with the conditions it has reached."""
    held = [condition for kind, at in conditions.items() for condition in true(kind, at=at.isoformat())]
    started = {"name": "triton", "started": "Ready" in conditions, "restartCount": 0}
    return pod(name, conditions=held, containerStatuses=[started])


def facts(*pods: PodFacts, available: int = 0) -> RevisionFacts:
    return RevisionFacts(revision="aaaa1111", version="4", wanted=2, count=2, available=available, pods=pods)


def test_until_the_bundle_is_there_the_fetch_timeout_counts_and_then_the_progress_deadline() -> None:
    assert deadline(STARTED, facts(reached()), POLICY) == minutes(60)
    fetched = facts(reached(PodScheduled=minutes(1), Initialized=minutes(30)))
    assert deadline(STARTED, fetched, POLICY) == minutes(40)


@pytest.mark.parametrize(
    ("seen", "at", "field"),
    [
        (facts(reached()), 60, "rollout.fetchTimeout"),
        (facts(reached(Initialized=minutes(30))), 40, "rollout.progressDeadline"),
    ],
)
def test_a_missed_deadline_names_the_field_that_says_how_long(seen: RevisionFacts, at: int, field: str) -> None:
    assert missed_deadline(STARTED, seen, POLICY, minutes(at) - timedelta(seconds=1)) is None
    found = missed_deadline(STARTED, seen, POLICY, minutes(at))
    assert found
    assert found.reason is Reason.DEADLINE_EXCEEDED
    assert f"({field})" in found.message
    assert found.message.startswith("4: no progress for ")
    assert found.message.endswith("0 of 2 pods available")


def test_nothing_is_remembered_while_all_goes_well() -> None:
    assert noted(STARTED, facts(reached(Initialized=minutes(2))), POLICY, minutes(3), trouble=False) is STARTED


def test_a_new_maximum_moves_the_clock_and_getting_back_to_it_does_not() -> None:
    one = facts(reached(PodScheduled=minutes(1), Initialized=minutes(2)))
    known = noted(STARTED, one, POLICY, minutes(3), trouble=True)
    assert known.clock.progress
    assert known.clock.progress.at == minutes(2)  # the pods' own times tell it, until something goes wrong
    again = facts(reached("b", PodScheduled=minutes(5), Initialized=minutes(6)))  # a pod made anew in its place
    assert noted(known, again, POLICY, minutes(7), trouble=False) == known
    assert deadline(known, again, POLICY) == minutes(12)
    two = facts(*again.pods, reached("c", PodScheduled=minutes(8)))
    further = noted(known, two, POLICY, minutes(8), trouble=False)
    assert further.clock.progress
    assert (further.clock.progress.scheduled, further.clock.progress.at) == (2, minutes(8))
    assert deadline(further, two, POLICY) == minutes(18)


def test_the_clock_starts_anew_where_it_is_told_to() -> None:
    again = time_restarted(STARTED, minutes(30))
    assert deadline(again, facts(reached(Initialized=minutes(2))), POLICY) == minutes(40)


# As the machine uses it


def failing(cluster: Simulator, version: str, restarts: int) -> None:
    status = cluster.server_ended("segfault", restarts=restarts)
    cluster.kubelet(cluster.revision_named(version), status=status)


def loading(cluster: Simulator) -> dict[str, Any]:
    return {"phase": "Running", "conditions": true("PodScheduled", "Initialized", at=cluster.timestamp)}


def test_what_the_world_takes_is_not_the_candidates_time() -> None:
    cluster = simulator(rollout={"progressDeadline": "11m"})
    cluster.becomes_ready()
    cluster.starts("4")
    name = cluster.revision_named("4")
    cluster.kubelet(name, status=loading(cluster))
    cluster.settle()
    cluster.pass_time(minutes=10)
    cluster.kubelet(name, status=unschedulable("0/1 nodes"))  # its node went, and there is no other
    plan = cluster.settle()
    assert cluster.status["phase"] == "Waiting"
    assert plan.wake_at == cluster.now + timedelta(minutes=11)
    cluster.pass_time(hours=5)
    cluster.settle()
    assert cluster.condition("Stalled")["reason"] == "InsufficientCapacity"
    cluster.kubelet(name, status=loading(cluster))
    plan = cluster.settle()
    assert cluster.status["phase"] == "Starting"
    assert plan.wake_at == cluster.now + timedelta(minutes=11)
    cluster.pass_time(minutes=11)
    cluster.settle()
    assert cluster.status["refused"]["reason"] == "DeadlineExceeded"


def test_a_crash_loop_runs_into_the_deadline_however_often_its_pods_are_made_anew() -> None:
    cluster = simulator(rollout={"progressDeadline": "11m", "automaticRollback": False}, replicas=2)
    cluster.becomes_ready()
    cluster.starts("4")
    name = cluster.revision_named("4")
    cluster.kubelet(name, status=cluster.server_ended(says("NoSuchWord", ""), restarts=0))
    cluster.settle()
    begun = cluster.now
    for _ in range(5):
        cluster.pass_time(minutes=2)
        cluster.pods = {key: found for key, found in cluster.pods.items() if not key.startswith(name)}
        cluster.settle()
        cluster.kubelet(name, status=loading(cluster))
        plan = cluster.settle()
        assert plan.wake_at == begun + timedelta(minutes=11)
    cluster.pass_time(minutes=2)
    cluster.settle()
    assert cluster.condition("Stalled")["reason"] == "DeadlineExceeded"


@pytest.mark.parametrize("flaps", [False, True], ids=["its pod is made anew", "its readiness flaps"])
def test_a_version_that_gets_no_further_ends_by_its_deadline_however_busy_its_pods_are(flaps: bool) -> None:
    """Preempted, on a spot node, moved by a descheduler, or ready for a moment now and then."""
    cluster = simulator()
    cluster.becomes_ready()
    cluster.starts("4")
    name = cluster.revision_named("4")
    for _ in range(30):
        cluster.kubelet(name, status=loading(cluster))
        if flaps:
            cluster.kubelet(name, status=cluster.ready_status())
            cluster.objects["Deployment", name]["status"] = {}
        cluster.settle()
        if "refused" in cluster.status:
            break
        cluster.pass_time(minutes=9)
    assert cluster.status["refused"]["reason"] == "DeadlineExceeded"
    assert cluster.now - NOON < timedelta(hours=3)


def test_a_pod_that_was_evicted_once_has_its_time_in_the_place_of_the_one_before() -> None:
    cluster = simulator()
    cluster.becomes_ready()
    cluster.starts("4")
    name = cluster.revision_named("4")
    for minutes_passed in (0, 8):
        cluster.pass_time(minutes=minutes_passed)
        cluster.kubelet(name, status=loading(cluster))  # fetched anew
        cluster.settle()
    cluster.pass_time(minutes=8)
    cluster.settle()
    assert "refused" not in cluster.status
    cluster.rolls_on()
    assert cluster.status["stable"]["version"] == "4"
