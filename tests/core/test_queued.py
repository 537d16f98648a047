"""Pods that a queue holds back: said with the queue's name, held to no deadline, and nobody's fault."""

from typing import Any

import pytest

from tests.core.cluster.midway import IN_QUEUE, queued
from tests.core.cluster.scenario import NO_GPU, carried, counts, forget_jobs, proved, ready, starts, told
from tests.core.cluster.simulator import Simulator, simulator


def stalled(cluster: Simulator) -> bool:
    return any(c["type"] == "Stalled" and c["status"] == "True" for c in cluster.status["conditions"])


def test_a_surge_pod_in_a_queue_waits_as_long_as_the_queue_takes_and_goes_on_when_it_is_admitted() -> None:
    cluster = ready(replicas=2, rollout={"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}, **IN_QUEUE)
    name = starts(cluster, "4")
    queued(cluster, name)
    said = cluster.condition("Ready")
    assert said["reason"] == "Queued"
    assert "is queued in serving (scheduling gate kueue.x-k8s.io/admission)" in said["message"]
    assert cluster.status["phase"] == "Waiting"

    for _ in range(8):
        cluster.pass_time(hours=12)
        cluster.settle()
    assert cluster.status["phase"] == "Waiting"
    assert not stalled(cluster)
    assert carried(cluster) == 2
    assert cluster.plan().wake_at is None

    cluster.rolls_on()
    assert cluster.status["stable"]["version"] == "4"


def test_what_is_waited_for_after_the_queue_has_its_whole_time() -> None:
    cluster = ready(replicas=2, rollout={"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}, **IN_QUEUE)
    name = starts(cluster, "4")
    queued(cluster, name)
    cluster.pass_time(hours=12)
    cluster.settle()

    admitted = cluster.pods[f"{name}-0"]
    del admitted["spec"]["schedulingGates"]
    admitted["status"] = NO_GPU
    cluster.settle()
    assert cluster.condition("Ready")["reason"] == "InsufficientCapacity"
    assert not stalled(cluster)
    cluster.pass_time(minutes=9)
    cluster.settle()
    assert not stalled(cluster)
    cluster.pass_time(minutes=2)
    cluster.settle()
    assert stalled(cluster)
    assert "refused" not in cluster.status


def test_a_first_version_in_a_queue_is_never_stalled_nor_refused() -> None:
    cluster = simulator(replicas=1, **IN_QUEUE)
    cluster.settle()
    cluster.resolve_job_ends()
    cluster.settle()
    queued(cluster, cluster.revision_named("3"))
    cluster.pass_time(days=3)
    cluster.settle()
    assert cluster.status["phase"] == "Waiting"
    assert cluster.condition("Ready")["reason"] == "Queued"
    assert not stalled(cluster)
    assert "refused" not in cluster.status


def test_what_serves_and_is_sent_back_into_a_queue_has_as_long_as_it_takes() -> None:
    cluster = ready(replicas=1, **IN_QUEUE)
    queued(cluster, cluster.revision_named("3"))
    cluster.pass_time(days=1)
    cluster.settle()
    assert cluster.condition("Ready")["reason"] == "Queued"
    assert not stalled(cluster)


@pytest.mark.parametrize(
    ("spec", "makes_room"),
    [(IN_QUEUE, True), ({}, False)],
    ids=["the old pods are of the same queue", "they are of none"],
)
def test_auto_makes_room_in_a_queue_where_an_old_pod_stands_in_it(spec: dict[str, Any], makes_room: bool) -> None:
    cluster = ready(replicas=1, **spec)
    forget_jobs(cluster)
    cluster.spec |= IN_QUEUE
    cluster.starts("4")
    queued(cluster, cluster.revision_named("4"))
    cluster.pass_time(minutes=5)
    cluster.settle()
    proved(cluster)
    assert counts(cluster)["3"] == (0 if makes_room else 1)
    assert ("MakingRoom" in told(cluster)) is makes_room
