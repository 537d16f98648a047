"""What exploring the torn cluster has found, case by case: the fewest steps that lead there."""

import copy
from typing import Any

import pytest

from slipway.core.names import REVISION
from tests.core.cluster import clients
from tests.core.cluster.replay import chosen
from tests.core.cluster.torn import GATEWAY, TornMachine
from tests.core.cluster.world import parts_of


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


def pods(machine: TornMachine) -> dict[str, int]:
    """Pods by version, as they are wanted."""
    found = machine.world.deployments().items()
    return {machine.world.versions[name.removeprefix("churn-")]: m["spec"]["replicas"] for name, m in found}


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


@pytest.mark.parametrize("rollout", [*WITH_STEPS, canary({"weight": 10}, {"pause": {}})], ids=["34", "checks", "10"])
@pytest.mark.parametrize(("before", "lost"), [("BlueGreen", 0), ("BlueGreen", 1), ("RollingUpdate", 0)])
@pytest.mark.parametrize("routed", [False, True])
def test_steps_that_are_asked_for_before_a_decided_switch_is_made_come_in_its_place(
    rollout: dict[str, Any], before: str, lost: int, routed: bool
) -> None:
    """No client reaches the candidate yet, also where what serves has lost pods."""
    machine = begun({"type": before}, routed=routed, replicas=2)
    machine.a_rollout_comes_so_far(version="4", rounds=2)
    machine.gets_better()
    machine.pods_lose_readiness(data=chosen(deployment(machine, "3")), most=lost)
    machine.a_pass_is_cut_off(writes=1)
    stable, candidate = (deployment(machine, version).removeprefix("churn-") for version in "34")
    assert candidate in {each["revision"] for each in machine.world.status["traffic"]}
    machine.changes_the_type(rollout)
    shared = rollout["type"] == "Canary" and not routed
    for _ in range(5):
        machine.settles()
        answers = clients.service_answers(machine.world).keys()
        assert answers == {stable} or (shared and answers == {stable, candidate})
        machine.time_passes(31)  # pods that may have had traffic drain
        machine.gets_better()
    assert machine.world.status["stable"]["version"] == "3"
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


def test_a_version_that_nobody_can_make_again_gets_its_own_service_back_by_which_a_gateway_reaches_it() -> None:
    machine = begun(canary({"weight": 34}, {"pause": {}}, fullSize=True), replicas=1)
    machine.a_rollout_comes_so_far(version="5", rounds=3)
    machine.toggles_the_gateway(on=True)
    name = deployment(machine, "3")
    for kind in ("ControllerRevision", "Service", "ConfigMap"):
        machine.deletes_a_child(data=chosen((kind, name)))
    machine.edits_beside_the_version("45s")
    machine.time_is_calm(rounds=1)
    assert clients.unanswered(machine.world, dict.fromkeys(machine.world.versions, 1)) == set()
    machine.teardown()


def test_where_status_and_the_service_were_lost_what_served_is_scaled_as_what_serves() -> None:
    machine = begun(canary({"weight": 10}, {"pause": {}}), replicas=1)
    machine.scales(replicas=9)
    machine.a_pass()
    machine.scales(replicas=8)
    machine.asks_for_a_version("5")
    machine.deletes_a_child(data=chosen(("Service", "churn")))
    machine.loses_status(part="all")
    machine.time_is_calm(rounds=1)
    assert machine.world.deployments()[deployment(machine, "3")]["spec"]["replicas"] == 8
    machine.teardown()


def test_where_status_has_lost_which_version_serves_its_deployment_may_be_missing_and_it_serves_all_the_same() -> None:
    """The traffic that status keeps names it, and history can make it again: no candidate is a first version."""
    machine = begun({"type": "BlueGreen", "blueGreen": {"standbyDuration": "5s"}}, replicas=1)
    machine.a_rollout_comes_so_far(version="4", rounds=2)
    machine.changes_the_type(canary({"weight": 34}, {"pause": {}}, fullSize=True))
    machine.loses_status(part="revisions")
    machine.asks_for_a_version("5")
    loses_its_deployment(machine, "3")
    machine.loses_status(part="stable")
    machine.time_is_calm(rounds=1)
    assert machine.world.status["stable"]["version"] == "3"
    machine.teardown()


def test_what_is_put_to_sleep_on_its_way_back_sleeps() -> None:
    """Nobody is promised an answer any more, whichever version the Service selects."""
    machine = begun(routed=True, replicas=1)
    machine.a_stranger_takes_a_name(data=chosen(("Service", deployment(machine, "3"))))
    machine.a_rollout_comes_so_far(version="4", rounds=3)
    machine.asks_for_a_version("3")
    machine.suspends_or_resumes(suspend=True)
    machine.strangers_go()
    machine.time_is_calm(rounds=3)
    machine.teardown()
    assert machine.world.status["phase"] == "Suspended"


def test_a_gateway_that_is_added_is_given_no_route_to_what_a_stranger_has_taken_of_the_stable_version() -> None:
    machine = begun(canary({"weight": 34}, {"pause": {}}, fullSize=True), replicas=1)
    machine.a_rollout_comes_so_far(version="5", rounds=3)
    machine.a_stranger_takes_a_name(data=chosen(("Service", deployment(machine, "3"))))
    machine.toggles_the_gateway(on=True)
    machine.settles()
    assert ("HTTPRoute", "churn") not in machine.world.objects
    assert condition(machine, "Ready")["reason"] == "NameConflict"
    machine.strangers_go()
    machine.settles()
    assert ("HTTPRoute", "churn") in machine.world.objects
    machine.teardown()


def test_what_an_autoscaler_puts_on_a_deployment_that_ends_goes_with_it() -> None:
    machine = begun({"type": "BlueGreen", "blueGreen": {"standbyDuration": "5s"}}, replicas=2)
    machine.edits_beside_the_version("45s")
    machine.toggles_autoscaling(on=True)
    machine.a_pass()
    loses_its_deployment(machine, "3")
    machine.changes_the_type({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}})
    machine.an_autoscaler_acts(more=2)
    machine.teardown()


def test_a_candidate_that_is_given_up_drains_where_the_service_is_about_to_span_it() -> None:
    """A hand has turned the Service; it is put back to span versions, and reaches pods that have just got ready."""
    machine = begun({"type": "RollingUpdate"}, routed=True, replicas=2)
    machine.edits_beside_the_version("45s")
    machine.time_is_calm(rounds=4)
    machine.servers_answer_wrongly(data=chosen(deployment(machine, "3")), restarts=2)
    machine.a_rollout_comes_so_far(version="4", rounds=2)
    name = deployment(machine, "4")
    machine.edits_beside_the_version("30s")
    machine.turns_the_service(data=chosen(None), revision="stable")
    machine.gets_better()
    machine.a_pass()
    assert len(machine.world.active(name)) == 2
    machine.gets_better()
    machine.time_passes(31)
    machine.a_pass()
    assert name not in machine.world.deployments()
    machine.teardown()


@pytest.mark.parametrize(
    "rolling", [{}, {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}], ids=["", "makes room"]
)
@pytest.mark.parametrize("routed", [False, True])
def test_under_an_autoscaler_what_stable_was_left_with_is_not_the_load_when_another_version_has_the_traffic(
    rolling: dict[str, Any], routed: bool
) -> None:
    """A third version is asked for between the switch of the Service and the promotion."""
    machine = begun({"type": "RollingUpdate", **rolling}, routed=routed, replicas=4)
    machine.toggles_autoscaling(on=True)
    machine.asks_for_a_version("4")
    name = deployment(machine, "3").removeprefix("churn-")
    while any(each["revision"] == name for each in machine.world.status["traffic"]):
        machine.gets_better()
        machine.a_pass()
    assert machine.world.status["stable"]["version"] == "3"
    machine.asks_for_a_version("5")
    for _ in range(3):
        machine.a_pass()
        assert sum(clients.service_answers(machine.world).values()) >= 3
    machine.teardown()


def test_no_step_holds_up_the_way_back_that_a_person_asks_for() -> None:
    machine = begun({"type": "Recreate"}, routed=True, replicas=1)
    machine.a_rollout_comes_so_far(version="4", rounds=5)
    machine.changes_the_type(FULL_SIZE)
    machine.asks_by_annotation(about="stable", again=False, verb="rollback")
    machine.time_is_calm(rounds=3)
    assert machine.world.status["stable"]["version"] == "3"
    machine.teardown()


def test_a_hand_that_turns_service_and_route_back_after_a_switch_calls_nothing_of_it_off() -> None:
    """Steps that are asked for then find a version that had all of the traffic, and keeps what stable cannot carry."""
    machine = begun(routed=True, replicas=3)
    machine.a_rollout_comes_so_far(version="4", rounds=7)
    assert pods(machine) == {"3": 1, "4": 3}
    machine.edits_the_route(rules="none")
    machine.turns_the_service(data=chosen(None), revision="stable")
    machine.changes_the_type(FULL_SIZE)
    machine.settles()
    assert sum(clients.service_answers(machine.world).values()) == 3
    machine.teardown()


def test_a_version_that_nothing_tells_of_any_more_takes_no_pause_from_the_one_that_comes() -> None:
    """Status was lost and the Service turned while its only pod answers wrongly."""
    machine = begun(FULL_SIZE, replicas=1)
    machine.servers_answer_wrongly(data=chosen(deployment(machine, "3")), restarts=0)
    machine.asks_for_a_version("4")
    machine.turns_the_service(data=chosen(None), revision="deadbeef")
    machine.loses_status(part="all")
    machine.a_pass()
    machine.teardown()
    assert machine.world.status["stable"]["version"] == "4"


def test_what_was_sent_home_gets_no_larger_share_while_the_next_version_is_looked_at() -> None:
    """Its pods get ready meanwhile; the Service spans it, and a gateway that is added shares requests by pods."""
    machine = begun(FULL_SIZE, replicas=5)
    machine.a_rollout_comes_so_far(version="4", rounds=3)
    machine.asks_for_a_version("5")
    machine.toggles_the_gateway(on=True)
    machine.asks_by_annotation(about="candidate", again=True, verb="rollback")
    machine.time_is_calm(rounds=1)
    machine.teardown()


@pytest.mark.parametrize("before", ["superseded", "sent home"])
@pytest.mark.parametrize("back", ["abort", "edit"])
def test_on_the_way_back_nobody_is_let_out_before_stable_can_carry_what_that_leaves(back: str, before: str) -> None:
    """Three versions have a pod each, and two are needed: what goes home leaves its part to both of the others. Where
    both go home, stable gets its second pod beside all three."""
    machine = begun({"type": "RollingUpdate"}, routed=True, replicas=2)
    machine.a_rollout_comes_so_far(version="4", rounds=4)
    assert pods(machine) == {"3": 1, "4": 2}
    machine.asks_for_a_version("5")
    if before == "sent home":
        machine.asks_by_annotation(about="candidate", again=True, verb="abort")
    while not any(machine.world.versions[each["revision"]] == "5" for each in machine.world.status["traffic"]):
        machine.gets_better()
        machine.a_pass()
    machine.world.gateway_acts()
    if back == "abort":
        machine.asks_by_annotation(about="candidate", again=True, verb="abort")
    else:
        machine.asks_for_a_version("3")
    machine.time_is_calm(rounds=5)
    assert pods(machine)["3"] == 2
    machine.teardown()


@pytest.mark.parametrize("before", ["superseded", "sent home"])
def test_forward_too_nobody_is_let_out_before_the_others_can_carry_what_that_leaves(before: str) -> None:
    """Of four pods three are needed, and stable has two. Where both of the others go home, stable would have 75 % once
    one of them has left, before a pod of the next version is there."""
    machine = begun({"type": "RollingUpdate"}, routed=True, replicas=3)
    machine.a_rollout_comes_so_far(version="4", rounds=4)
    if before == "sent home":
        machine.asks_by_annotation(about="candidate", again=True, verb="abort")
    machine.asks_for_a_version("5")
    while not any(machine.world.versions[each["revision"]] == "5" for each in machine.world.status["traffic"]):
        machine.gets_better()
        machine.a_pass()
    machine.world.gateway_acts()
    machine.asks_by_annotation(about="candidate", again=True, verb="abort")
    machine.asks_for_a_version("6")
    for _ in range(4):
        machine.world.answer_job()
        machine.a_pass()
        machine.world.controllers_act()
        machine.world.gateway_acts()
    assert pods(machine) == {"3": 2, "4": 1, "5": 1, "6": int(before == "sent home")}
    machine.teardown()
    assert pods(machine) == {"6": 3}


def test_what_a_person_has_sent_home_and_stands_by_is_not_scaled_up() -> None:
    machine = begun({"type": "RollingUpdate"}, replicas=2)
    machine.a_rollout_comes_so_far(version="4", rounds=6)
    machine.changes_the_type({"type": "BlueGreen"})
    machine.asks_by_annotation(about="stable", again=True, verb="rollback")
    machine.time_is_calm(rounds=2)
    machine.scales(replicas=4)
    machine.time_is_calm(rounds=1)
    assert pods(machine) == {"3": 4, "4": 2}
    machine.teardown()


def given_up_beside_one_that_lacks_pods() -> TornMachine:
    """The Service spans versions 3 and 5 and reaches 4, which was given up; then 3 loses its pod."""
    machine = begun({"type": "RollingUpdate"}, routed=True, replicas=2)
    machine.a_rollout_comes_so_far(version="5", rounds=4)
    machine.a_rollout_comes_so_far(version="4", rounds=3)
    machine.edits_beside_the_version("45s")
    while not any(each["state"] == "Retiring" for each in machine.world.status["revisions"]):
        machine.gets_better()
        machine.a_pass()
    machine.pods_lose_readiness(data=chosen(deployment(machine, "3")), most=2)
    machine.a_pass()
    return machine


def test_pods_of_a_version_that_was_given_up_stay_while_clients_would_be_left_with_too_few() -> None:
    machine = given_up_beside_one_that_lacks_pods()
    machine.world.gateway_acts()
    for _ in range(3):
        machine.time_passes(61)
        machine.a_pass()
        assert sum(clients.service_answers(machine.world).values()) == 2
    assert "keeps its pods until" in condition(machine, "Ready")["message"]
    machine.gets_better()
    machine.settles()
    assert "keeps its pods" not in condition(machine, "Ready")["message"]
    machine.teardown()


def test_pods_of_a_version_that_was_given_up_stay_no_longer_than_the_progress_deadline() -> None:
    machine = given_up_beside_one_that_lacks_pods()
    machine.world.gateway_acts()
    machine.a_pass()
    machine.time_passes(46)
    machine.a_pass()
    machine.time_passes(700)
    for _ in range(2):
        machine.a_pass()
        machine.time_passes(61)
    assert sum(clients.service_answers(machine.world).values()) == 1
    machine.teardown()


def test_pods_of_a_version_that_was_given_up_stay_until_the_gateway_has_taken_up_that_they_go() -> None:
    machine = given_up_beside_one_that_lacks_pods()
    for _ in range(3):
        machine.time_passes(700)
        machine.a_pass()
    assert sum(clients.service_answers(machine.world).values()) == 2
    machine.teardown()


def goes_on_while_no_autoscaler_acts(machine: TornMachine) -> None:
    for _ in range(5):
        machine.the_resolve_job_ends()
        machine.a_pass()
        machine.controllers_act()
        for name in sorted(machine.world.deployments()):
            machine.pods_get_ready(data=chosen(name), most=6)
    machine.settles()


@pytest.mark.parametrize("kind", ["RollingUpdate", "BlueGreen"])
@pytest.mark.parametrize("to", [1, 2])
def test_an_autoscaler_begins_with_the_pods_that_a_hand_has_just_left(kind: str, to: int) -> None:
    machine = begun({"type": kind}, replicas=4)
    machine.scales_a_deployment(data=chosen(("Deployment", deployment(machine, "3"))), replicas=to)
    machine.toggles_autoscaling(on=True)
    machine.asks_for_a_version("4")
    goes_on_while_no_autoscaler_acts(machine)
    assert pods(machine)["4"] == to
    machine.teardown()


@pytest.mark.parametrize(("kind", "rounds", "version"), [("BlueGreen", 2, "3"), ("RollingUpdate", 3, "4")])
def test_growth_that_no_pass_has_seen_goes_with_its_deployment(kind: str, rounds: int, version: str) -> None:
    machine = begun({"type": kind}, replicas=2)
    machine.toggles_autoscaling(on=True)
    machine.time_is_calm(rounds=2)
    machine.a_rollout_comes_so_far(version="4", rounds=rounds)
    machine.an_autoscaler_acts(more=3)
    machine.deletes_a_child(data=chosen(("Deployment", deployment(machine, version))))
    goes_on_while_no_autoscaler_acts(machine)
    machine.teardown()


@pytest.mark.parametrize("rounds", [3, 4])
def test_where_stable_can_never_be_made_again_the_candidate_is_a_first_version(rounds: int) -> None:
    machine = begun(FULL_SIZE, routed=True, replicas=2)
    name = deployment(machine, "3")
    machine.a_rollout_comes_so_far(version="4", rounds=rounds)
    for kind in ("ControllerRevision", "ConfigMap", "Deployment"):
        machine.deletes_a_child(data=chosen((kind, name)))
    machine.the_garbage_collector_acts()
    machine.kubelets_act()
    machine.settles()
    assert machine.world.status["stable"]["version"] == "4"
    machine.teardown()


@pytest.mark.parametrize("replicas", [1, 2, 3, 5])
@pytest.mark.parametrize("rounds", [4, 5])
def test_what_an_exact_canary_starts_from_is_made_whole_beside_what_had_the_service(rounds: int, replicas: int) -> None:
    """A rolling update had given the Service to a version that is asked for no more: it has pods until stable is whole,
    and so had the candidate, and nobody could give the one that stable lacked."""
    machine = begun(routed=True, replicas=replicas)
    machine.a_rollout_comes_so_far(version="4", rounds=rounds)
    machine.edits_beside_the_version(timeout="45s")
    machine.changes_the_type(canary({"weight": 34}, {"pause": {}}, fullSize=True))
    machine.teardown()
