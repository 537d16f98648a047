"""Canaries as stories on the toy cluster: shares step by step, through a gateway and without one."""

from typing import Any

import pytest

from tests.core.test_rollouts import counts, ready, told
from tests.core.toy import Toy, says

GATEWAY = {"gateway": {"name": "inference", "namespace": "gateways"}, "hostnames": ["churn.example"]}
STEPS = [{"weight": 10}, {"pause": {"duration": "5m"}}, {"weight": 50}, {"pause": {}}]


def canary(
    *steps: dict[str, Any],
    replicas: int = 4,
    traffic: dict[str, Any] | None = GATEWAY,
    analysis: dict[str, Any] | None = None,
    **more: Any,
) -> Toy:
    """Version 3 serves; version 4 has just been asked for, and resolved."""
    rollout = {"type": "Canary", "canary": {"steps": list(steps or STEPS), **more}}
    return changing(rollout | ({"analysis": analysis} if analysis else {}), replicas=replicas, traffic=traffic)


def changing(rollout: dict[str, Any], *, replicas: int = 4, traffic: dict[str, Any] | None = GATEWAY) -> Toy:
    """Version 3 serves; version 4 has just been asked for, and resolved."""
    cluster = ready(replicas=replicas, rollout=rollout, **({"traffic": traffic} if traffic else {}))
    if traffic:
        cluster.gateway_answers()
        cluster.settle()
    cluster.edit(version="4")
    cluster.settle()
    cluster.resolve_job_ends()
    goes_on(cluster)
    return cluster


def goes_on(cluster: Toy) -> None:
    """The operator does what it can without another pod."""
    for _ in range(6):
        cluster.settle()
        if ("HTTPRoute", "churn") not in cluster.objects:
            return
        cluster.gateway_answers()
    cluster.settle()


def pods_come(cluster: Toy) -> None:
    for name in cluster.deployments():
        cluster.kubelet(name)
    goes_on(cluster)


def shares(cluster: Toy) -> dict[str, int]:
    """Percent by version, as the live route has it, for gRPC and HTTP alike."""
    named = {f"churn-{r['revision']}": r["version"] for r in cluster.status["revisions"]}
    rules = cluster.objects["HTTPRoute", "churn"]["spec"]["rules"][:2]
    per_rule = [{ref["name"]: ref["weight"] for ref in rule["backendRefs"] if ref["weight"]} for rule in rules]
    assert all(rule == per_rule[0] for rule in per_rule)
    return {named[name]: weight for name, weight in per_rule[0].items()}


def test_a_canary_goes_from_step_to_step_and_the_old_version_stays_whole() -> None:
    cluster = canary()
    assert counts(cluster) == {"3": 4, "4": 1}
    assert shares(cluster) == {"3": 100}  # not before its pod answers correctly

    pods_come(cluster)
    assert shares(cluster) == {"3": 90, "4": 10}
    assert cluster.status["phase"] == "Paused"
    ready_now = cluster.condition("Ready")
    assert ready_now["reason"] == "Paused"
    assert ready_now["message"] == "4: step 2 of 4: pauses at 10 % until 12:05:00 UTC"
    assert cluster.selected() == cluster.status["stable"]["revision"]

    cluster.pass_time(minutes=5)
    goes_on(cluster)
    assert counts(cluster) == {"3": 4, "4": 2}
    assert shares(cluster) == {"3": 75, "4": 25}  # as much as one of two pods can carry
    pods_come(cluster)
    assert shares(cluster) == {"3": 50, "4": 50}
    assert "until promote/" in cluster.condition("Ready")["message"]

    cluster.pass_time(hours=24)  # nobody is in a hurry, and nothing is late
    goes_on(cluster)
    assert shares(cluster) == {"3": 50, "4": 50}

    cluster.request = f"promote/{cluster.status['candidate']['revision']}"
    goes_on(cluster)
    assert counts(cluster) == {"3": 4, "4": 4}
    assert shares(cluster) == {"3": 50, "4": 50}
    pods_come(cluster)
    assert shares(cluster) == {"4": 100}
    assert cluster.status["phase"] == "Soaking"
    assert cluster.status["stable"]["version"] == "4"
    assert counts(cluster) == {"3": 4, "4": 4}  # the way back

    cluster.pass_time(minutes=15)
    goes_on(cluster)
    assert cluster.status["phase"] == "Ready"
    assert counts(cluster) == {"4": 4}
    assert told(cluster)[-1] == "Promoted"


def test_what_a_step_without_a_share_waits_for_is_said_as_it_is() -> None:
    cluster = canary({"shadow": 50}, {"pause": {}}, {"weight": 50})
    assert counts(cluster) == {"3": 4, "4": 2}
    new = cluster.revision_named("4")

    cluster.kubelet(new, status=cluster.server_runs())
    cluster.settle()
    assert cluster.status["phase"] == "Verifying"
    cluster.kubelet(new)
    ready, pending = cluster.pods[f"{new}-0"], cluster.server_runs()
    cluster.kubelet(new, status={**pending, "containerStatuses": []})
    cluster.pods[f"{new}-0"] = ready
    cluster.settle()
    assert cluster.status["phase"] == "Starting"  # one answers, and the other is not even there

    cluster.kubelet(new)
    cluster.settle()
    assert cluster.status["phase"] == "Shifting"
    said = cluster.condition("Ready")
    assert said["reason"] == "Shifting"
    assert said["message"] == "4: answers correctly and waits for the gateway to take up step 1 of 3"

    cluster.gateway_answers(resolved="False", reason="BackendNotFound")
    cluster.settle()
    assert (cluster.status["phase"], cluster.condition("Ready")["reason"]) == ("Waiting", "RouteUnresolved")
    cluster.pass_time(minutes=11)
    cluster.settle()
    assert cluster.status["phase"] == "Stalled"

    goes_on(cluster)
    assert cluster.status["phase"] == "Paused"


def test_a_share_goes_back_as_pods_go_and_the_version_is_refused_when_its_pods_fail() -> None:
    cluster = canary({"weight": 50}, {"pause": {}})
    pods_come(cluster)
    assert shares(cluster) == {"3": 50, "4": 50}
    candidate = cluster.revision_named("4")

    cluster.objects["Deployment", candidate]["status"] = {"availableReplicas": 1, "replicas": 2}
    cluster.settle()
    assert shares(cluster) == {"3": 75, "4": 25}

    cluster.kubelet(candidate, status=cluster.server_ended(says("BackendDead", "the backend died")))
    goes_on(cluster)
    assert shares(cluster) == {"3": 100}
    assert cluster.status["refused"]["reason"] == "BackendDead"
    assert counts(cluster)["3"] == 4


def test_abort_takes_the_share_back_at_once_and_keeps_the_pods_while_connections_end() -> None:
    cluster = canary({"weight": 50}, {"pause": {}})
    pods_come(cluster)
    cluster.request = f"abort/{cluster.status['candidate']['revision']}"
    goes_on(cluster)
    assert shares(cluster) == {"3": 100}
    assert cluster.status["refused"]["reason"] == "Aborted"
    assert {r["version"]: r["state"] for r in cluster.status["revisions"]} == {"3": "Stable", "4": "Retiring"}
    cluster.pass_time(seconds=31)
    goes_on(cluster)
    assert counts(cluster) == {"3": 4}


def test_no_share_moves_while_the_route_is_not_accepted() -> None:
    cluster = canary()
    for name in cluster.deployments():
        cluster.kubelet(name)
    cluster.gateway_answers(accepted="False", reason="NotAllowedByListeners", message="no listener allows it")
    cluster.settle()
    assert shares(cluster) == {"3": 100}
    assert cluster.status["phase"] == "Waiting"
    said = cluster.condition("Ready")
    assert said["reason"] == "RouteNotAccepted"
    assert said["message"] == "Gateway gateways/inference: NotAllowedByListeners: no listener allows it"
    cluster.pass_time(minutes=11)
    cluster.settle()
    assert cluster.condition("Stalled")["status"] == "True"  # and not refused: it is not the version's fault

    goes_on(cluster)
    assert shares(cluster) == {"3": 90, "4": 10}


def test_nothing_is_promoted_before_the_gateway_has_taken_up_the_last_share() -> None:
    cluster = canary({"weight": 50})
    pods_come(cluster)
    for name in cluster.deployments():
        cluster.kubelet(name)
    cluster.settle()
    assert shares(cluster) == {"4": 100}
    assert cluster.status["stable"]["version"] == "3"
    assert counts(cluster) == {"3": 4, "4": 4}
    cluster.gateway_answers()
    cluster.settle()
    assert cluster.status["stable"]["version"] == "4"


def test_changed_steps_start_again() -> None:
    cluster = canary({"weight": 50}, {"pause": {}})
    pods_come(cluster)
    cluster.spec["rollout"]["canary"]["steps"] = [{"weight": 20}, {"pause": {}}]
    cluster.generation += 1
    goes_on(cluster)
    assert shares(cluster) == {"3": 80, "4": 20}


def test_paused_by_hand_it_keeps_its_share() -> None:
    cluster = canary({"weight": 50}, {"pause": {"duration": "1m"}})
    pods_come(cluster)
    cluster.request = f"pause/{cluster.status['candidate']['revision']}"
    goes_on(cluster)
    cluster.pass_time(hours=1)
    goes_on(cluster)
    assert shares(cluster) == {"3": 50, "4": 50}
    assert cluster.status["phase"] == "Paused"


def test_a_shadow_gets_copies_and_no_share() -> None:
    cluster = canary({"shadow": 20}, {"pause": {}}, {"weight": 10}, {"pause": {}})
    pods_come(cluster)
    assert shares(cluster) == {"3": 100}
    candidate = cluster.revision_named("4")
    rules = cluster.objects["HTTPRoute", "churn"]["spec"]["rules"]
    mirrors = [rule["filters"][-1]["requestMirror"] for rule in rules]
    assert mirrors == [{"backendRef": {"name": candidate, "port": port}, "percent": 20} for port in (8001, 8000)]
    cluster.request = f"promote/{cluster.status['candidate']['revision']}"
    goes_on(cluster)
    assert shares(cluster) == {"3": 90, "4": 10}


def test_a_shadow_copies_no_more_than_its_pods_can_answer() -> None:
    cluster = canary({"weight": 25}, {"shadow": 50}, {"pause": {}})
    pods_come(cluster)
    assert counts(cluster) == {"3": 4, "4": 3}  # for a quarter of the requests and copies of a half
    candidate = cluster.revision_named("4")
    assert mirrored_to(cluster) == {}  # one pod is there, and its share takes all of it
    cluster.kubelet(candidate)
    cluster.objects["Deployment", candidate]["status"] = {"availableReplicas": 2, "replicas": 3}
    goes_on(cluster)
    assert mirrored_to(cluster) == {candidate: 25}
    assert cluster.status["phase"] != "Paused"
    pods_come(cluster)
    assert mirrored_to(cluster) == {candidate: 50}
    assert cluster.status["phase"] == "Paused"


def mirrored_to(cluster: Toy) -> dict[str, int]:
    """Percent of the HTTP requests that are copied, by Service."""
    rule = cluster.objects["HTTPRoute", "churn"]["spec"]["rules"][1]
    mirrors = [f["requestMirror"] for f in rule.get("filters", []) if f["type"] == "RequestMirror"]
    return {mirror["backendRef"]["name"]: mirror["percent"] for mirror in mirrors}


def test_a_header_leads_to_the_candidate_as_soon_as_it_answers() -> None:
    cluster = canary(traffic={**GATEWAY, "candidateHeader": {"name": "x-candidate", "value": "yes"}})
    assert len(cluster.objects["HTTPRoute", "churn"]["spec"]["rules"]) == 2
    pods_come(cluster)
    by_header = cluster.objects["HTTPRoute", "churn"]["spec"]["rules"][2:]
    assert len(by_header) == 2
    for rule in by_header:
        assert rule["matches"][0]["headers"] == [{"name": "x-candidate", "value": "yes"}]
        assert [ref["name"] for ref in rule["backendRefs"]] == [cluster.revision_named("4")]


@pytest.mark.parametrize(
    ("replicas", "weight", "split"),
    [(1, 10, {"3": 1, "4": 1}), (4, 10, {"3": 3, "4": 1}), (4, 50, {"3": 2, "4": 2}), (10, 25, {"3": 7, "4": 3})],
)
def test_without_a_gateway_the_share_is_what_pods_allow(replicas: int, weight: int, split: dict[str, int]) -> None:
    cluster = canary({"weight": weight}, {"pause": {}}, replicas=replicas, traffic=None)
    for _ in range(12):
        pods_come(cluster)
    assert counts(cluster) == split
    assert not cluster.selected()
    assert cluster.status["phase"] == "Paused"
    assert "there is no traffic.gateway" in cluster.status["rollout"]["because"]

    cluster.request = f"promote/{cluster.status['candidate']['revision']}"
    for _ in range(12):
        pods_come(cluster)
    assert cluster.status["phase"] == "Soaking"
    assert counts(cluster)["4"] == replicas
    assert cluster.selected() == cluster.status["stable"]["revision"]


def test_a_newer_version_takes_the_share_over_from_a_canary_only_when_the_old_one_can_carry_it() -> None:
    cluster = canary({"weight": 50}, {"pause": {}})
    pods_come(cluster)
    cluster.edit(version="5")
    cluster.settle()
    cluster.resolve_job_ends()
    goes_on(cluster)
    assert shares(cluster) == {"3": 100}  # whole all the time
    pods_come(cluster)
    assert shares(cluster) == {"3": 50, "5": 50}
