"""What exploring the torn cluster has found, case by case: the fewest steps that lead there."""

import copy
from typing import Any, cast

import pytest
from hypothesis import strategies as st

from slipway.core.names import REVISION
from tests.core.cluster import clients
from tests.core.cluster.torn import GATEWAY, TornMachine
from tests.core.cluster.world import parts_of


class Chosen:
    """Hypothesis' draws, chosen beforehand. A fake."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def draw(self, strategy: object, label: object = None) -> Any:
        return self.value


def chosen(value: Any) -> st.DataObject:
    return cast("st.DataObject", Chosen(value))


def canary(*steps: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "Canary", "canary": {"steps": list(steps), **more}}


def begun(rollout: dict[str, Any] | None = None, *, routed: bool = False, replicas: int = 3) -> TornMachine:
    """Version 3 serves."""
    machine = TornMachine()
    machine.begins(rollout=rollout, routed=routed, replicas=replicas)
    return machine


def deployment(machine: TornMachine, version: str) -> str:
    """The Deployment of the newest revision of a version."""
    known = machine.world.versions
    return next(f"churn-{revision}" for revision in reversed(known) if known[revision] == version)


def loses_its_deployment(machine: TornMachine, version: str) -> None:
    machine.deletes_a_deployment_in_the_foreground(data=chosen(("Deployment", deployment(machine, version))))


def condition(machine: TornMachine, kind: str) -> dict[str, Any]:
    return next(c for c in machine.world.status["conditions"] if c["type"] == kind)


def test_a_canary_that_waits_for_a_deployment_that_never_ends_is_told_of_in_time() -> None:
    machine = begun(canary({"weight": 25}, {"pause": {"duration": "1m"}}, {"weight": 75}), replicas=1)
    machine.a_node_falls_silent_or_comes_back(node="node-1", silent=True)
    loses_its_deployment(machine, "3")
    machine.a_rollout_comes_so_far(version="4", rounds=4)
    machine.time_passes(700)
    machine.settles()
    assert condition(machine, "Stalled")["status"] == "True"
    assert "is being deleted since" in condition(machine, "Stalled")["message"]
    machine.teardown()


def test_a_rolling_update_that_becomes_a_canary_gives_the_candidate_no_more_than_its_step() -> None:
    machine = begun(routed=True)
    machine.a_rollout_comes_so_far(version="5", rounds=4)
    machine.changes_the_type(canary({"weight": 34}, {"pause": {}}, fullSize=True))
    loses_its_deployment(machine, "3")
    machine.teardown()


def test_pods_that_are_about_to_go_get_no_larger_share_of_the_gateways_requests() -> None:
    machine = begun(routed=True)
    machine.a_rollout_comes_so_far(version="5", rounds=2)
    machine.a_rollout_comes_so_far(version="4", rounds=4)
    machine.asks_for_a_version("5")
    machine.time_is_calm(rounds=1)
    machine.teardown()


def test_behind_a_gateway_what_was_sent_home_gets_nothing_back_when_its_pods_get_ready() -> None:
    machine = begun(canary({"weight": 10}, {"pause": {}}), replicas=2)
    machine.a_rollout_comes_so_far(version="4", rounds=3)
    machine.toggles_the_gateway(on=True)
    machine.servers_answer_wrongly(data=chosen(deployment(machine, "4")), restarts=1)
    machine.a_pass()
    machine.teardown()


def test_a_way_back_on_which_pods_never_get_ready_is_told_of_in_time() -> None:
    machine = begun(replicas=3)
    machine.a_rollout_comes_so_far(version="4", rounds=4)
    machine.servers_answer_wrongly(data=chosen(deployment(machine, "4")), restarts=2)
    machine.pods_lose_readiness(data=chosen(deployment(machine, "3")), most=1)
    machine.settles()
    machine.time_passes(700)
    machine.settles()
    assert machine.world.status["rollout"]["phase"] == "RollingBack"
    assert condition(machine, "Stalled")["status"] == "True"
    machine.teardown()


def test_where_the_list_of_revisions_was_lost_the_version_before_keeps_its_pods_for_the_drain() -> None:
    machine = begun({"type": "BlueGreen", "blueGreen": {"standbyDuration": "5s"}}, routed=True, replicas=1)
    machine.a_rollout_comes_so_far(version="4", rounds=3)
    machine.loses_status("revisions")
    machine.time_is_calm(rounds=2)
    assert machine.world.status["stable"]["version"] == "4"
    assert deployment(machine, "3") in machine.world.deployments()
    machine.teardown()


def test_a_gateway_that_is_added_sends_nothing_to_a_service_that_is_somebody_elses() -> None:
    machine = begun(canary({"weight": 25}, {"pause": {"duration": "1m"}}, {"weight": 75}))
    machine.a_rollout_comes_so_far(version="4", rounds=3)
    machine.a_stranger_takes_a_name(data=chosen(("Service", deployment(machine, "4"))))
    machine.toggles_the_gateway(on=True)
    machine.settles()
    machine.teardown()


def test_after_a_switch_that_is_not_yet_whole_the_version_before_keeps_its_pods() -> None:
    machine = begun({"type": "BlueGreen"})
    machine.a_rollout_comes_so_far(version="4", rounds=2)
    machine.gets_better()
    machine.a_pass()
    machine.pods_lose_readiness(data=chosen(deployment(machine, "4")), most=1)
    machine.settles()
    assert machine.world.status["stable"]["version"] == "3"
    assert len(machine.world.active(deployment(machine, "3"))) == 3
    machine.teardown()


def test_a_version_that_nobody_can_make_again_is_waited_for_no_more() -> None:
    machine = begun(canary({"weight": 25}, {"pause": {"duration": "1m"}}), replicas=1)
    name = deployment(machine, "3")
    for kind in ("ConfigMap", "ControllerRevision", "Deployment"):
        machine.deletes_a_child(data=chosen((kind, name)))
    machine.edits_beside_the_version("45s")
    machine.teardown()


def test_what_is_superseded_and_has_all_of_the_traffic_shares_it_with_stable_where_there_is_no_room() -> None:
    machine = begun({"type": "RollingUpdate"}, routed=True, replicas=2)
    machine.a_rollout_comes_so_far(version="4", rounds=5)
    machine.toggles_the_gateway(on=False)
    loses_its_deployment(machine, "4")
    machine.settles()
    machine.changes_the_type(canary({"weight": 34}, {"pause": {}}, fullSize=True))
    machine.a_rollout_comes_so_far(version="5", rounds=1)
    machine.teardown()


def test_under_a_service_that_spans_versions_one_that_is_given_up_is_not_reached_for_ever() -> None:
    machine = begun({"type": "RollingUpdate"}, routed=True, replicas=2)
    machine.a_rollout_comes_so_far(version="5", rounds=4)
    machine.a_rollout_comes_so_far(version="4", rounds=3)
    machine.edits_beside_the_version("45s")
    machine.teardown()


def test_a_version_that_is_asked_for_again_and_then_not_keeps_its_pods_for_the_drain() -> None:
    machine = begun({"type": "BlueGreen"}, replicas=1)
    machine.a_rollout_comes_so_far(version="5", rounds=3)
    machine.toggles_the_gateway(on=True)
    machine.asks_for_a_version("3")
    machine.a_pass()
    machine.asks_for_a_version("4")
    machine.time_is_calm(rounds=1)
    machine.teardown()


def test_a_candidate_that_a_hand_gave_traffic_keeps_its_pods_for_the_drain() -> None:
    machine = begun({"type": "RollingUpdate"}, routed=True, replicas=1)
    machine.a_rollout_comes_so_far(version="5", rounds=2)
    machine.edits_the_route("candidate")
    machine.a_pass()
    machine.a_rollout_comes_so_far(version="4", rounds=1)
    machine.teardown()


def test_where_nobody_answers_after_a_switch_the_version_before_takes_the_traffic_back() -> None:
    machine = begun({"type": "BlueGreen"}, routed=True, replicas=2)
    machine.a_rollout_comes_so_far(version="5", rounds=3)
    machine.a_stranger_takes_a_name(data=chosen(("Deployment", deployment(machine, "5"))))
    machine.changes_the_type({"type": "RollingUpdate"})
    machine.gets_better()
    machine.settles()
    assert machine.world.status["stable"]["version"] == "3"
    assert len(machine.world.active(deployment(machine, "3"))) == 2
    assert sum(clients.service_answers(machine.world).values()) == 2
    machine.teardown()


def test_on_the_way_back_behind_a_gateway_the_share_goes_before_the_last_pod() -> None:
    machine = begun({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}, routed=True)
    machine.scales(2)
    machine.time_is_calm(rounds=2)
    machine.a_rollout_comes_so_far(version="4", rounds=4)
    machine.asks_for_a_version("3")
    machine.teardown()


def test_a_stable_version_without_pods_that_status_lost_gives_the_candidate_no_more_than_its_step() -> None:
    machine = begun(canary({"weight": 34}, {"pause": {}}, fullSize=True), routed=True, replicas=1)
    machine.servers_answer_wrongly(data=chosen(deployment(machine, "3")), restarts=0)
    machine.a_rollout_comes_so_far(version="4", rounds=3)
    machine.loses_status("stable")
    machine.settles()
    assert machine.world.status["stable"]["version"] == "3"
    machine.teardown()


def test_requests_with_the_candidates_header_go_to_no_service_that_is_somebody_elses() -> None:
    machine = begun(canary({"weight": 34}, {"pause": {}}), routed=True)
    machine.edit(traffic={**GATEWAY, "candidateHeader": {"name": "x-candidate", "value": "1"}})
    machine.a_rollout_comes_so_far(version="4", rounds=5)
    name = deployment(machine, "4")
    machine.a_stranger_takes_a_name(data=chosen(("Service", name)))
    machine.settles()
    rules = machine.world.objects["HTTPRoute", "churn"]["spec"]["rules"]
    refs = [ref for rule in rules for ref in rule["backendRefs"] if ref["name"] == name]
    assert not any(ref.get("weight", 1) for ref in refs)
    machine.teardown()


def test_a_stable_version_that_has_just_lost_its_traffic_drains_while_a_third_one_comes() -> None:
    machine = begun(routed=True, replicas=2)
    machine.a_rollout_comes_so_far(version="4", rounds=2)
    machine.toggles_autoscaling(on=True)
    machine.time_is_calm(rounds=5)
    machine.toggles_autoscaling(on=False)
    machine.a_rollout_comes_so_far(version="5", rounds=4)
    assert machine.world.status["stable"]["version"] == "3"
    machine.teardown()


def test_where_a_gateway_reaches_neither_version_the_candidate_gets_no_larger_share() -> None:
    machine = begun(routed=True, replicas=4)
    machine.a_rollout_comes_so_far(version="4", rounds=3)
    for version in ("3", "4"):
        machine.a_stranger_takes_a_name(data=chosen(("Service", deployment(machine, version))))
    machine.time_is_calm(rounds=4)
    machine.teardown()


def test_on_its_way_back_a_gateway_sends_no_share_to_a_service_that_is_somebody_elses() -> None:
    machine = begun(canary({"weight": 34}, {"pause": {}}, fullSize=True), routed=True, replicas=1)
    machine.a_rollout_comes_so_far(version="4", rounds=3)
    machine.asks_for_a_version(version="3")
    machine.a_stranger_takes_a_name(data=chosen(("Service", deployment(machine, "3"))))
    machine.passes_until_nothing_is_left()
    machine.teardown()


def test_where_a_gateway_reaches_neither_version_a_change_of_type_gives_the_candidate_no_larger_share() -> None:
    machine = begun(canary({"weight": 34}, {"pause": {}}, fullSize=True), routed=True, replicas=4)
    machine.a_rollout_comes_so_far(version="4", rounds=2)
    machine.a_stranger_takes_a_name(data=chosen(("Service", deployment(machine, "3"))))
    machine.pods_lose_readiness(data=chosen(deployment(machine, "4")), most=6)
    machine.deletes_a_child(data=chosen(("HTTPRoute", "churn")))
    machine.settles()
    machine.time_is_calm(rounds=6)
    machine.changes_the_type({"type": "BlueGreen"})
    loses_its_deployment(machine, "4")
    machine.controllers_act()
    machine.teardown()


def test_on_the_way_back_stable_gets_no_part_of_the_gateways_requests_before_it_has_the_traffic() -> None:
    """Its part was no part of what had been decided, so that the route never was as it was decided; and what a gateway
    sends to one of two others left no room for it to get whole."""
    machine = begun({"type": "Recreate"}, routed=True, replicas=2)
    machine.a_rollout_comes_so_far(version="5", rounds=4)
    machine.a_rollout_comes_so_far(version="4", rounds=2)
    machine.edits_beside_the_version("45s")
    machine.loses_status("candidate")
    machine.a_pass()
    machine.a_stranger_takes_a_name(data=chosen(("Service", deployment(machine, "3"))))
    machine.loses_status("stable")
    machine.changes_the_type({})
    machine.a_rollout_comes_so_far(version="5", rounds=3)
    loses_its_deployment(machine, "3")
    machine.servers_answer_wrongly(data=chosen(deployment(machine, "5")), restarts=1)
    machine.changes_the_type({"type": "BlueGreen"})
    machine.strangers_go()
    machine.asks_by_annotation(about="candidate", again=True, verb="abort")
    machine.teardown()


@pytest.mark.parametrize("rollout", [{"type": "RollingUpdate"}, canary({"weight": 25}, {"pause": {}})])
def test_on_the_way_back_the_service_spans_nothing_while_it_would_reach_what_was_sent_home(
    rollout: dict[str, Any],
) -> None:
    machine = begun({"type": "RollingUpdate"}, routed=True, replicas=4)
    machine.a_rollout_comes_so_far(version="4", rounds=9)
    machine.changes_the_type({"type": "BlueGreen"})
    machine.a_rollout_comes_so_far(version="5", rounds=2)
    machine.asks_by_annotation(about="candidate", again=True, verb="abort")
    machine.changes_the_type(rollout)
    for _ in range(12):
        machine.time_is_calm(rounds=1)
        service = machine.world.objects["Service", "churn"]
        assert "5" not in {machine.world.versions[each] for each in clients.service_answers(machine.world)}, service
        machine.time_passes(31)
    assert machine.world.status["stable"]["version"] == "3"
    assert sum(clients.service_answers(machine.world).values()) == 4
    machine.teardown()


WITH_STEPS = [
    canary({"weight": 34}, {"pause": {}}, fullSize=True),
    {"type": "BlueGreen", "blueGreen": {"beforeSwitch": [{"pause": {}}]}},
]


@pytest.mark.parametrize("rollout", WITH_STEPS, ids=lambda rollout: str(rollout["type"]))
@pytest.mark.parametrize("replicas", [1, 3])
@pytest.mark.parametrize("needs_more", [False, True])
def test_steps_that_are_asked_for_once_all_of_the_traffic_has_moved_take_none_of_it_back(
    rollout: dict[str, Any], replicas: int, needs_more: bool
) -> None:
    """Whether the version has every pod that it needs at that moment or not."""
    machine = begun({"type": "BlueGreen"}, routed=True, replicas=replicas)
    machine.a_rollout_comes_so_far(version="4", rounds=2)
    machine.gets_better()
    machine.a_pass()
    machine.world.gateway_acts()
    machine.changes_the_type(rollout)
    if needs_more:
        machine.scales(replicas + 1)
    for _ in range(4):
        machine.settles()
        assert parts_of(machine.world.objects["HTTPRoute", "churn"])[deployment(machine, "4")[6:]] >= 50
        machine.gets_better()
    assert machine.world.status["stable"]["version"] == "4"
    machine.teardown()


def test_a_gateway_that_has_not_taken_up_all_of_the_traffic_gives_the_candidate_no_more_than_its_step() -> None:
    machine = begun({"type": "BlueGreen"}, routed=True, replicas=3)
    machine.a_rollout_comes_so_far(version="4", rounds=2)
    machine.gets_better()
    machine.a_pass()
    machine.changes_the_type(WITH_STEPS[0])
    machine.settles()
    machine.time_is_calm(rounds=3)
    assert parts_of(machine.world.objects["HTTPRoute", "churn"])[deployment(machine, "4")[6:]] == 34
    assert machine.world.status["phase"] == "Paused"
    machine.teardown()


@pytest.mark.parametrize("also", [[], ["ConfigMap"]], ids=["", "its copy too"])
def test_where_status_and_history_were_lost_the_version_before_keeps_its_pods_for_the_drain(also: list[str]) -> None:
    machine = begun({"type": "RollingUpdate"}, replicas=2)
    name = deployment(machine, "3")
    machine.a_rollout_comes_so_far(version="4", rounds=5)
    machine.loses_status("all")
    for kind in ("ControllerRevision", *also):
        machine.deletes_a_child(data=chosen((kind, name)))
    machine.settles()
    assert machine.world.active(name)
    machine.time_passes(31)
    machine.settles()
    assert name not in machine.world.deployments()
    machine.teardown()


def test_a_deployment_of_ours_that_is_called_as_no_revision_is_deleted() -> None:
    machine = begun()
    name = deployment(machine, "3")
    odd = copy.deepcopy(machine.world.objects["Deployment", name])
    odd["metadata"] |= {"name": "churn-of-somebody", "uid": "uid-odd"}
    odd["spec"]["template"]["metadata"]["labels"][REVISION] = "of-somebody"
    machine.world.objects["Deployment", "churn-of-somebody"] = odd
    machine.gets_better()
    machine.world.objects["Service", "churn"]["spec"]["selector"][REVISION] = "of-somebody"
    machine.loses_status("all")
    machine.settles()
    assert set(machine.world.deployments()) == {name}
    machine.teardown()


def test_pods_that_may_be_missing_while_versions_change_make_no_decision_a_damaged_one() -> None:
    machine = begun({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}})
    machine.asks_for_a_version(version="5")
    machine.toggles_the_gateway(on=True)
    machine.toggles_autoscaling(on=True)
    machine.passes_until_nothing_is_left()
    machine.time_is_calm(rounds=2)
    machine.an_autoscaler_acts(more=-2)
    machine.an_autoscaler_acts(more=2)
    machine.asks_for_a_version(version="4")
    machine.teardown()


FULL_SIZE = canary({"weight": 34}, {"pause": {}}, fullSize=True)


def test_a_service_that_spans_is_not_narrowed_while_only_a_third_version_answers_by_its_selector() -> None:
    """None of those that it was decided to reach answers, but its selector reaches the candidate's pods as well."""
    machine = begun(FULL_SIZE, routed=True, replicas=1)
    machine.a_rollout_comes_so_far(version="5", rounds=3)
    machine.a_rollout_comes_so_far(version="4", rounds=2)
    machine.a_watch_lags("Pod")
    machine.a_rollout_comes_so_far(version="5", rounds=1)
    machine.a_pass()
    machine.toggles_the_gateway(on=False)
    loses_its_deployment(machine, "5")
    machine.a_rollout_comes_so_far(version="4", rounds=1)
    loses_its_deployment(machine, "3")
    machine.a_pass()
    machine.toggles_the_gateway(on=True)
    machine.a_pass()
    machine.teardown()


def test_a_version_that_had_its_share_through_a_gateway_drains_when_no_gateway_is_asked_for_any_more() -> None:
    machine = begun(FULL_SIZE, replicas=2)
    machine.a_rollout_comes_so_far(version="5", rounds=3)
    machine.a_rollout_comes_so_far(version="4", rounds=2)
    machine.toggles_the_gateway(on=True)
    machine.a_rollout_comes_so_far(version="5", rounds=2)
    machine.asks_for_a_version("4")
    machine.toggles_the_gateway(on=False)
    machine.teardown()


def test_what_takes_the_traffic_back_is_scaled_as_what_serves_is() -> None:
    machine = begun(replicas=1)
    name = deployment(machine, "3")
    machine.toggles_the_gateway(on=True)
    machine.edits_beside_the_version("45s")
    machine.a_pass()
    machine.time_is_calm(rounds=2)
    machine.a_stranger_takes_a_name(data=chosen(("ConfigMap", name)))
    machine.asks_for_a_version("4")
    machine.scales_a_deployment(data=chosen(("Deployment", name)), replicas=2)
    machine.time_is_calm(rounds=1)
    machine.teardown()


@pytest.mark.parametrize("pods", [1, 2])
def test_a_gateway_that_is_added_shares_requests_as_the_service_does_that_spans_versions(pods: int) -> None:
    """Also what a hand has made of that: a version that was scaled up, or is the only one with pods."""
    machine = begun(FULL_SIZE, replicas=1)
    machine.a_rollout_comes_so_far(version="4", rounds=3)
    machine.edits_beside_the_version("45s")
    name = deployment(machine, "4")
    machine.a_stranger_takes_a_name(data=chosen(("Service", name)))
    if pods > 1:
        machine.scales_a_deployment(data=chosen(("Deployment", name)), replicas=pods)
    else:
        machine.deletes_a_child(data=chosen(("Deployment", deployment(machine, "3"))))
    machine.toggles_the_gateway(on=True)
    machine.teardown()


def test_what_went_to_a_version_that_has_lost_its_pods_stable_takes_over_and_not_the_candidate() -> None:
    machine = begun(routed=True, replicas=4)
    machine.a_rollout_comes_so_far(version="5", rounds=6)
    machine.a_rollout_comes_so_far(version="4", rounds=2)
    loses_its_deployment(machine, "5")
    machine.changes_the_type(canary({"weight": 25}, {"pause": {"duration": "1m"}}, {"weight": 75}))
    machine.gets_better()
    machine.settles()
    parts = parts_of(machine.world.objects["HTTPRoute", "churn"])
    assert (parts[deployment(machine, "3")[6:]], parts[deployment(machine, "4")[6:]]) == (75, 25)
    machine.teardown()


def test_where_status_was_lost_a_candidate_that_the_service_has_come_to_reach_counts_as_what_serves() -> None:
    machine = begun(replicas=2)
    machine.a_rollout_comes_so_far(version="4", rounds=3)
    machine.a_rollout_comes_so_far(version="5", rounds=2)
    machine.loses_status("all")
    machine.a_rollout_comes_so_far(version="5", rounds=1)
    machine.teardown()


def test_where_status_and_the_services_selector_were_lost_the_version_with_most_pods_serves() -> None:
    machine = begun(FULL_SIZE, replicas=2)
    machine.a_rollout_comes_so_far(version="4", rounds=3)
    machine.loses_status("all")
    machine.turns_the_service(data=chosen(None), revision="deadbeef")
    machine.settles()
    assert machine.world.status["stable"]["version"] == "3"
    assert clients.service_answers(machine.world)
    machine.teardown()


@pytest.mark.parametrize(("surge", "pods"), [(1, 8), (3, 8), (4, 11)])
def test_no_pod_is_lost_to_the_rounding_of_a_gateways_shares(surge: int, pods: int) -> None:
    """Five of eight pods have 62.5 % of the requests: of 62 % of eight, four would be enough."""
    machine = begun({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge}}, routed=True, replicas=pods)
    machine.a_rollout_comes_so_far(version="4", rounds=6)
    machine.teardown()


def test_a_candidate_is_no_first_version_because_status_has_lost_what_serves_while_its_pod_is_broken() -> None:
    machine = begun(canary({"weight": 10}, {"pause": {}}, {"weight": 50}, {"pause": {}}), replicas=1)
    machine.a_rollout_comes_so_far(version="4", rounds=1)
    machine.servers_answer_wrongly(data=chosen(deployment(machine, "3")), restarts=2)
    machine.loses_status("revisions")
    machine.loses_status("stable")
    machine.edits_beside_the_version("45s")
    machine.a_rollout_comes_so_far(version="4", rounds=1)
    machine.teardown()
