"""The core among disturbances, behind a gateway: shares, answers of the gateway, and what pods count, in any order."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import settings

from slipway.core.children.route import GRPC_ROUTE, ROUTE
from tests.core.cluster.machine import SETTINGS
from tests.core.cluster.machines import LitteredRoutes
from tests.core.cluster.replay import chosen
from tests.core.cluster.routed import APART, ROLLOUTS, Routed

TestRouted = Routed.TestCase
TestRouted.settings = SETTINGS

TestLitteredRoutes = LitteredRoutes.TestCase
TestLitteredRoutes.settings = settings(SETTINGS, max_examples=max(10, SETTINGS.max_examples // 3))


# What the machines found, or should have found


def superseded_at_its_share(*, replicas: int, surge: int) -> Routed:
    """Version 5 serves and version 4 has 34 % of the requests; version 3 is asked for, pod by pod, and a pod is up."""
    machine = Routed()
    machine.a_rollout_comes_so_far(version="5", more=2, writes=1)
    machine.a_rollout_comes_so_far(version="4", more=3, writes=1)
    assert machine.cluster.weights() == {revision(machine, "5"): 66, revision(machine, "4"): 34}
    rolling = {"maxSurge": surge, "maxUnavailable": "34%"}
    machine.changes_the_type(rollout={"type": "RollingUpdate", "rollingUpdate": rolling})
    machine.changes_the_count(replicas=replicas)
    machine.asks_for_a_version(version="3")
    machine.all_goes_well_for_a_while(more=1)
    machine.cluster.settle()
    machine.cluster.kubelet(f"churn-{revision(machine, '3')}")
    machine.cluster.gateway_answers()
    return machine


def revision(machine: Routed, version: str) -> str:
    return machine.cluster.revision_named(version).removeprefix("churn-")


def states(machine: Routed) -> dict[str, str]:
    return {each["version"]: each["state"] for each in machine.cluster.status["revisions"]}


def test_what_a_service_that_begins_to_span_would_reach_has_given_its_share_back_and_gone_before() -> None:
    machine = superseded_at_its_share(replicas=2, surge=2)
    machine.cluster.settle()
    assert machine.cluster.weights() == {revision(machine, "5"): 100}
    assert machine.cluster.reached() == {revision(machine, "5")}
    assert states(machine)["4"] == "Retiring"
    machine.teardown()


def test_what_a_service_that_begins_to_span_reaches_is_part_of_it_while_stable_cannot_carry_its_share() -> None:
    machine = superseded_at_its_share(replicas=3, surge=1)
    plan = machine.cluster.one_pass()  # what the Service reaches is compared at its write
    assert machine.cluster.reached() == {revision(machine, each) for each in "345"}
    assert states(machine) == {"5": "Stable", "4": "Superseded", "3": "Candidate"}
    assert {target.revision for target in plan.status.traffic if target.selected} == machine.cluster.reached()
    machine.teardown()


def gateway_goes(machine: Routed) -> None:
    machine.the_gateway_comes_or_goes(there=False, programmed=True)


def pods_are_lost(machine: Routed) -> None:
    machine.a_node_falls_silent_or_comes_back(silent=True)


def candidate_is_lost(machine: Routed) -> None:
    machine.cluster.vanish(f"churn-{revision(machine, '4')}")


def route_is_deleted_with_all_pods(machine: Routed) -> None:
    pods_are_lost(machine)
    machine.deletes_a_child(data=chosen((ROUTE, "churn")))


FATES = [gateway_goes, pods_are_lost, candidate_is_lost, route_is_deleted_with_all_pods]


@pytest.mark.parametrize("fate", FATES)
@pytest.mark.parametrize("rollout", [ROLLOUTS[0], ROLLOUTS[4]], ids=["canary", "blue-green"])
def test_a_share_that_a_pass_died_before_is_not_made_to_what_cannot_answer_any_more(
    rollout: dict[str, Any], fate: Callable[[Routed], None]
) -> None:
    machine = Routed()
    machine.changes_the_type(rollout=rollout)
    machine.a_rollout_comes_so_far(version="5", more=2, writes=1)
    machine.a_rollout_comes_so_far(version="4", more=2, writes=1)
    old, new = revision(machine, "5"), revision(machine, "4")
    assert new in {target["revision"] for target in machine.cluster.status["traffic"]}, "it is decided"
    assert machine.cluster.weights() == {old: 100}
    fate(machine)
    machine.cluster.one_pass()
    assert machine.cluster.weights() == {old: 100}
    assert machine.cluster.reached() == {old}
    machine.teardown()


def test_a_route_that_is_made_beside_another_shares_out_as_that_does_although_no_pod_answers() -> None:
    machine = Routed()
    machine.a_rollout_comes_so_far(version="5", more=2, writes=1)
    machine.a_rollout_comes_so_far(version="4", more=3, writes=1)
    shares = machine.cluster.weights()
    machine.toggles_the_network_policy(more=APART)
    pods_are_lost(machine)
    machine.cluster.one_pass()
    assert machine.cluster.weights(GRPC_ROUTE) == machine.cluster.weights() == shares
    machine.teardown()


def test_a_service_that_a_hand_has_deleted_since_the_look_is_made_again_by_the_next_pass() -> None:
    machine = Routed()
    machine.a_rollout_comes_so_far(version="5", more=2, writes=1)
    machine.a_rollout_comes_so_far(version="4", more=2, writes=1)
    machine.a_look_that_another_pass_will_act_on()
    service = ("Service", f"churn-{revision(machine, '4')}")
    machine.deletes_a_child(data=chosen(service))
    machine.a_pass_acts_on_an_older_look()
    assert machine.cluster.weights()[revision(machine, "4")], "the operator cannot know"
    machine.cluster.one_pass()
    assert service in machine.cluster.objects
    machine.teardown()


@pytest.mark.parametrize("rollout", [ROLLOUTS[0], ROLLOUTS[5]], ids=["exact", "by pods"])
@pytest.mark.parametrize("left", [0, 1], ids=["nothing answers", "a pod answers"])
def test_what_a_stranger_would_answer_is_stables_although_its_pods_cannot_carry_it(
    rollout: dict[str, Any], left: int
) -> None:
    machine = Routed()
    machine.changes_the_type(rollout=rollout)
    machine.a_rollout_comes_so_far(version="5", more=2, writes=1)
    machine.a_rollout_comes_so_far(version="4", more=2, writes=10)
    machine.cluster.gateway_answers()
    old, new = revision(machine, "5"), revision(machine, "4")
    assert machine.cluster.weights()[new]
    machine.takes_a_childs_name(data=chosen(("Service", f"churn-{new}")))
    machine.cluster.partly_ready(f"churn-{old}", left)
    machine.cluster.settle()
    assert machine.cluster.weights() == {old: 100}
    assert "NameConflict" in machine.cluster.condition("Ready")["reason"]
    machine.teardown()
