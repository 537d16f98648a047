"""The phase: one word for where a ModelDeployment stands, and what `Ready` says beside it."""

from collections.abc import Callable
from typing import Any

import pytest

from slipway.core.observed.blocked_writes import REPORTED_AFTER
from slipway.core.observed.objects import WriteFailed
from tests.core.cluster.scenario import GATEWAY, GPU_NODE, KEYS, goes_on, ready, starts, waits
from tests.core.cluster.simulator import Simulator, simulator


def has_gone_back(**rollout: Any) -> Simulator:
    """Version 4 had all the traffic alone; a person goes back to version 3, whose pods have taken over again."""
    cluster = ready(replicas=2, rollout=rollout)
    starts(cluster, "4")
    cluster.rolls_on()
    cluster.pass_time(hours=1)
    cluster.settle()
    cluster.request = f"rollback/{cluster.status['stable']['revision']}"
    cluster.settle()
    cluster.rolls_on()
    return cluster


def asked_of_a_gateway(**traffic: Any) -> Simulator:
    """Version 3 serves inside the cluster, and is now asked for outside of it."""
    cluster = ready(replicas=2)
    cluster.spec["traffic"] = GATEWAY | traffic
    cluster.generation += 1
    cluster.settle()
    return cluster


def blue_green_goes_back() -> Simulator:
    return has_gone_back(type="BlueGreen")


def canary_goes_back() -> Simulator:
    return has_gone_back(type="Canary", canary={"steps": [{"weight": 50}]})


def one_that_went_back_lacks_a_pod() -> Simulator:
    cluster = blue_green_goes_back()
    waits(cluster, "3", 1)
    return cluster


def nothing_serves_yet() -> Simulator:
    cluster = simulator()
    cluster.nodes = (GPU_NODE,)
    cluster.settle()
    return cluster


def route_is_written() -> Simulator:
    return asked_of_a_gateway()


def guard_is_written() -> Simulator:
    return asked_of_a_gateway(**KEYS)


def route_is_refused() -> Simulator:
    cluster = asked_of_a_gateway()
    cluster.gateway_answers(accepted="False")
    cluster.settle()
    return cluster


def route_is_taken_up() -> Simulator:
    cluster = asked_of_a_gateway()
    goes_on(cluster)
    return cluster


def service_cannot_be_written() -> Simulator:
    cluster = ready(replicas=2)
    cluster.failed = (WriteFailed(kind="Service", name="churn", message="etcd is full", since=cluster.now),)
    cluster.pass_time(seconds=REPORTED_AFTER.total_seconds())
    cluster.reconcile()
    return cluster


CASES: dict[Callable[[], Simulator], tuple[str, str, str]] = {
    nothing_serves_yet: ("Resolving", "Resolving", "3: looking at the source"),
    blue_green_goes_back: ("Soaking", "Soaking", "3 serves again: 2 of 2 pods available"),
    canary_goes_back: ("Soaking", "Soaking", "3 serves again: 2 of 2 pods available"),
    one_that_went_back_lacks_a_pod: ("Degraded", "InsufficientCapacity", "0/1 nodes: no gpu"),
    route_is_written: ("Shifting", "Shifting", "3: 2 of 2 pods available; its gateway is yet to take up the route"),
    guard_is_written: ("Shifting", "Shifting", "is yet to take up SecurityPolicy churn (traffic.authentication)"),
    route_is_refused: ("Degraded", "RouteNotAccepted", ""),
    route_is_taken_up: ("Ready", "Ready", "3 serves: 2 of 2 pods available"),
    service_cannot_be_written: ("Degraded", "WriteFailed", "etcd is full"),
}


@pytest.mark.parametrize("story", CASES, ids=lambda story: story.__name__)
def test_one_word_says_where_it_stands(story: Callable[[], Simulator]) -> None:
    cluster, (phase, reason, says) = story(), CASES[story]
    told = cluster.condition("Ready")
    assert (cluster.status["phase"], told["reason"]) == (phase, reason)
    assert says in told["message"]


def test_when_the_version_that_was_gone_back_to_has_soaked_the_other_one_is_refused() -> None:
    # given: version 3 serves again, and version 4 stands by
    cluster = blue_green_goes_back()

    # when: its standby ends
    cluster.pass_time(hours=1)
    cluster.settle()

    # then: what is asked for is what was sent home
    assert (cluster.status["phase"], cluster.condition("Ready")["reason"]) == ("Refused", "RolledBack")
    assert cluster.status["refused"]["version"] == "4"
