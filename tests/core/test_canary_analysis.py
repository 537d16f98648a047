"""Canaries that go on by what their pods count: on the simulator, with looks as the shell would bring them."""

import json
from typing import Any

import pytest

from slipway.core.analysis.look import Look
from slipway.triton.metrics import ModelMetrics
from tests.core.cluster.midway import BACKGROUND, INLINE_STEPS, analysed
from tests.core.cluster.scenario import (
    ERRORS,
    GATEWAY,
    canary,
    counts,
    goes_on,
    pods_come,
    ready,
    round_of,
    shares,
    told,
)
from tests.core.cluster.simulator import Simulator
from tests.core.gen import resolved


def analysis(cluster: Simulator) -> dict[str, Any]:
    found: dict[str, Any] = cluster.status["rollout"]["canary"]["analysis"]
    return found


def analyses(cluster: Simulator) -> list[Look]:
    """What is to be looked at for an analysis."""
    return [look for look in cluster.plan().looks if "/analysis-" in look.topic]


def test_a_step_waits_for_its_analysis_and_the_next_one_runs_another() -> None:
    cluster = analysed()
    ready = cluster.condition("Ready")
    assert ready["reason"] == "AnalysisRunning"
    assert "4: step 2 of 4: analysis at 10 %: first measurement in 1m" in ready["message"]
    assert cluster.plan().wake_at == cluster.now.replace(minute=cluster.now.minute + 1)

    round_of(cluster, succeeded=1000)
    assert "round 1 passed, 1 of 2 with a result" in cluster.condition("Ready")["message"]
    assert shares(cluster) == {"3": 90, "4": 10}
    round_of(cluster, succeeded=2000)
    assert shares(cluster) == {"3": 50, "4": 50}
    assert analysis(cluster)["phase"] == "Running"
    assert analysis(cluster)["runs"] == 0
    assert told(cluster)[-1] == "AnalysisPassed"
    assert cluster.events[-1][1].startswith("4: round 2 passed, 2 of 2 with a result: errors: 4: 0 of 996 requests")

    cluster.looks(metrics={"3": ModelMetrics(), "4": ModelMetrics()})
    for minute in (1, 2):
        round_of(cluster, succeeded=1000 * minute)
    pods_come(cluster)
    assert cluster.status["stable"]["version"] == "4"
    assert cluster.status["analysis"]["phase"] == "Passed"
    assert len(cluster.status["analysis"]["measurements"]) == 2


def test_a_breach_sends_the_candidate_home_with_its_numbers() -> None:
    cluster = analysed()
    round_of(cluster, succeeded=900, failed=100)
    assert shares(cluster) == {"3": 100}
    refused = cluster.status["refused"]
    assert refused["reason"] == "AnalysisFailed"
    for said in ("at 10 %", "100 of 996 requests failed", "10.04%", "above max 0.01"):
        assert said in refused["message"]
    assert told(cluster).count("AnalysisFailed") == 1
    assert cluster.status["analysis"]["phase"] == "Failed"
    assert [each["metric"] for each in cluster.status["analysis"]["measurements"]] == ["errors"]
    assert not analyses(cluster)


def test_a_round_within_the_failure_limit_is_told_and_goes_on() -> None:
    cluster = analysed(failureLimit=1)
    round_of(cluster, succeeded=900, failed=100)
    assert told(cluster)[-1] == "AnalysisRunning"
    assert "1 in all (failureLimit 1)" in cluster.events[-1][1]
    round_of(cluster, succeeded=1900, failed=100)
    assert shares(cluster) == {"3": 50, "4": 50}


@pytest.mark.parametrize("verb", ["promote", "abort"])
def test_no_data_never_passes_and_waits_for_somebody(verb: str) -> None:
    cluster = analysed()
    round_of(cluster)
    assert cluster.status["phase"] == "Paused"
    ready = cluster.condition("Ready")
    assert ready["reason"] == "AnalysisInconclusive"
    revision = cluster.status["candidate"]["revision"]
    assert f"no requests in 60 s; promote/{revision} goes on" in ready["message"]
    cluster.pass_time(hours=9)
    goes_on(cluster)
    assert shares(cluster) == {"3": 90, "4": 10}

    cluster.request = f"{verb}/{revision}"
    pods_come(cluster)
    pods_come(cluster)
    assert shares(cluster) == ({"3": 50, "4": 50} if verb == "promote" else {"3": 100})


def test_where_nobody_is_asked_no_data_fails() -> None:
    cluster = analysed(onInconclusive="Fail", inconclusiveLimit=1)
    round_of(cluster)
    assert analysis(cluster)["phase"] == "Running"
    round_of(cluster)
    assert cluster.status["refused"]["reason"] == "AnalysisFailed"


def test_without_automatic_rollback_a_failed_analysis_stalls_it_where_it_is() -> None:
    cluster = analysed()
    cluster.spec["rollout"]["automaticRollback"] = False
    round_of(cluster, succeeded=900, failed=100)
    assert cluster.condition("Stalled")["status"] == "True"
    assert cluster.condition("Ready")["reason"] == "AnalysisFailed"
    assert shares(cluster) == {"3": 90, "4": 10}


def test_in_the_background_it_runs_beside_the_steps_and_may_end_any_of_them() -> None:
    cluster = analysed(*BACKGROUND)
    assert cluster.status["phase"] == "Paused"
    for minute in (1, 2, 3, 4):
        round_of(cluster, succeeded=1000 * minute)
    assert cluster.status["stable"]["version"] == "4"
    assert cluster.status["analysis"]["phase"] == "Passed"
    assert cluster.status["analysis"]["runs"] == 4

    cluster = analysed(*BACKGROUND)
    round_of(cluster, succeeded=1000)
    round_of(cluster, succeeded=1900, failed=100)
    assert cluster.status["refused"]["reason"] == "AnalysisFailed"


def test_in_the_background_the_last_step_waits_for_as_many_rounds_as_it_takes_to_pass() -> None:
    cluster = analysed({"weight": 10}, {"analysis": "Background"}, {"weight": 10}, count=3)
    assert cluster.condition("Ready")["reason"] == "AnalysisRunning"
    for minute in (1, 2):
        round_of(cluster, succeeded=1000 * minute)
        assert shares(cluster) == {"3": 90, "4": 10}
    round_of(cluster, succeeded=3000)
    pods_come(cluster)
    assert cluster.status["stable"]["version"] == "4"


@pytest.mark.parametrize(
    "steps",
    [
        [{"analysis": "Inline"}, {"weight": 50}, {"pause": {}}],
        [{"analysis": "Background"}, {"weight": 50}, {"pause": {}}],
        [{"weight": 0}, {"analysis": "Background"}, {"weight": 50}, {"pause": {}}],
    ],
)
def test_an_analysis_begins_when_there_are_pods_to_measure_and_not_while_they_start(
    steps: list[dict[str, Any]],
) -> None:
    once = {"interval": "1m", "count": 1, "metrics": [ERRORS]}
    cluster = canary(*steps, analysis=once)
    cluster.pass_time(minutes=9)  # fetching takes as long as it takes
    goes_on(cluster)
    assert cluster.status["phase"] == "Starting"
    assert "analysis" not in cluster.status["rollout"]["canary"]
    for _ in range(2):
        pods_come(cluster)
    if steps[0].get("analysis") == "Inline":
        assert shares(cluster) == {"3": 100}
    else:
        assert shares(cluster) == {"3": 50, "4": 50}
    cluster.looks(metrics={"3": ModelMetrics(), "4": ModelMetrics()})
    round_of(cluster, succeeded=1000)
    assert told(cluster)[-1] != "AnalysisInconclusive"
    assert shares(cluster) == {"3": 50, "4": 50}


def test_what_somebody_went_past_asks_for_nothing_more() -> None:
    cluster = analysed(*BACKGROUND)
    round_of(cluster)
    assert cluster.condition("Ready")["reason"] == "AnalysisInconclusive"
    cluster.request = f"promote/{cluster.status['candidate']['revision']}"
    pods_come(cluster)
    assert analysis(cluster)["phase"] == "Ended"
    assert not analyses(cluster)
    cluster.pass_time(minutes=3)
    for _ in range(3):
        pods_come(cluster)
    assert cluster.status["stable"]["version"] == "4"


def test_a_pod_that_cannot_be_looked_at_is_no_success() -> None:
    cluster = analysed()
    cluster.pass_time(minutes=1)
    cluster.looks()
    goes_on(cluster)
    assert cluster.condition("Ready")["reason"] == "AnalysisInconclusive"
    assert "cannot be reached" in cluster.condition("Ready")["message"]


def test_a_changed_analysis_starts_the_steps_again() -> None:
    cluster = analysed()
    round_of(cluster, succeeded=1000)
    cluster.spec["rollout"]["analysis"]["count"] = 5
    goes_on(cluster)
    assert analysis(cluster)["runs"] == 0
    assert "first measurement" in cluster.condition("Ready")["message"]


def test_paused_by_hand_nothing_is_looked_at_or_judged() -> None:
    cluster = analysed()
    cluster.request = f"pause/{cluster.status['candidate']['revision']}"
    goes_on(cluster)
    assert not analyses(cluster)
    round_of(cluster, succeeded=900, failed=100)
    assert "refused" not in cluster.status


def test_the_looks_are_at_both_versions_pods_and_end_with_the_analysis() -> None:
    cluster = analysed()
    cluster.pass_time(minutes=1)
    (wanted,) = analyses(cluster)
    assert {target.revision for target in wanted.targets} == {wanted.candidate, wanted.stable}
    assert len(wanted.targets) == sum(counts(cluster).values())
    cluster.request = f"abort/{wanted.candidate}"
    goes_on(cluster)
    assert not analyses(cluster)


def test_answers_are_compared_on_the_golden_requests_of_the_bundle() -> None:
    told = [{"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 1], "data": [3.0]}]}]
    compared = {"interval": "1m", "metrics": [{"name": "answers", "answers": {}}]}
    cluster = ready(
        replicas=4,
        traffic=GATEWAY,
        rollout={"type": "Canary", "canary": {"steps": INLINE_STEPS}} | {"analysis": compared},
    )
    goes_on(cluster)
    cluster.edit(version="4")
    cluster.settle()
    cluster.resolve_job_ends(json.dumps({"resolved": resolved(asks=told).to_dict()}))
    goes_on(cluster)
    pods_come(cluster)
    (look,) = analyses(cluster)
    assert [list(exam.requests) for exam in look.exams] == [told]


def goes(cluster: Simulator, version: str) -> str:
    """All pods of a version are evicted, or their nodes drained, and others load the model."""
    name = cluster.revision_named(version)
    cluster.objects["Deployment", name]["status"] = {}
    loads = cluster.ready_status()["conditions"][:2]
    cluster.kubelet(name, status={"phase": "Running", "conditions": loads})
    renamed(cluster, name)
    goes_on(cluster)
    return name


def comes_back(cluster: Simulator, name: str) -> None:
    """They are ready."""
    cluster.kubelet(name)
    renamed(cluster, name)
    goes_on(cluster)


def renamed(cluster: Simulator, name: str) -> None:
    """Other pods than before."""
    for pod, body in cluster.pods.items():
        if pod.startswith(name):
            body["metadata"]["uid"] = f"another-{pod}"


@pytest.mark.parametrize("on_inconclusive", ["Fail", "Pause"])
@pytest.mark.parametrize("away", [10, 45, 200])
@pytest.mark.parametrize("version", ["4", "3"])
def test_pods_that_are_replaced_are_measured_anew_and_no_round_is_lost_for_it(
    version: str, away: int, on_inconclusive: str
) -> None:
    cluster = analysed(onInconclusive=on_inconclusive, metrics=[{**ERRORS, "maxRatio": "2"}])
    cluster.pass_time(seconds=10)
    name = goes(cluster, version)
    seen = {"3": ModelMetrics(succeeded=1000), "4": ModelMetrics(succeeded=1000)}
    for _ in range(away // 5):
        cluster.pass_time(seconds=5)
        cluster.looks(metrics=seen)
        goes_on(cluster)
    comes_back(cluster, name)
    for minute in range(2, 5):
        cluster.looks(metrics=seen)
        cluster.pass_time(minutes=1)
        seen = dict.fromkeys(("3", "4"), ModelMetrics(succeeded=1000 * minute))
        cluster.looks(metrics=seen)
        goes_on(cluster)
    assert "refused" not in cluster.status
    assert "AnalysisInconclusive" not in told(cluster)
    assert analysis(cluster).get("inconclusives", 0) == 0
    for name in cluster.deployments():
        cluster.objects["Deployment", name]["status"] = {}
        comes_back(cluster, name)
    assert shares(cluster) == {"3": 50, "4": 50}


def test_a_server_that_starts_again_in_its_pod_is_measured_all_the_same() -> None:
    cluster = analysed()
    name = cluster.revision_named("4")
    for pod, body in cluster.pods.items():
        if pod.startswith(name):
            body["status"]["containerStatuses"][0]["restartCount"] = 1
    round_of(cluster, succeeded=100, failed=50)
    assert cluster.status["refused"]["reason"] == "AnalysisFailed"
