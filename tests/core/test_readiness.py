"""Readiness: of several things that stand in the way at once, the one that people are told."""

from collections.abc import Callable

import pytest

from slipway.core.observed.objects import NameTaken
from tests.core.cluster.scenario import GATEWAY, fails, ready, starts, waits
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


IN_ORDER: dict[str, Trouble] = {
    "NameConflict": a_child_has_no_name,
    "WrongAnswer": a_version_was_sent_home,
    "InsufficientCapacity": a_serving_pod_finds_no_node,
    "RouteNotAccepted": the_gateway_refuses,
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
