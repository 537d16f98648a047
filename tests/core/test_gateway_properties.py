"""The core among disturbances, behind a gateway: shares, answers of the gateway, and what pods count, in any order."""

from hypothesis import settings

from tests.core.cluster.machine import SETTINGS
from tests.core.cluster.machines import LitteredRoutes
from tests.core.cluster.routed import Routed

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
