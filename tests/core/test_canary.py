"""Canaries as stories on the simulator: shares step by step, through a gateway and without one."""

from typing import Any

import pytest

from slipway.core.children.route import ROUTES
from slipway.core.observed.route import ANSWERED_WITHIN
from slipway.core.plan import Apply
from slipway.triton.metrics import ModelMetrics
from tests.core.cluster.kubelet import says
from tests.core.cluster.scenario import (
    APART,
    ERRORS,
    GATEWAY,
    canary,
    carried,
    changing,
    counts,
    forget_jobs,
    goes_on,
    pods_come,
    ready,
    round_of,
    shares,
    told,
)
from tests.core.cluster.simulator import Simulator


@pytest.mark.parametrize("traffic", [GATEWAY, APART], ids=["one route", "a route for each protocol"])
def test_a_canary_goes_from_step_to_step_and_the_old_version_stays_whole(traffic: dict[str, Any]) -> None:
    cluster = canary(traffic=traffic)
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


def test_what_a_pause_asks_for_is_a_new_request_each_time() -> None:
    """The annotation of the pause before is still there, and the same text written again changes nothing."""
    cluster = canary({"weight": 10}, {"pause": {}}, {"weight": 20}, {"pause": {}}, {"weight": 30}, {"pause": {}})
    pods_come(cluster)
    revision = cluster.status["candidate"]["revision"]
    for step, text in ((2, f"promote/{revision}"), (4, f"promote/{revision}@2"), (6, f"promote/{revision}")):
        for _ in range(3):
            pods_come(cluster)
        asks = f"step {step} of 6: pauses at {step * 5} % until {text} is asked for"
        assert cluster.condition("Ready")["message"] == f"4: {asks}"
        assert cluster.request != text
        cluster.request = text
        goes_on(cluster)
    pods_come(cluster)
    assert shares(cluster) == {"4": 100}


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

    cluster.pass_time(seconds=11)
    cluster.settle()
    assert (cluster.status["phase"], cluster.condition("Ready")["reason"]) == ("Waiting", "GatewayNotFound")
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


TROUBLE = [
    ({"there": False}, "GatewayNotFound", "Gateway gateways/inference is not there"),
    (
        {"type": "Programmed", "status": "False", "reason": "NoResources", "message": "no proxy"},
        "GatewayNotReady",
        "Gateway gateways/inference: Programmed is False: NoResources: no proxy",
    ),
]


@pytest.mark.parametrize(("trouble", "reason", "says"), TROUBLE)
def test_in_the_middle_no_share_moves_while_the_gateway_is_gone_or_unfit_whatever_somebody_asks(
    trouble: dict[str, Any], reason: str, says: str
) -> None:
    cluster = canary({"weight": 50}, {"pause": {}}, {"weight": 80}, {"pause": {}}, standbyDuration="0s")
    cluster.has_gateway()
    pods_come(cluster)
    assert shares(cluster) == {"3": 50, "4": 50}

    cluster.has_gateway(**trouble)
    cluster.settle()
    said = cluster.condition("Ready")
    assert said["reason"] == reason  # and not that it pauses
    assert says in said["message"]
    assert cluster.status["phase"] == "Waiting"
    assert cluster.condition("Available")["status"] == "True"

    before = counts(cluster)
    cluster.request = f"promote/{cluster.status['candidate']['revision']}"
    pods_come(cluster)
    cluster.pass_time(minutes=11)
    pods_come(cluster)
    assert shares(cluster) == {"3": 50, "4": 50}
    assert {version: share for version, share in told_shares(cluster).items() if share} == {"3": 50, "4": 50}
    assert counts(cluster) == before
    assert cluster.condition("Ready")["reason"] == reason
    assert cluster.condition("Stalled")["status"] == "True"
    assert "refused" not in cluster.status

    cluster.has_gateway()
    goes_on(cluster)
    pods_come(cluster)
    assert shares(cluster) == {"3": 20, "4": 80}
    cluster.request = f"promote/{cluster.status['candidate']['revision']}@2"
    pods_come(cluster)
    pods_come(cluster)
    assert shares(cluster) == {"4": 100}
    assert cluster.status["phase"] == "Ready"


def told_shares(cluster: Simulator) -> dict[str, int]:
    """Percent by version, as status has it."""
    return {r["version"]: r["share"] for r in cluster.status["revisions"]}


def test_a_pause_that_would_end_while_the_gateway_is_gone_moves_no_share_and_goes_on_with_it() -> None:
    cluster = canary({"weight": 10}, {"pause": {"duration": "5m"}}, {"weight": 50}, {"pause": {}})
    cluster.has_gateway()
    pods_come(cluster)
    cluster.has_gateway(there=False)
    cluster.settle()
    cluster.pass_time(minutes=6)
    pods_come(cluster)
    assert shares(cluster) == {"3": 90, "4": 10}
    assert counts(cluster) == {"3": 4, "4": 1}
    cluster.has_gateway()
    goes_on(cluster)
    assert shares(cluster) == {"3": 90, "4": 10}
    assert cluster.status["phase"] == "Paused"
    cluster.pass_time(minutes=5)
    goes_on(cluster)
    pods_come(cluster)
    assert shares(cluster) == {"3": 50, "4": 50}


def test_while_the_gateway_is_gone_a_share_goes_back_that_no_pod_can_carry() -> None:
    cluster = canary({"weight": 50}, {"pause": {}})
    cluster.has_gateway()
    pods_come(cluster)
    cluster.has_gateway(there=False)
    cluster.objects["Deployment", cluster.revision_named("4")]["status"] = {"availableReplicas": 1, "replicas": 2}
    cluster.settle()
    assert shares(cluster) == {"3": 75, "4": 25}


def test_while_the_gateway_is_gone_a_canary_can_be_sent_home_and_the_wait_for_it_is_named() -> None:
    cluster = canary({"weight": 50}, {"pause": {}})
    cluster.has_gateway()
    pods_come(cluster)
    cluster.has_gateway(there=False)
    cluster.request = f"abort/{cluster.status['candidate']['revision']}"
    goes_on(cluster)
    assert shares(cluster) == {"3": 100}
    assert cluster.status["phase"] == "RollingBack"
    assert cluster.condition("Ready")["reason"] == "GatewayNotFound"
    cluster.has_gateway()
    goes_on(cluster)
    assert cluster.status["refused"]["reason"] == "Aborted"
    assert cluster.status["phase"] == "Refused"


def test_a_gateways_controller_that_falls_silent_is_named_and_no_share_counts_until_it_answers() -> None:
    cluster = canary({"weight": 10}, {"pause": {}}, {"weight": 50}, {"pause": {}})
    cluster.has_gateway()
    pods_come(cluster)
    cluster.request = f"promote/{cluster.status['candidate']['revision']}"
    cluster.settle()
    for name in cluster.deployments():
        cluster.kubelet(name)
    cluster.settle()  # the route is written, and nobody answers
    assert cluster.status["phase"] == "Shifting"
    cluster.pass_time(seconds=10)
    cluster.settle()
    said = cluster.condition("Ready")
    assert said["reason"] == "GatewayNotReady"
    generation = cluster.objects["HTTPRoute", "churn"]["metadata"]["generation"]
    assert (
        f"envoy.example/controller has not answered for generation {generation} of HTTPRoute churn" in said["message"]
    )
    assert told_shares(cluster) == {"3": 90, "4": 10}
    goes_on(cluster)
    assert told_shares(cluster) == {"3": 50, "4": 50}
    assert cluster.status["phase"] == "Paused"


def test_whoever_writes_a_route_looks_again_whether_it_was_answered() -> None:
    cluster = ready(replicas=1, traffic=GATEWAY)
    cluster.has_gateway()
    cluster.gateway_answers()
    cluster.settle()
    cluster.spec["traffic"] = {**GATEWAY, "timeouts": {"request": "5s"}}
    cluster.generation += 1
    assert cluster.reconcile().wake_at == cluster.now
    assert cluster.reconcile().wake_at == cluster.now + ANSWERED_WITHIN
    assert cluster.status["phase"] == "Ready"  # nobody is worried yet
    cluster.pass_time(seconds=10)
    cluster.reconcile()
    assert cluster.condition("Ready")["reason"] == "GatewayNotReady"


@pytest.mark.parametrize(
    "rollout",
    [
        {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}},
        {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}},
        {"type": "Recreate"},
        {"type": "BlueGreen"},
    ],
    ids=lambda rollout: rollout["type"],
)
def test_whatever_the_type_what_serves_keeps_its_pods_and_shares_while_the_gateway_is_gone(
    rollout: dict[str, Any],
) -> None:
    cluster = ready(replicas=4, rollout=rollout, traffic=GATEWAY)
    cluster.has_gateway(there=False)
    cluster.gateway_answers()
    cluster.settle()
    cluster.edit(version="4")
    for _ in range(6):
        cluster.settle()
        if any(kind == "Job" and not job["status"] for (kind, _), job in cluster.objects.items()):
            cluster.resolve_job_ends()
        pods_come(cluster)
    assert shares(cluster) == {"3": 100}
    assert counts(cluster)["3"] == 4
    assert cluster.condition("Ready")["reason"] == "GatewayNotFound"

    cluster.has_gateway()
    for _ in range(12):
        if shares(cluster) != {"4": 100}:
            cluster.pass_time(seconds=31)
            pods_come(cluster)
    assert shares(cluster) == {"4": 100}


def test_a_rolling_update_stands_still_in_the_middle_while_the_gateway_is_gone() -> None:
    cluster = ready(replicas=4, rollout={"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}, traffic=GATEWAY)
    cluster.has_gateway()
    cluster.gateway_answers()
    cluster.starts("4")
    pods_come(cluster)
    middle, pods = shares(cluster), counts(cluster)
    assert len(middle) == 2
    cluster.has_gateway(there=False)
    for _ in range(6):
        pods_come(cluster)
    assert shares(cluster) == middle
    assert sum(counts(cluster).values()) == 5
    assert counts(cluster)["3"] == pods["3"]


def answers_one(cluster: Simulator, kind: str) -> None:
    """A gateway's controller takes up one of the routes."""
    other = cluster.objects.pop(("GRPCRoute" if kind == "HTTPRoute" else "HTTPRoute", "churn"))
    cluster.gateway_answers()
    cluster.objects[other["kind"], "churn"] = other


@pytest.mark.parametrize("first", ["HTTPRoute", "GRPCRoute"])
def test_a_share_counts_when_both_routes_were_taken_up(first: str) -> None:
    cluster = canary(traffic=APART)
    for name in cluster.deployments():
        cluster.kubelet(name)
    cluster.settle()
    assert shares(cluster) == {"3": 90, "4": 10}  # in one pass
    answers_one(cluster, first)
    cluster.settle()
    assert told_shares(cluster) == {"3": 100, "4": 0}
    assert cluster.status["phase"] == "Shifting"
    goes_on(cluster)
    assert told_shares(cluster) == {"3": 90, "4": 10}
    assert cluster.status["phase"] == "Paused"


def test_a_pass_that_is_cut_off_between_two_routes_is_made_good_and_nothing_counts_before() -> None:
    cluster = canary(traffic=APART)
    for name in cluster.deployments():
        cluster.kubelet(name)
    kinds = [action.manifest["kind"] for action in cluster.plan().actions if isinstance(action, Apply)]
    cluster.reconcile(writes=2 + kinds.index("HTTPRoute"))
    cluster.gateway_answers()
    weights = [cluster.objects[kind, "churn"]["spec"]["rules"][0]["backendRefs"][0]["weight"] for kind in ROUTES]
    assert weights == [90, 100]

    cluster.reconcile()
    assert told_shares(cluster) == {"3": 100, "4": 0}
    assert cluster.status["phase"] == "Shifting"
    goes_on(cluster)
    assert told_shares(cluster) == shares(cluster) == {"3": 90, "4": 10}


@pytest.mark.parametrize(("missing", "reason"), [("unknown", "GatewayApiMissing"), ("unlisted", "Forbidden")])
def test_a_cluster_without_grpc_routes_says_so_and_no_share_moves(missing: str, reason: str) -> None:
    cluster = canary({"weight": 50}, {"pause": {}}, traffic=APART)
    del cluster.objects["GRPCRoute", "churn"]
    setattr(cluster, missing, frozenset({"GRPCRoute"}))
    pods_come(cluster)
    refs = cluster.objects["HTTPRoute", "churn"]["spec"]["rules"][0]["backendRefs"]
    assert [ref["name"] for ref in refs if ref["weight"]] == [cluster.revision_named("3")]
    said = cluster.condition("Ready")
    assert said["reason"] == reason
    assert "traffic.grpcRoute" in said["message"]
    assert ("GRPCRoute", "churn") not in cluster.objects


def test_a_grpc_route_goes_when_it_is_no_longer_asked_for() -> None:
    cluster = canary(traffic=APART)
    pods_come(cluster)
    assert len(cluster.objects["HTTPRoute", "churn"]["spec"]["rules"]) == 1
    cluster.spec["traffic"] = GATEWAY
    cluster.generation += 1
    goes_on(cluster)
    assert ("GRPCRoute", "churn") not in cluster.objects
    assert len(cluster.objects["HTTPRoute", "churn"]["spec"]["rules"]) == 2


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


def mirrored_to(cluster: Simulator) -> dict[str, int]:
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
    assert "there is no traffic.gateway" in cluster.status["rollout"]["strategy"]["message"]

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


@pytest.mark.parametrize("hidden", [("HTTPRoute",), ("GRPCRoute",), ROUTES], ids=", ".join)
def test_a_route_that_may_not_be_seen_any_more_still_reaches_whom_it_was_known_to_reach(
    hidden: tuple[str, ...],
) -> None:
    cluster = canary({"weight": 50}, {"pause": {}}, traffic=APART)
    pods_come(cluster)
    assert told_shares(cluster) == {"3": 50, "4": 50}
    before = counts(cluster)

    cluster.unlisted = frozenset(hidden)  # taken from the operator's role
    cluster.edit(version="3")
    for _ in range(4):
        goes_on(cluster)
        cluster.pass_time(days=1)
    assert counts(cluster) == before
    assert told_shares(cluster) == {"3": 50, "4": 50}
    assert cluster.condition("Ready")["reason"] == "Forbidden"

    cluster.unlisted = frozenset()
    for _ in range(4):
        goes_on(cluster)
        cluster.pass_time(minutes=5)
    cluster.settle()
    assert counts(cluster) == {"3": 4}
    assert shares(cluster) == {"3": 100}


def test_a_gateway_that_takes_no_timeouts_is_told_with_the_way_to_leave_them_out() -> None:
    cluster = ready(traffic=GATEWAY)
    cluster.gateway_answers(accepted="False", reason="UnsupportedValue", message="timeouts is not supported")
    cluster.settle()
    said = cluster.condition("Ready")
    assert said["reason"] == "RouteNotAccepted"
    assert said["message"].endswith("leave them out of the route by traffic.timeouts: {}")

    cluster.spec["traffic"] = {**GATEWAY, "timeouts": {}}
    cluster.generation += 1
    cluster.settle()
    assert not any("timeouts" in rule for rule in cluster.objects["HTTPRoute", "churn"]["spec"]["rules"])


@pytest.mark.parametrize(
    ("replicas", "weight", "share"), [(1, 10, 50), (2, 10, 50), (3, 50, 67), (4, 10, 25), (10, 10, 10), (4, 90, 75)]
)
def test_without_a_gateway_people_are_told_the_share_that_the_pods_make(replicas: int, weight: int, share: int) -> None:
    cluster = canary({"weight": weight}, {"pause": {}}, replicas=replicas, traffic=None)
    for _ in range(8):
        pods_come(cluster)
    (candidate,) = (known for known in cluster.status["revisions"] if known["state"] == "Candidate")
    assert abs(candidate["share"] - share) <= 1  # what rounding lost goes to the larger one
    said = f"{candidate['share']} %" + (f" (weight: {weight})" if candidate["share"] != weight else "")
    assert f"pauses at {said} until promote/" in cluster.condition("Ready")["message"]
    assert ("Paused", cluster.condition("Ready")["message"]) in cluster.events
    assert f"weight: {weight} is " in cluster.status["rollout"]["strategy"]["message"]


def test_without_a_gateway_an_analysis_speaks_of_the_share_that_the_pods_make() -> None:
    limits = {"interval": "1m", "count": 2, "metrics": [ERRORS]}
    cluster = canary({"weight": 10}, {"analysis": "Inline"}, replicas=2, traffic=None, analysis=limits)
    for _ in range(6):
        pods_come(cluster)
    assert "analysis at 50 % (weight: 10): " in cluster.condition("Ready")["message"]
    cluster.looks(metrics={"3": ModelMetrics(), "4": ModelMetrics()})
    goes_on(cluster)
    round_of(cluster, succeeded=900, failed=100)
    assert ": at 50 % (weight: 10): " in cluster.status["refused"]["message"]
    assert ": at 50 % (weight: 10): " in next(words for reason, words in cluster.events if reason == "AnalysisFailed")


@pytest.mark.parametrize("traffic", [GATEWAY, None], ids=["gateway", "pods"])
@pytest.mark.parametrize(
    "rollout",
    [
        {"type": "Canary", "canary": {"steps": [{"weight": 10}, {"pause": {}}], "standbyDuration": "1m"}},
        {"type": "BlueGreen", "blueGreen": {"beforeSwitch": [{"pause": {}}], "standbyDuration": "1m"}},
    ],
    ids=["canary", "blue-green"],
)
def test_a_rollback_that_a_person_asks_for_skips_the_steps_and_keeps_what_serves_whole(
    rollout: dict[str, Any], traffic: dict[str, Any] | None
) -> None:
    cluster = changing(rollout, traffic=traffic)
    if traffic:
        cluster.has_gateway()
    for _ in range(3):
        pods_come(cluster)
    cluster.request = f"promote/{cluster.status['candidate']['revision']}"
    for _ in range(6):
        pods_come(cluster)
    for _ in range(3):
        cluster.pass_time(minutes=30)
        goes_on(cluster)
    forget_jobs(cluster)
    assert [(known["version"], known["state"]) for known in cluster.status["revisions"]] == [("4", "Stable")]

    cluster.request = f"rollback/{cluster.status['stable']['revision']}"
    goes_on(cluster)
    assert cluster.selected() == cluster.status["stable"]["revision"]  # nobody reaches a pod that has not answered
    for _ in range(8):
        assert carried(cluster) >= 4
        pods_come(cluster)
    assert cluster.status["stable"]["version"] == "3"
    assert "candidate" not in cluster.status
    if traffic:
        assert shares(cluster) == {"3": 100}
    assert cluster.selected() == cluster.status["stable"]["revision"]


@pytest.mark.parametrize("traffic", [None, GATEWAY])
def test_a_canary_gives_its_share_back_where_what_superseded_it_is_sent_home_before_it_is_resolved(
    traffic: dict[str, Any] | None,
) -> None:
    cluster = canary({"weight": 25}, {"pause": {}}, traffic=traffic)
    pods_come(cluster)
    goes_on(cluster)
    assert len(cluster.status["traffic"]) == 2
    cluster.edit(version="5")
    goes_on(cluster)
    cluster.request = f"abort/{cluster.status['candidate']['ask'][:8]}"
    for _ in range(3):
        goes_on(cluster)
        pods_come(cluster)
        cluster.pass_time(hours=1)
    assert (cluster.status["phase"], cluster.status["refused"]["version"]) == ("Refused", "5")
    assert [each["revision"] for each in cluster.status["traffic"]] == [cluster.status["stable"]["revision"]]
    assert counts(cluster) == {"3": 4}


@pytest.mark.parametrize("traffic", [None, GATEWAY])
def test_a_superseded_canary_that_keeps_its_share_is_told_of_while_its_successor_cannot_be_resolved(
    traffic: dict[str, Any] | None,
) -> None:
    cluster = canary({"weight": 25}, {"pause": {}}, traffic=traffic)
    pods_come(cluster)
    goes_on(cluster)
    keeps = "4 keeps 25 % of the traffic, asked for no more, until 5 can take it"
    assert keeps not in cluster.condition("Ready")["message"]
    cluster.edit(version="5")
    goes_on(cluster)
    assert cluster.condition("Reconciling")["message"].endswith(f"; {keeps}")
    cluster.resolve_job_ends(says("BundleInvalid", "golden/a.json: none"), exit_code=1)
    goes_on(cluster)
    assert cluster.condition("Stalled")["message"].endswith(f"golden/a.json: none; {keeps}")
    cluster.edit(version="3")
    goes_on(cluster)
    pods_come(cluster)
    assert keeps not in cluster.condition("Ready")["message"]
