"""A version that failed where `automaticRollback` is off: nothing promotes it but a person's word."""

from typing import Any

import pytest

from slipway.triton.metrics import ModelMetrics
from tests.core.cluster.kubelet import says
from tests.core.cluster.scenario import ERRORS, canary, changing, fails, goes_on, pods_come, ready, round_of
from tests.core.cluster.simulator import Simulator, simulator

LATE = {"seconds": 11 * 60}
TYPES: dict[str, dict[str, Any]] = {
    "RollingUpdate": {"type": "RollingUpdate"},
    "Auto": {"type": "Auto"},
    "BlueGreen": {"type": "BlueGreen"},
    "Recreate": {"type": "Recreate"},
    "Canary": {"type": "Canary", "canary": {"steps": [{"weight": 50}]}},
}


def wrong(cluster: Simulator) -> None:
    """Its golden requests are answered wrongly, twice."""
    fails(cluster, "4")


def late(cluster: Simulator) -> None:
    """Its pods load, and load."""
    cluster.kubelet(cluster.revision_named("4"), status=cluster.server_runs())
    cluster.settle()
    cluster.pass_time(**LATE)
    cluster.settle()


def failed(rollout: dict[str, Any], failing: Any) -> Simulator:
    """Version 3 serves, and 4 has failed."""
    cluster = ready(replicas=2, rollout={**rollout, "automaticRollback": False})
    cluster.starts("4")
    for _ in range(2):  # the proofs of Recreate
        if any(kind == "Job" and not body["status"] for (kind, _), body in cluster.objects.items()):
            cluster.resolve_job_ends()
        cluster.settle()
    failing(cluster)
    assert cluster.status["phase"] == "Stalled"
    return cluster


def get_ready(cluster: Simulator) -> None:
    for _ in range(8):
        pods_come(cluster)


def asks(cluster: Simulator, verb: str) -> str:
    cluster.request = f"{verb}/{cluster.status['candidate']['revision']}"
    cluster.settle()
    return str(cluster.status["requests"][-1]["outcome"])


@pytest.mark.parametrize("failing", [wrong, late])
@pytest.mark.parametrize("rollout", TYPES.values(), ids=TYPES)
def test_what_failed_promotes_nobody_when_its_pods_get_ready_and_a_person_may(
    rollout: dict[str, Any], failing: Any
) -> None:
    cluster = failed(rollout, failing)
    reason = cluster.condition("Stalled")["reason"]
    get_ready(cluster)
    cluster.pass_time(days=2)
    get_ready(cluster)
    assert cluster.status["stable"]["version"] == "3"
    assert cluster.status["phase"] == "Stalled"
    assert cluster.condition("Stalled")["reason"] == cluster.status["rollout"]["failure"]["reason"] == reason
    assert f"promote/{cluster.status['candidate']['revision']} accepts it" in cluster.condition("Stalled")["message"]
    plan = cluster.reconcile()
    assert not plan.actions
    assert asks(cluster, "promote") == f"promoted in spite of {reason}: goes on once its pods are available"
    get_ready(cluster)
    assert cluster.status["stable"]["version"] == "4"
    assert "failure" not in cluster.status.get("rollout", {})


def test_what_a_person_accepts_goes_on_although_it_fails_once_more() -> None:
    cluster = failed(TYPES["RollingUpdate"], wrong)
    asks(cluster, "promote")
    fails(cluster, "4", "LoadFailed")
    assert cluster.status["rollout"]["failure"]["accepted"]
    assert cluster.condition("Stalled")["reason"] == "LoadFailed"
    get_ready(cluster)
    assert cluster.status["stable"]["version"] == "4"


@pytest.mark.parametrize("writes", [0, 1, 2, 1_000])
def test_what_is_tried_anew_gets_other_pods_and_its_whole_time_wherever_a_pass_is_cut_off(writes: int) -> None:
    cluster = failed(TYPES["RollingUpdate"], wrong)
    name = cluster.revision_named("4")
    cluster.request = f"retry/{cluster.status['candidate']['revision']}"
    cluster.reconcile(writes=writes)
    for _ in range(3):  # the watch tells of the pods that go
        cluster.reconcile()
    cluster.settle()
    assert cluster.status["phase"] != "Stalled"
    assert not [key for key in cluster.pods if key.startswith(name)]
    cluster.pass_time(seconds=5)
    cluster.kubelet(name, status=cluster.server_runs())
    cluster.settle()
    assert "failure" not in cluster.status["rollout"]
    assert cluster.status["phase"] == "Verifying"
    assert cluster.status["rollout"]["clock"]["deadlineFrom"] == "2026-01-05T12:00:00Z"
    fails(cluster, "4")
    assert cluster.status["phase"] == "Stalled"
    assert asks(cluster, "abort") == "aborted"
    assert cluster.status["phase"] == "Refused"


def test_what_failed_is_sent_home_once_automatic_rollback_is_on() -> None:
    cluster = failed(TYPES["RollingUpdate"], wrong)
    get_ready(cluster)
    cluster.spec["rollout"]["automaticRollback"] = True
    cluster.generation += 1
    cluster.settle()
    assert cluster.status["refused"]["reason"] == "WrongAnswer"


def test_an_edit_of_what_is_asked_is_tried_beside_it() -> None:
    cluster = failed(TYPES["RollingUpdate"], wrong)
    cluster.starts("5")
    cluster.rolls_on()
    assert cluster.status["stable"]["version"] == "5"


def test_a_first_version_that_failed_waits_for_a_person_too() -> None:
    cluster = simulator(replicas=1, rollout={"automaticRollback": False})
    cluster.settle()
    cluster.resolve_job_ends()
    cluster.settle()
    name = cluster.revision_named("3")
    cluster.kubelet(name, status=cluster.server_ended(says("WrongAnswer", "y is 5"), restarts=1))
    cluster.settle()
    cluster.kubelet(name)
    cluster.settle()
    assert cluster.status["phase"] == "Stalled"
    asks(cluster, "promote")
    get_ready(cluster)
    assert cluster.status["phase"] == "Ready"


def analysed() -> Simulator:
    """At 10 % an analysis has failed."""
    limits = {"interval": "1m", "count": 2, "metrics": [ERRORS]}
    cluster = canary({"weight": 10}, {"analysis": "Inline"}, {"weight": 50}, {"pause": {}}, analysis=limits)
    cluster.spec["rollout"]["automaticRollback"] = False
    pods_come(cluster)
    cluster.looks(metrics={"3": ModelMetrics(), "4": ModelMetrics()})
    goes_on(cluster)
    round_of(cluster, succeeded=900, failed=100)
    assert cluster.condition("Stalled")["reason"] == "AnalysisFailed"
    return cluster


def test_an_analysis_that_failed_is_passed_over_for_good_by_a_person() -> None:
    cluster = analysed()
    asks(cluster, "promote")
    for _ in range(2):
        pods_come(cluster)
    assert cluster.status["phase"] == "Paused"
    assert cluster.status["rollout"]["canary"]["weight"] == 50
    assert cluster.status["rollout"]["canary"]["analysis"]["phase"] == "Ended"


def test_an_analysis_that_failed_is_made_once_more_by_a_retry() -> None:
    cluster = analysed()
    assert asks(cluster, "retry") == "tried again"
    analysis = cluster.status["rollout"]["canary"]["analysis"]
    assert (analysis["phase"], analysis.get("runs", 0)) == ("Running", 0)
    assert cluster.condition("Stalled")["status"] == "False"


def test_what_may_be_done_about_it_is_a_new_request_also_where_that_was_asked_for_before() -> None:
    steps = [{"weight": 10}, {"pause": {}}, {"weight": 50}]
    cluster = changing({"type": "Canary", "canary": {"steps": steps}, "automaticRollback": False})
    pods_come(cluster)
    revision = cluster.status["candidate"]["revision"]
    cluster.request = f"promote/{revision}"
    goes_on(cluster)
    fails(cluster, "4")
    goes_on(cluster)
    ways = f"promote/{revision}@2 accepts it, retry/{revision} tries it anew, abort/{revision} sends it home"
    assert cluster.condition("Ready")["message"].endswith(ways)
