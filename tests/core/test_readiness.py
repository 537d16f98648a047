"""Readiness: of several things that stand in the way at once, the one that people are told."""

from collections.abc import Callable
from typing import Any

import pytest

from slipway.core.observed.objects import NameTaken
from tests.core.cluster.littered import leftover
from tests.core.cluster.scenario import ERRORS, GATEWAY, canary, fails, pods_come, ready, starts, waits
from tests.core.cluster.simulator import Simulator

Trouble = Callable[[Simulator], None]


def a_child_has_no_name(cluster: Simulator) -> None:
    """Somebody else has it."""
    del cluster.objects["Service", "churn"]
    cluster.foreign = (NameTaken(kind="Service", name="churn", owned_by="nobody"),)


def a_version_was_sent_home(cluster: Simulator) -> None:
    starts(cluster, "4")
    fails(cluster, "4")


def a_serving_pod_finds_no_node(cluster: Simulator) -> None:
    waits(cluster, "3", 1)


def the_gateway_refuses(cluster: Simulator) -> None:
    cluster.gateway_answers(accepted="False")


def a_serving_pod_was_evicted(cluster: Simulator) -> None:
    """It is there no more, and the one in its place is not ready yet."""
    name = cluster.revision_named("3")
    at = cluster.timestamp
    cluster.pods["over"] = leftover("over", name.removeprefix("churn-"), at=at)
    cluster.pass_time(seconds=1)
    cluster.kubelet(name, status=cluster.server_runs())


IN_ORDER: dict[str, Trouble] = {
    "NameConflict": a_child_has_no_name,
    "WrongAnswer": a_version_was_sent_home,
    "InsufficientCapacity": a_serving_pod_finds_no_node,
    "RouteNotAccepted": the_gateway_refuses,
    "PodLost": a_serving_pod_was_evicted,
}


@pytest.mark.parametrize("first", range(len(IN_ORDER)))
def test_the_first_of_the_chain_is_told(first: int) -> None:
    cluster = ready(replicas=2, traffic=GATEWAY)
    cluster.gateway_answers()
    cluster.settle()
    assert cluster.condition("Ready")["reason"] == "Ready"
    reasons = list(IN_ORDER)[first:]
    for reason in reversed(reasons):
        IN_ORDER[reason](cluster)
        cluster.settle()
        assert cluster.condition("Ready")["reason"] == reason
        assert cluster.condition("Ready")["status"] == "False"


# -- while a candidate stands still, what the stable version lacks


def paused_by_somebody(**spec: Any) -> Simulator:
    cluster = ready(replicas=4, **spec)
    starts(cluster, "4")
    cluster.request = f"pause/{cluster.status['candidate']['revision']}"
    cluster.settle()
    return cluster


def pauses_at_a_step() -> Simulator:
    cluster = canary({"weight": 25}, {"pause": {}})
    for _ in range(4):
        pods_come(cluster)
    return cluster


def is_analysed() -> Simulator:
    analysis = {"metrics": [ERRORS], "interval": "1m", "count": 5}
    cluster = canary({"weight": 25}, {"analysis": "Inline"}, analysis=analysis)
    for _ in range(4):
        pods_come(cluster)
    assert cluster.condition("Ready")["reason"] == "AnalysisRunning"
    return cluster


STANDS_STILL = [paused_by_somebody, pauses_at_a_step, is_analysed]


@pytest.mark.parametrize("stands_still", STANDS_STILL)
def test_while_nothing_moves_the_pods_that_the_stable_version_lacks_are_named(
    stands_still: Callable[[], Simulator],
) -> None:
    cluster = stands_still()
    before = cluster.condition("Ready")
    count = cluster.deployments()[cluster.revision_named("3")]["spec"]["replicas"]
    assert "3: " not in before["message"]
    waits(cluster, "3", count - 1)
    after = cluster.condition("Ready")
    assert after["reason"] == before["reason"]
    pod = f"{cluster.revision_named('3')}-{count - 1}"
    assert f"; 3: {count - 1} of {count} pods available: {pod} waits for a node: 0/1 nodes: no gpu" in after["message"]


def test_pods_of_which_nothing_is_known_but_that_they_are_not_ready_are_named_a_few_at_a_time() -> None:
    cluster = paused_by_somebody()
    name = cluster.revision_named("3")
    for number in range(4):
        cluster.pods[f"{name}-{number}"]["status"] = cluster.server_runs()
    cluster.objects["Deployment", name]["status"] = {"availableReplicas": 0, "replicas": 4}
    cluster.settle()
    message = cluster.condition("Ready")["message"]
    assert message.endswith(f"; 3: 0 of 4 pods available: {name}-0, {name}-1, {name}-2 and 1 more not ready")
