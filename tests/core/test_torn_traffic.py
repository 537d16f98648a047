"""What is torn in the middle of a rollout: who answers clients stays what was decided, until it can safely move."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from slipway.core.names import REVISION
from slipway.triton.metrics import ModelMetrics
from tests.core.cluster.scenario import (
    ERRORS,
    GATEWAY,
    canary,
    changing,
    counts,
    goes_on,
    pods_come,
    ready,
    shares,
    told,
)
from tests.core.cluster.simulator import Simulator


def partly(cluster: Simulator, version: str, available: int) -> None:
    """So many of a version's pods are ready, the others load."""
    name = cluster.revision_named(version)
    cluster.kubelet(name)
    count = cluster.objects["Deployment", name]["spec"]["replicas"]
    for number in range(available, count):
        cluster.pods[f"{name}-{number}"]["status"] = cluster.server_runs()
    cluster.objects["Deployment", name]["status"] = {"availableReplicas": available, "replicas": count}


def candidate(cluster: Simulator) -> str:
    revision: str = cluster.status["candidate"]["revision"]
    return revision


TYPES: dict[str, dict[str, Any]] = {
    "rolling": {"type": "RollingUpdate"},
    "blue-green": {"type": "BlueGreen"},
    "canary by pods": {"type": "Canary", "canary": {"steps": [{"weight": 25}, {"pause": {}}]}},
}


def deleted(cluster: Simulator) -> None:
    del cluster.objects["Service", "churn"]


def turned(cluster: Simulator) -> None:
    cluster.objects["Service", "churn"]["spec"]["selector"] = {"serving.slipway.dev/revision": "deadbeef"}


def emptied(cluster: Simulator) -> None:
    cluster.objects["Service", "churn"]["spec"]["selector"] = {}


@pytest.mark.parametrize("torn", [deleted, turned, emptied])
@pytest.mark.parametrize("rollout", TYPES.values(), ids=TYPES)
def test_a_root_service_that_is_torn_is_put_back_and_takes_no_pod_from_what_serves(
    rollout: dict[str, Any], torn: Any
) -> None:
    cluster = ready(replicas=4, rollout=rollout)
    cluster.starts("4")
    old, before = cluster.revision_named("3"), counts(cluster)["3"]
    torn(cluster)
    cluster.settle()
    assert cluster.objects["Service", "churn"]["spec"]["selector"]["serving.slipway.dev/revision"] in old
    assert counts(cluster)["3"] == before
    assert "Promoted" not in told(cluster)[2:]
    assert cluster.status["stable"]["version"] == "3"


@pytest.mark.parametrize("traffic", [GATEWAY, None], ids=["gateway", "by pods"])
def test_a_stable_deployment_that_is_deleted_comes_back_and_nobody_is_promoted_for_it(
    traffic: dict[str, Any] | None,
) -> None:
    cluster = canary({"weight": 10}, {"pause": {}}, traffic=traffic)
    for _ in range(4):
        pods_come(cluster)
    old = cluster.revision_named("3")
    del cluster.objects["Deployment", old]
    cluster.pods = {name: pod for name, pod in cluster.pods.items() if not name.startswith(old)}
    for _ in range(3):  # the watch tells of the Deployment that is there again
        cluster.reconcile()
    goes_on(cluster)
    assert cluster.status["stable"]["version"] == "3"
    assert old in cluster.deployments()


def test_a_canary_that_is_called_off_while_a_stable_pod_is_missing_gets_no_more_traffic() -> None:
    cluster = canary({"weight": 10}, {"pause": {}})
    pods_come(cluster)
    partly(cluster, "3", 3)
    goes_on(cluster)
    cluster.request = f"abort/{candidate(cluster)}"
    goes_on(cluster)
    assert shares(cluster).get("4", 0) <= 10
    assert cluster.selected() == cluster.status["stable"]["revision"]


def asks_for_a_fix(cluster: Simulator) -> None:
    cluster.edit(version="5")


def pauses(cluster: Simulator) -> None:
    cluster.request = f"pause/{candidate(cluster)}"


def calls_off(cluster: Simulator) -> None:
    cluster.request = f"abort/{candidate(cluster)}"


def does_nothing(cluster: Simulator) -> None:
    pass


def reverts(cluster: Simulator) -> None:
    cluster.edit(version="3")


def falls_silent(cluster: Simulator) -> None:
    cluster.has_gateway()
    cluster.settle()
    cluster.has_gateway(there=False)


def breaches_its_limit(cluster: Simulator) -> None:
    """Its pods count errors."""
    for number in (1, 2):
        cluster.pass_time(minutes=1)
        stable, errors = ModelMetrics(succeeded=90.0 * number), ModelMetrics(failed={"BACKEND": 10.0 * number})
        cluster.looks(metrics={"3": stable, "4": errors})
        cluster.settle()


MEANWHILE: dict[Callable[[Simulator], None], str] = {
    reverts: "RollingBack",
    falls_silent: "GatewayNotFound",
    breaches_its_limit: "AnalysisFailed",
    calls_off: "Aborted",
    asks_for_a_fix: "Resolving",
    pauses: "Paused",
}
"""What may happen while a stable pod is missing, and the reason that Ready has for it."""


@pytest.mark.parametrize("full", [False, True], ids=["part", "fullSize"])
@pytest.mark.parametrize(("does", "reason"), MEANWHILE.items(), ids=[does.__name__ for does in MEANWHILE])
def test_a_candidate_at_ten_percent_gets_no_more_while_a_stable_pod_is_missing(
    does: Callable[[Simulator], None], reason: str, full: bool
) -> None:
    """Neither at once, nor while others of its pods get ready, nor when stable is whole again."""
    # given: a canary at 10 %, in an analysis, and a pod of the stable version goes
    analysis = {"interval": "1m", "count": 2, "metrics": [ERRORS]}
    cluster = canary({"weight": 10}, {"analysis": "Inline"}, {"pause": {}}, analysis=analysis, fullSize=full)
    pods_come(cluster)
    cluster.looks(metrics={"3": ModelMetrics(), "4": ModelMetrics()})
    goes_on(cluster)
    assert shares(cluster) == {"3": 90, "4": 10}
    partly(cluster, "3", 3)
    goes_on(cluster)

    # when: this happens
    does(cluster)

    # then: at every pass its share is 10 % at most, and the Service reaches what serves, and nothing else
    stable, reasons = cluster.status["stable"]["revision"], set()
    for whole in (False, True, True):
        for name in cluster.deployments():
            if whole or name != f"churn-{stable}":
                cluster.kubelet(name)
        for _ in range(5):
            cluster.reconcile()
            reasons.add(cluster.condition("Ready")["reason"])
            assert shares(cluster).get("4", 0) <= 10
            assert cluster.selected() == stable
            if does is not falls_silent:
                cluster.gateway_answers()
        cluster.pass_time(seconds=20)
    assert reason in reasons, cluster.status


BLUE_GREEN: dict[str, Any] = {"type": "BlueGreen", "blueGreen": {"afterSwitch": [{"pause": {}}]}}
HALF: dict[str, Any] = {"type": "Canary", "canary": {"steps": [{"weight": 50}, {"pause": {}}]}}


@pytest.mark.parametrize("left", [1, 0])
@pytest.mark.parametrize("does", [does_nothing, asks_for_a_fix, pauses, calls_off])
@pytest.mark.parametrize("rollout", [BLUE_GREEN, HALF], ids=["blue-green", "canary"])
def test_a_share_that_neither_can_carry_stays_where_it_is(rollout: dict[str, Any], does: Any, left: int) -> None:
    """A candidate that loses pods hands nothing to a stable version that has none."""
    cluster = changing(rollout)
    for _ in range(4):
        pods_come(cluster)
    before = shares(cluster)
    partly(cluster, "3", 0)
    goes_on(cluster)
    does(cluster)
    goes_on(cluster)
    partly(cluster, "4", left)
    goes_on(cluster)
    assert shares(cluster) == before


def test_a_share_that_the_candidate_can_not_carry_goes_to_stable_as_far_as_that_can() -> None:
    cluster = changing(BLUE_GREEN)
    for _ in range(4):
        pods_come(cluster)
    partly(cluster, "3", 2)
    goes_on(cluster)
    partly(cluster, "4", 1)
    goes_on(cluster)
    assert shares(cluster) == {"3": 50, "4": 50}
    partly(cluster, "4", 0)
    goes_on(cluster)
    assert shares(cluster) == {"3": 100}


@pytest.mark.parametrize("full", [False, True])
def test_while_a_fix_resolves_the_canary_before_it_keeps_the_share_that_was_decided(full: bool) -> None:
    cluster = canary({"weight": 10}, {"pause": {}}, fullSize=full)
    pods_come(cluster)
    cluster.edit(version="5")
    goes_on(cluster)
    assert shares(cluster).get("4", 0) <= 10
    assert cluster.selected() == cluster.status["stable"]["revision"]


def test_autoscaling_that_is_added_in_the_middle_takes_no_capacity() -> None:
    cluster = ready(replicas=8)
    cluster.starts("4")
    for _ in range(2):
        for name in cluster.deployments():
            cluster.kubelet(name)
        cluster.settle()
    cluster.spec["autoscaling"] = {"minReplicas": 1, "maxReplicas": 20, "metrics": [{"type": "Resource"}]}
    cluster.settle()
    assert cluster.status["replicas"] == 8
    assert cluster.status["stable"]["version"] == "3"


@pytest.mark.parametrize("after", [2, 1])
def test_a_canary_by_pods_is_not_promoted_past_its_pause_by_scaling(after: int) -> None:
    cluster = canary({"weight": 25}, {"pause": {}}, replicas=8, traffic=None)
    for _ in range(6):
        pods_come(cluster)
    cluster.spec["replicas"] = after
    cluster.generation += 1
    for _ in range(4):
        pods_come(cluster)
    assert cluster.status["stable"]["version"] == "3"
    assert cluster.status["phase"] == "Paused"


@pytest.mark.parametrize(("first", "then", "expected"), [(3, 9, {"3": 6, "4": 3}), (3, 30, {"3": 20, "4": 10})])
def test_a_canary_by_pods_keeps_its_share_when_it_is_scaled_up(first: int, then: int, expected: dict[str, int]) -> None:
    cluster = canary({"weight": 34}, {"pause": {}}, replicas=first, traffic=None)
    for _ in range(5):
        pods_come(cluster)
    cluster.spec["replicas"] = then
    for _ in range(12):
        pods_come(cluster)
    assert counts(cluster) == expected


def test_after_a_sleep_the_old_version_gets_its_pods_back_first() -> None:
    cluster = canary({"weight": 25}, {"pause": {}}, replicas=4, traffic=None)
    for _ in range(5):
        pods_come(cluster)
    cluster.spec["suspend"] = True
    cluster.settle()
    cluster.spec["suspend"] = False
    for _ in range(6):
        pods_come(cluster)
    assert counts(cluster) == {"3": 3, "4": 1}


def test_standby_that_somebody_ends_keeps_its_pods_for_the_drain() -> None:
    cluster = ready(replicas=2, rollout={"type": "BlueGreen"})
    cluster.starts("4")
    cluster.kubelet(cluster.revision_named("4"))
    cluster.settle()
    cluster.pass_time(seconds=1)
    cluster.request = f"promote/{cluster.status['stable']['revision']}"
    cluster.settle()
    assert counts(cluster) == {"3": 2, "4": 2}
    cluster.pass_time(seconds=31)
    cluster.settle()
    assert counts(cluster) == {"4": 2}


@pytest.mark.parametrize("away", [40, 90, 3600])
def test_a_version_whose_drain_was_over_while_no_operator_looked_goes_once_one_has(away: int) -> None:
    """S4: what its pods counted meanwhile nobody knows."""
    cluster = ready(replicas=2)
    cluster.starts("4")
    cluster.rolls_on()
    assert counts(cluster)["3"] > 0
    cluster.pass_time(seconds=away)
    cluster.watched_since = cluster.now
    cluster.evidence = {}
    plan = cluster.settle()
    assert "3" in counts(cluster)
    assert plan.wake_at is not None
    assert cluster.now < plan.wake_at <= cluster.now + timedelta(seconds=30)
    cluster.pass_time(seconds=31)
    cluster.settle()
    assert counts(cluster) == {"4": 2}


def test_an_operator_that_starts_again_and_again_writes_nothing_by_it_while_a_version_drains() -> None:
    cluster = ready(replicas=2)
    cluster.starts("4")
    cluster.rolls_on()
    for _ in range(10):
        cluster.pass_time(seconds=7)
        cluster.watched_since, cluster.evidence = cluster.now, {}
        before = cluster.status
        cluster.settle()
        assert cluster.status == before, "one that dies at each write would never get any further"
    cluster.pass_time(seconds=31)
    cluster.settle()
    assert counts(cluster) == {"4": 2}


def test_a_type_that_changes_in_the_middle_leaves_callers_the_pods_that_they_have() -> None:
    cluster = ready(replicas=4, rollout={"type": "RollingUpdate"}, traffic=GATEWAY)
    cluster.gateway_answers()
    cluster.starts("4")
    for _ in range(3):
        pods_come(cluster)
    cluster.spec["rollout"] = {"type": "Canary", "canary": {"steps": [{"weight": 10}, {"pause": {}}]}}
    cluster.reconcile()
    reached = cluster.selected()
    names = [f"churn-{reached}"] if reached else list(cluster.deployments())
    carried = sum(cluster.objects["Deployment", name]["status"].get("availableReplicas", 0) for name in names)
    assert carried >= 4


STEPLESS: list[dict[str, Any]] = [{"type": "RollingUpdate"}, {"type": "Auto"}, {"type": "BlueGreen"}]


@pytest.mark.parametrize("rollout", STEPLESS, ids=lambda rollout: str(rollout["type"]))
@pytest.mark.parametrize("traffic", [GATEWAY, None], ids=["gateway", "by pods"])
def test_a_type_without_steps_forgets_those_that_a_canary_had_made(
    traffic: dict[str, Any] | None, rollout: dict[str, Any]
) -> None:
    """M2: its deadline counts, and a pause by hand brings back no share of a step."""
    cluster = canary({"weight": 10}, {"pause": {}}, traffic=traffic)
    for _ in range(3):
        pods_come(cluster)
    cluster.spec["rollout"] = rollout
    cluster.settle()
    assert "canary" not in cluster.status["rollout"]
    assert cluster.status["rollout"]["strategy"]["type"] != "Canary"
    partly(cluster, "4", 1)
    goes_on(cluster)
    cluster.request = f"pause/{candidate(cluster)}"
    goes_on(cluster)
    assert "canary" not in cluster.status["rollout"]
    cluster.request = f"resume/{candidate(cluster)}"
    goes_on(cluster)
    cluster.pass_time(minutes=45)
    goes_on(cluster)
    assert cluster.status["refused"]["reason"] == "DeadlineExceeded"


def test_a_pause_that_is_over_while_the_gateway_is_unfit_asks_for_no_pass_at_once() -> None:
    cluster = canary({"weight": 10}, {"pause": {"duration": "5m"}}, {"weight": 50})
    cluster.has_gateway()
    pods_come(cluster)
    cluster.has_gateway(there=False)
    cluster.pass_time(minutes=6)
    cluster.settle()
    plan = cluster.reconcile()
    assert plan.wake_at is None or plan.wake_at > cluster.now
    assert cluster.condition("Ready")["reason"] == "GatewayNotFound"


def test_woken_after_a_long_sleep_it_is_given_its_time() -> None:
    cluster = ready(replicas=2)
    cluster.spec["suspend"] = True
    cluster.settle()
    cluster.pass_time(days=1)
    cluster.spec["suspend"] = False
    cluster.settle()
    assert cluster.condition("Stalled")["status"] == "False"


HEADER = {**GATEWAY, "candidateHeader": {"name": "x-candidate", "value": "1"}}


def _reverts(cluster: Simulator) -> None:
    cluster.edit(version="3")


def _reverts_without_header(cluster: Simulator) -> None:
    cluster.spec["traffic"] = GATEWAY
    cluster.edit(version="3")


def _reverts_without_gateway(cluster: Simulator) -> None:
    cluster.spec.pop("traffic")
    cluster.edit(version="3")


def _asks_for_another_without_header(cluster: Simulator) -> None:
    cluster.spec["traffic"] = GATEWAY
    cluster.edit(version="5")


def _takes_the_header_off_first(cluster: Simulator) -> None:
    cluster.spec["traffic"] = GATEWAY
    cluster.generation += 1
    goes_on(cluster)
    cluster.pass_time(seconds=1)
    cluster.edit(version="3")


@pytest.mark.parametrize(
    "ends",
    [
        _reverts,
        _reverts_without_header,
        _reverts_without_gateway,
        _asks_for_another_without_header,
        _takes_the_header_off_first,
    ],
)
def test_a_candidate_that_a_header_led_to_drains_however_that_ends(ends: Callable[[Simulator], None]) -> None:
    cluster = canary({"weight": 0}, {"pause": {}}, traffic=HEADER)
    for _ in range(4):
        pods_come(cluster)
    name = cluster.revision_named("4")
    ends(cluster)
    goes_on(cluster)
    deployment = cluster.deployments().get(name, {"spec": {"replicas": 0}})
    assert deployment["spec"]["replicas"] > 0, "requests with the header may be under way still"
    for _ in range(3):
        cluster.pass_time(seconds=31)
        goes_on(cluster)
    assert name not in cluster.deployments()


def reached(cluster: Simulator) -> dict[str, int]:
    """Ready pods by version that the root Service selects."""
    selector = cluster.objects["Service", "churn"]["spec"]["selector"].items()
    versions = {f"churn-{entry['revision']}": entry["version"] for entry in cluster.status["revisions"]}
    found: dict[str, int] = {}
    for name, pod in cluster.pods.items():
        ready = {"type": "Ready", "status": "True"}.items()
        answers = any(ready <= each.items() for each in pod["status"].get("conditions", []))
        if answers and selector <= pod["metadata"]["labels"].items():
            version = versions.get(name.rpartition("-")[0], "unlisted")
            found[version] = found.get(version, 0) + 1
    return found


def asked_for_again(rollout: dict[str, Any]) -> Simulator:
    """4 has half of a canary without a gateway, then 5 is asked for by other rules."""
    cluster = changing(HALF, traffic=None)
    for _ in range(6):
        pods_come(cluster)
    assert reached(cluster) == {"3": 2, "4": 2}
    cluster.spec["rollout"] = rollout
    cluster.starts("5")
    return cluster


NOT_YET: dict[str, dict[str, Any]] = {
    "pause": {"type": "Canary", "canary": {"steps": [{"pause": {}}, {"weight": 50}]}},
    "weight 0": {"type": "Canary", "canary": {"steps": [{"weight": 0}, {"pause": {}}, {"weight": 50}]}},
    "blue-green": {"type": "BlueGreen"},
}


@pytest.mark.parametrize("rollout", NOT_YET.values(), ids=NOT_YET)
def test_a_service_that_spans_earlier_versions_reaches_no_candidate_before_its_step(rollout: dict[str, Any]) -> None:
    """Its selector cannot leave one version out: stable takes back what it has lost, then the candidate starts."""
    cluster = asked_for_again(rollout)
    assert counts(cluster).get("5", 0) == 0
    assert cluster.condition("Ready")["reason"] == "Draining"
    for _ in range(8):
        for name in cluster.deployments():
            cluster.kubelet(name)
        assert set(reached(cluster)) in ({"3", "4"}, {"3"}, {"5"})
        assert sum(reached(cluster).values()) >= 4
        cluster.settle()
    assert counts(cluster)["5"] > 0


def test_a_candidate_shut_out_by_a_stable_version_that_never_gets_whole_is_told_of_in_time() -> None:
    cluster = asked_for_again(NOT_YET["weight 0"])
    for _ in range(3):
        partly(cluster, "3", 2)
        cluster.settle()
    assert counts(cluster).get("5", 0) == 0
    cluster.pass_time(minutes=45)
    cluster.settle()
    assert cluster.condition("Stalled")["status"] == "True"
    assert "3 has 2 of" in cluster.condition("Ready")["message"]


def test_where_stable_has_no_pod_the_service_narrows_to_what_answers() -> None:
    cluster = changing(HALF, traffic=None)
    for _ in range(6):
        pods_come(cluster)
    partly(cluster, "3", 0)
    cluster.settle()
    cluster.spec["rollout"] = NOT_YET["pause"]
    cluster.starts("5")
    cluster.settle()
    assert f"churn-{cluster.selected()}" == cluster.revision_named("4")
    assert reached(cluster) == {"4": 2}


@pytest.mark.parametrize("asked", ["4", "6"])
def test_a_candidate_that_a_spanning_service_reached_keeps_its_pods_for_the_drain(asked: str) -> None:
    cluster = asked_for_again(NOT_YET["pause"])
    for _ in range(4):
        for name in cluster.deployments():
            cluster.kubelet(name)
        cluster.settle()
    name = cluster.revision_named("5")
    pod = cluster.pods[f"{name}-0"]["metadata"]["labels"]
    selector = {key: value for key, value in pod.items() if key != REVISION and "hash" not in key}
    cluster.objects["Service", "churn"]["spec"]["selector"] = selector
    assert "5" in reached(cluster)
    cluster.edit(version=asked)
    cluster.settle()
    assert counts(cluster)["5"] == 1
    cluster.pass_time(seconds=31)
    cluster.settle()
    assert name not in cluster.deployments()


def only_the_newest_answers(cluster: Simulator) -> None:
    for name in cluster.deployments():
        cluster.kubelet(name)
    for version in {"3", "4"} & counts(cluster).keys():
        partly(cluster, version, 0)


def test_where_nobody_answers_the_service_that_spans_keeps_no_fix_from_starting() -> None:
    cluster = asked_for_again(NOT_YET["blue-green"])
    for _ in range(2):
        only_the_newest_answers(cluster)
        cluster.settle()
    assert cluster.status["stable"]["version"] == "5"


@pytest.mark.parametrize("rollout", NOT_YET.values(), ids=NOT_YET)
def test_the_pass_that_gives_a_candidate_its_first_pods_asks_for_one_at_their_deadline(rollout: dict[str, Any]) -> None:
    cluster = asked_for_again(rollout)
    only_the_newest_answers(cluster)
    plan = cluster.reconcile()
    assert counts(cluster)["5"] > 0
    assert plan.wake_at is not None
    assert plan.wake_at > cluster.now


@pytest.mark.parametrize("rollout", [NOT_YET["pause"], NOT_YET["weight 0"]], ids=["pause", "weight 0"])
def test_broken_pods_of_a_stable_version_without_traffic_leave_the_candidate_its_first_one(
    rollout: dict[str, Any],
) -> None:
    cluster = changing(HALF, traffic=None)
    for _ in range(6):
        pods_come(cluster)
    partly(cluster, "3", 0)
    cluster.settle()
    cluster.spec["rollout"] = rollout
    cluster.starts("5")
    assert counts(cluster) == {"3": 2, "4": 2, "5": 1}


def test_a_candidate_that_was_shut_out_for_long_has_its_whole_time_once_it_may_start() -> None:
    cluster = asked_for_again(NOT_YET["weight 0"])
    partly(cluster, "3", 2)
    cluster.settle()
    cluster.pass_time(hours=2)
    cluster.settle()
    assert cluster.condition("Stalled")["status"] == "True"
    for _ in range(3):
        if counts(cluster)["5"]:
            break
        cluster.kubelet(cluster.revision_named("3"))
        cluster.settle()
    assert counts(cluster)["5"] == 1
    cluster.pass_time(minutes=5)
    cluster.settle()
    assert "refused" not in cluster.status
    cluster.pass_time(minutes=60)
    cluster.settle()
    assert cluster.status["refused"]["reason"] == "DeadlineExceeded"


@pytest.mark.parametrize("traffic", [GATEWAY, None], ids=["gateway", "by pods"])
def test_a_canary_that_paused_for_long_has_its_whole_time_for_the_pods_of_a_scale_up(
    traffic: dict[str, Any] | None,
) -> None:
    cluster = canary({"weight": 34}, {"pause": {}}, replicas=3, traffic=traffic)
    for _ in range(6):
        pods_come(cluster)
    cluster.pass_time(hours=2)
    goes_on(cluster)
    cluster.spec["replicas"] = 9
    cluster.generation += 1
    for _ in range(3):
        cluster.reconcile()
    cluster.pass_time(minutes=5)
    for _ in range(3):
        cluster.reconcile()
    assert "refused" not in cluster.status
    cluster.pass_time(minutes=6)
    for _ in range(2):
        cluster.reconcile()
    assert cluster.status["refused"]["reason"] == "DeadlineExceeded"
