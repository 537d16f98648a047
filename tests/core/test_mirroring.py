"""Status tells what became of mirrored requests: on the simulator, with looks as the shell would bring them."""

from typing import Any, Final

from slipway.triton.metrics import ModelMetrics
from tests.core.cluster.scenario import canary, counts, goes_on, pods_come
from tests.core.cluster.simulator import Simulator

SHADOW: Final[tuple[dict[str, Any], ...]] = ({"shadow": 100}, {"pause": {}})
IDLE: Final = ModelMetrics()
USED: Final = ModelMetrics(
    succeeded=398, failed={"BACKEND": 2}, quantiles_us={quantile: quantile * 10_000 for quantile in (0.5, 0.9, 0.99)}
)


def shadow(*steps: dict[str, Any], **asked: Any) -> Simulator:
    """Version 4 gets copies of all requests, and its pods have been looked at once."""
    cluster = canary(*(steps or SHADOW), replicas=1, **asked)
    pods_come(cluster)
    look(cluster, IDLE)
    return cluster


def look(cluster: Simulator, metrics: ModelMetrics) -> None:
    """What is due is looked at, and finds these counts."""
    cluster.looks(metrics={"3": metrics, "4": metrics})
    goes_on(cluster)


def said(cluster: Simulator) -> str:
    return str(cluster.status["rollout"]["canary"].get("mirrored", ""))


def topics(cluster: Simulator) -> set[str]:
    return {each.topic.split("/")[-1].split("-")[0] for each in cluster.plan().looks}


def test_errors_and_latencies_of_the_copies_are_told_and_decide_nothing() -> None:
    cluster = shadow()
    assert said(cluster) == ""  # one look alone counts nothing
    cluster.pass_time(seconds=30)
    look(cluster, USED)
    pod = next(name for name in cluster.pods if name.startswith(cluster.revision_named("4")))
    assert said(cluster) == (
        f"at {cluster.now:%H:%M:%S} UTC: 2 of 398 requests failed in 30 s (BACKEND 2), 0.50%; "
        f"p50 5 ms on its slowest pod {pod}; p99 9.9 ms on its slowest pod {pod}"
    )
    assert cluster.status["phase"] == "Paused"
    assert counts(cluster) == {"3": 1, "4": 1}


def test_each_look_replaces_the_one_before_and_no_look_comes_early() -> None:
    cluster = shadow()
    cluster.pass_time(seconds=29)
    look(cluster, USED)
    assert said(cluster) == ""
    cluster.pass_time(seconds=1)
    look(cluster, USED)
    cluster.pass_time(seconds=30)
    look(cluster, USED)
    assert said(cluster).endswith("UTC: no requests in 30 s")  # said once, though it is why three numbers are missing


def test_a_pod_that_cannot_be_looked_at_is_told_of() -> None:
    cluster = shadow()
    cluster.pass_time(seconds=30)
    cluster.looks()
    goes_on(cluster)
    assert said(cluster).endswith("cannot be reached")


def test_without_a_shadow_nothing_is_looked_at() -> None:
    cluster = shadow({"weight": 50}, {"pause": {}})
    assert topics(cluster) == set()
    assert said(cluster) == ""


def test_the_guards_own_requests_are_no_copies() -> None:
    cluster = shadow()
    cluster.pass_time(seconds=30)
    look(cluster, ModelMetrics(succeeded=1))
    assert said(cluster).endswith("no requests but Slipway's own in 30 s")


def test_what_was_said_goes_with_the_shadow() -> None:
    cluster = shadow({"shadow": 100}, {"pause": {"duration": "60s"}}, {"shadow": 0}, {"pause": {}})
    cluster.pass_time(seconds=30)
    look(cluster, USED)
    assert said(cluster)
    cluster.pass_time(seconds=60)
    goes_on(cluster)
    assert said(cluster) == ""


def test_an_analysis_measures_the_copies_itself() -> None:
    metric = {"name": "errors", "builtIn": "ErrorRate", "max": "0.01"}
    cluster = shadow({"shadow": 100}, {"analysis": "Inline"}, analysis={"interval": "1m", "metrics": [metric]})
    assert topics(cluster) == {"analysis"}


def test_paused_by_hand_nothing_is_looked_at() -> None:
    cluster = shadow()
    assert topics(cluster) == {"shadow"}
    cluster.spec["rollout"]["paused"] = True
    cluster.generation += 1
    goes_on(cluster)
    assert topics(cluster) == set()
