"""A version that was stopped for another one comes back, where that finds no place and nothing answers meanwhile."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.core.cluster.midway import IN_QUEUE, queued
from tests.core.cluster.scenario import GPU_NODE, NO_GPU, counts, forget_jobs, proved, ready, starts, told
from tests.core.cluster.simulator import Simulator

Hindered = Callable[[Simulator, str], None]
AUTO: dict[str, Any] = {}
RECREATE: dict[str, Any] = {"type": "Recreate"}
WITHOUT_SURGE: dict[str, Any] = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}


def finds_no_node(cluster: Simulator, name: str) -> None:
    cluster.kubelet(name, status=NO_GPU)
    cluster.settle()


def is_on_a_node_that_is_gone(cluster: Simulator, name: str) -> None:
    cluster.kubelet(name, status=cluster.server_runs())
    cluster.nodes = (replace(GPU_NODE, name="node-2"),)
    cluster.settle()


def has_no_image(cluster: Simulator, name: str) -> None:
    waiting = {"reason": "ImagePullBackOff", "message": "no such host"}
    cluster.kubelet(
        name, status={"phase": "Pending", "containerStatuses": [{"name": "triton", "state": {"waiting": waiting}}]}
    )
    cluster.settle()


def is_queued(cluster: Simulator, name: str) -> None:
    queued(cluster, name)


def stopped(rollout: dict[str, Any], hindered: Hindered = finds_no_node, *, replicas: int = 1) -> Simulator:
    """Version 3 has been stopped for version 4, whose pods do not come."""
    cluster = ready(replicas=replicas, rollout=rollout, accelerator={"count": 1}, **IN_QUEUE)
    forget_jobs(cluster)
    name = starts(cluster, "4")
    if rollout is AUTO:
        hindered(cluster, name) if hindered is is_queued else finds_no_node(cluster, name)
        cluster.pass_time(minutes=5)
        cluster.settle()
    proved(cluster)
    hindered(cluster, name)
    assert counts(cluster) == {"3": 0, "4": replicas}
    assert cluster.condition("Available")["status"] == "False"
    return cluster


@pytest.mark.parametrize("hindered", [finds_no_node, is_queued, is_on_a_node_that_is_gone, has_no_image])
@pytest.mark.parametrize("rollout", [AUTO, RECREATE, WITHOUT_SURGE], ids=["Auto", "Recreate", "without surge"])
def test_it_comes_back_at_the_deadline_and_what_was_in_the_way_is_told(
    rollout: dict[str, Any], hindered: Hindered
) -> None:
    cluster = stopped(rollout, hindered)
    said, plan = cluster.condition("Ready"), cluster.plan()
    assert cluster.status["phase"] == "Waiting"
    assert plan.wake_at
    left = plan.wake_at - cluster.now
    assert left.total_seconds() == 630  # progressDeadline, from when nothing answered any more

    cluster.pass_time(seconds=629)
    cluster.settle()
    assert counts(cluster) == {"3": 0, "4": 1}
    cluster.pass_time(seconds=1)
    cluster.settle()
    assert counts(cluster) == {"3": 1}
    refused = cluster.status["refused"]
    assert (refused["version"], refused["reason"]) == ("4", said["reason"])
    back = "nothing has answered for 0:10:30 (rollout.progressDeadline) since 3 was stopped, which comes back"
    assert refused["message"] == f"{said['message']}; {back}; retry/{refused['revision']} tries 4 again"
    assert cluster.condition("Ready")["message"] == refused["message"]
    assert told(cluster)[-1] == said["reason"]

    cluster.nodes = (GPU_NODE,)
    cluster.kubelet(cluster.revision_named("3"))
    cluster.settle()
    assert cluster.status["phase"] == "Refused"
    assert cluster.condition("Available")["status"] == "True"
    cluster.pass_time(days=1)
    cluster.settle()
    assert counts(cluster) == {"3": 1}

    cluster.request = f"retry/{refused['revision']}"
    cluster.settle()
    assert cluster.status["candidate"]["version"] == "4"


def test_with_several_replicas_all_come_back() -> None:
    cluster = stopped(RECREATE, replicas=3)
    cluster.pass_time(seconds=630)
    cluster.settle()
    assert counts(cluster) == {"3": 3}


@pytest.mark.parametrize("rollout", [RECREATE, WITHOUT_SURGE], ids=["Recreate", "without surge"])
@pytest.mark.parametrize("others", ["5", "56"], ids=["one more", "two more"])
def test_it_comes_back_as_well_where_others_are_asked_for_before_it_answers_again(
    rollout: dict[str, Any], others: str
) -> None:
    """Each edit has its whole time, and none makes what served be forgotten."""
    cluster = stopped(rollout)
    for version in others:
        cluster.pass_time(minutes=5)
        finds_no_node(cluster, starts(cluster, version))
        assert counts(cluster) == {"3": 0, version: 1}
    cluster.pass_time(seconds=629)
    cluster.settle()
    assert counts(cluster) == {"3": 0, others[-1]: 1}
    cluster.pass_time(seconds=1)
    cluster.settle()
    assert counts(cluster) == {"3": 1}
    assert cluster.status["refused"]["version"] == others[-1]


@pytest.mark.parametrize("rollout", [RECREATE, WITHOUT_SURGE], ids=["Recreate", "without surge"])
def test_another_one_that_is_asked_for_while_it_comes_back_has_no_longer_than_the_first(
    rollout: dict[str, Any],
) -> None:
    """Versions have been changing since it was stopped, also if nothing is on its way for a moment."""
    cluster = stopped(rollout)
    cluster.pass_time(seconds=630)
    cluster.settle()
    assert counts(cluster) == {"3": 1}
    cluster.pass_time(minutes=2)
    finds_no_node(cluster, starts(cluster, "5"))
    cluster.pass_time(minutes=5)
    cluster.settle()
    proved(cluster)
    cluster.pass_time(minutes=20)
    cluster.settle()
    assert counts(cluster) == {"3": 1}
    assert cluster.status["refused"]["version"] == "5"


def test_while_somebody_has_paused_no_time_passes_for_what_finds_no_place() -> None:
    cluster = stopped(RECREATE)
    candidate = cluster.status["candidate"]["revision"]
    cluster.request = f"pause/{candidate}"
    cluster.settle()
    cluster.pass_time(hours=5)
    cluster.settle()
    cluster.request = f"resume/{candidate}"
    cluster.settle()
    cluster.pass_time(seconds=629)
    cluster.settle()
    assert cluster.status["candidate"]["version"] == "4"
    cluster.pass_time(seconds=1)
    cluster.settle()
    assert cluster.status["refused"]["version"] == "4"


def test_a_place_that_is_found_in_time_is_taken() -> None:
    cluster = stopped(AUTO)
    cluster.pass_time(seconds=629)
    cluster.rolls_on()
    assert cluster.status["stable"]["version"] == "4"
    assert "refused" not in cluster.status


def test_what_still_answers_is_not_given_back_and_the_wait_goes_on() -> None:
    """One of three has made room for a pod that finds none."""
    cluster = ready(replicas=3, accelerator={"count": 1})
    forget_jobs(cluster)
    finds_no_node(cluster, starts(cluster, "4"))
    cluster.pass_time(minutes=5)
    cluster.settle()
    proved(cluster)
    assert counts(cluster)["3"] == 2
    cluster.pass_time(hours=5)
    cluster.settle()
    assert counts(cluster)["3"] == 2
    assert cluster.status["phase"] == "Stalled"
    assert "refused" not in cluster.status


@pytest.mark.parametrize("fixes", ["4", "45"], ids=["the first", "the second"])
@pytest.mark.parametrize("rollout", [RECREATE, AUTO], ids=["Recreate", "Auto"])
def test_what_did_not_answer_before_does_not_take_the_place_of_its_fix(rollout: dict[str, Any], fixes: str) -> None:
    cluster = ready(replicas=1, rollout=rollout, accelerator={"count": 1})
    cluster.kubelet(cluster.revision_named("3"), status=cluster.server_runs())
    cluster.settle()
    cluster.pass_time(minutes=1)
    for version in fixes:
        finds_no_node(cluster, starts(cluster, version))
    cluster.pass_time(hours=5)
    cluster.settle()
    assert counts(cluster)[fixes[-1]] == 1
    assert "refused" not in cluster.status


@pytest.mark.parametrize("rollout", [RECREATE, AUTO], ids=["Recreate", "Auto"])
def test_without_automatic_rollback_somebody_decides(rollout: dict[str, Any]) -> None:
    cluster = stopped(AUTO) if rollout is AUTO else stopped(rollout)
    cluster.spec["rollout"] = {**rollout, "automaticRollback": False}
    cluster.settle()
    cluster.pass_time(hours=5)
    cluster.settle()
    assert counts(cluster) == {"3": 0, "4": 1}
    assert cluster.status["phase"] == "Stalled"


def test_pods_that_take_long_to_end_are_no_reason() -> None:
    cluster = ready(replicas=1, rollout=RECREATE)
    forget_jobs(cluster)
    starts(cluster, "4")
    old = f"{cluster.revision_named('3')}-0"
    cluster.pods["ends"] = {
        **cluster.pods[old],
        "metadata": {**cluster.pods[old]["metadata"], "name": "ends", "uid": "u"},
    }
    cluster.pods["ends"]["metadata"]["deletionTimestamp"] = cluster.timestamp
    proved(cluster)
    assert counts(cluster) == {"3": 0, "4": 0}
    cluster.pass_time(hours=1)
    cluster.settle()
    assert cluster.condition("Ready")["reason"] == "Draining"
    del cluster.pods["ends"]
    cluster.settle()
    assert counts(cluster) == {"3": 0, "4": 1}
