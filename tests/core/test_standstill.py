"""A canary that something holds: no time and no look of the hold counts, neither for its pause nor for its analysis."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from slipway.core.analysis.look import Look
from slipway.triton.metrics import ModelMetrics
from tests.core.cluster.scenario import ERRORS, GATEWAY, canary, changing, counts, goes_on, pods_come, shares
from tests.core.cluster.simulator import Simulator

LONG = timedelta(hours=3)


def asleep(cluster: Simulator) -> Callable[[], None]:
    """Suspended: it has no pods."""
    cluster.spec["suspend"] = True

    def wakes() -> None:
        cluster.spec["suspend"] = False

    return wakes


def scaled_to_nothing(cluster: Simulator) -> Callable[[], None]:
    """As KEDA does it."""
    replicas, cluster.spec["replicas"] = cluster.spec["replicas"], 0

    def is_scaled_up() -> None:
        cluster.spec["replicas"] = replicas

    return is_scaled_up


def without_gateway(cluster: Simulator) -> Callable[[], None]:
    """Something outside is in the way."""
    cluster.has_gateway(there=False)
    return cluster.has_gateway


def on_a_lost_node(cluster: Simulator) -> Callable[[], None]:
    """No node is there for the candidate's pods."""
    name = cluster.revision_named("4")
    cluster.kubelet(name, status={"phase": "Pending", "conditions": UNPLACED})
    return lambda: cluster.kubelet(name)


UNPLACED = [
    {
        "type": "PodScheduled",
        "status": "False",
        "reason": "Unschedulable",
        "message": "no node",
        "lastTransitionTime": "2026-01-05T12:00:00Z",
    }
]


def paused(cluster: Simulator) -> Callable[[], None]:
    """Somebody has paused it."""
    revision = cluster.status["candidate"]["revision"]
    cluster.request = f"pause/{revision}"

    def is_resumed() -> None:
        cluster.request = f"resume/{revision}"

    return is_resumed


HOLDS = [asleep, scaled_to_nothing, without_gateway, on_a_lost_node, paused]


def held(cluster: Simulator, hold: Callable[[Simulator], Callable[[], None]], length: timedelta) -> None:
    """It is held for so long, and let go."""
    ends = hold(cluster)
    goes_on(cluster)
    assert not of_canary(cluster), "nobody reads these numbers"
    for _ in range(2):
        cluster.pass_time(seconds=length.total_seconds() / 2)
        cluster.looks(metrics=NOTHING)
        goes_on(cluster)
    ends()
    goes_on(cluster)


def of_canary(cluster: Simulator) -> list[Look]:
    """Looks at what the candidate does."""
    return [each for each in cluster.plan().looks if "analysis" in each.topic or "shadow" in each.topic]


NOTHING = {"3": ModelMetrics(), "4": ModelMetrics()}


def at_ten(*steps: dict[str, Any], **analysis: Any) -> Simulator:
    """A canary at 10 %, with a Gateway that is there."""
    cluster = canary({"weight": 10}, *steps, {"weight": 50}, {"pause": {}}, analysis=analysis or None)
    cluster.has_gateway()
    pods_come(cluster)
    assert shares(cluster) == {"3": 90, "4": 10}
    return cluster


@pytest.mark.parametrize("hold", HOLDS)
def test_a_pause_is_as_long_as_it_says_without_the_time_that_something_held_it(hold: Any) -> None:
    cluster = at_ten({"pause": {"duration": "30m"}})
    cluster.pass_time(minutes=10)
    goes_on(cluster)
    held(cluster, hold, LONG)
    for _ in range(3):
        pods_come(cluster)
    assert shares(cluster) == {"3": 90, "4": 10}
    cluster.pass_time(minutes=15)
    goes_on(cluster)
    assert shares(cluster) == {"3": 90, "4": 10}
    assert cluster.status["phase"] == "Paused"
    cluster.pass_time(minutes=16)
    for _ in range(2):
        pods_come(cluster)
    assert shares(cluster) == {"3": 50, "4": 50}


@pytest.mark.parametrize("hold", [without_gateway, on_a_lost_node, paused])  # after a sleep pods and pause are new
def test_a_pause_that_is_held_again_and_again_comes_to_its_end(hold: Any) -> None:
    cluster = at_ten({"pause": {"duration": "30m"}})
    for _ in range(8):
        held(cluster, hold, timedelta(minutes=6))
        cluster.pass_time(minutes=4)
        pods_come(cluster)
    for _ in range(2):
        pods_come(cluster)
    assert shares(cluster) == {"3": 50, "4": 50}


@pytest.mark.parametrize("mode", ["Inline", "Background"])
@pytest.mark.parametrize("hold", HOLDS)
def test_no_round_is_judged_by_the_time_in_which_something_held_it(hold: Any, mode: str) -> None:
    cluster = at_ten(
        {"analysis": mode},
        *([{"pause": {}}] if mode == "Background" else []),
        interval="1m",
        count=2,
        onInconclusive="Fail",
        metrics=[ERRORS],
    )
    cluster.looks(metrics=NOTHING)
    goes_on(cluster)
    held(cluster, hold, LONG)
    for _ in range(3):
        pods_come(cluster)
    assert "refused" not in cluster.status
    analysis = cluster.status["rollout"]["canary"]["analysis"]
    assert (analysis["phase"], analysis.get("runs", 0)) == ("Running", 0)
    assert datetime.fromisoformat(analysis["nextAt"]) == cluster.now + timedelta(minutes=1)
    cluster.looks(metrics=NOTHING)
    for minute in (1, 2):
        cluster.pass_time(minutes=1)
        counted = ModelMetrics(succeeded=1000 * minute)
        cluster.looks(metrics={"3": counted, "4": counted})
        for _ in range(3):
            pods_come(cluster)
    if mode == "Inline":
        assert shares(cluster) == {"3": 50, "4": 50}
    else:
        assert cluster.status["rollout"]["canary"]["analysis"]["runs"] == 2
    assert "refused" not in cluster.status


def test_nobody_looks_at_a_retiring_version_without_a_server_that_could_be_asked() -> None:
    cluster = canary({"weight": 10}, standbyDuration="0s")
    for _ in range(4):
        pods_come(cluster)
    assert [known["state"] for known in cluster.status["revisions"]] == ["Stable", "Retiring"]
    assert [each.topic.partition("/")[2] for each in cluster.plan().looks] == ["drain"]
    cluster.kubelet(cluster.revision_named("3"), status=cluster.server_runs())
    assert not cluster.plan().looks


def test_a_wait_from_before_a_sleep_is_not_told_as_if_it_had_lasted() -> None:
    cluster = at_ten({"pause": {}})
    ends = on_a_lost_node(cluster)
    goes_on(cluster)
    assert "waitingSince" in cluster.status["rollout"]["clock"]
    held(cluster, asleep, LONG)
    cluster.pods = {}
    cluster.settle()
    assert cluster.condition("Stalled")["status"] == "False"
    del ends


def deleted(cluster: Simulator) -> Callable[[], None]:
    """Somebody deletes what serves."""
    name = cluster.revision_named("3")
    del cluster.objects["Deployment", name]
    cluster.pods = {pod: body for pod, body in cluster.pods.items() if not pod.startswith(name)}
    return lambda: None


def scaled_by_hand(cluster: Simulator) -> Callable[[], None]:
    """Somebody takes pods off what serves."""
    cluster.objects["Deployment", cluster.revision_named("3")]["spec"]["replicas"] = 1
    return lambda: None


def scaled_up(cluster: Simulator) -> Callable[[], None]:
    """Somebody asks for twice as many."""
    cluster.spec["replicas"] *= 2
    return lambda: None


@pytest.mark.parametrize("disturbed", [asleep, scaled_to_nothing, deleted, scaled_by_hand, scaled_up])
@pytest.mark.parametrize("replicas", [1, 2, 4])
@pytest.mark.parametrize(
    "rollout",
    [
        {"type": "BlueGreen", "blueGreen": {"beforeSwitch": [{"pause": {}}]}},
        {"type": "Canary", "canary": {"steps": [{"pause": {}}, {"weight": 50}, {"pause": {}}]}},
        {"type": "Canary", "canary": {"steps": [{"weight": 0}, {"pause": {}}, {"weight": 50}, {"pause": {}}]}},
    ],
    ids=["blue-green", "pause first", "weight 0"],
)
def test_without_a_gateway_what_serves_is_whole_at_0_percent_whatever_happens_to_it(
    rollout: dict[str, Any], replicas: int, disturbed: Callable[[Simulator], Callable[[], None]]
) -> None:
    cluster = changing(rollout, replicas=replicas, traffic=None)
    pods_come(cluster)
    ends = disturbed(cluster)
    pods_come(cluster)
    ends()
    for _ in range(3):
        pods_come(cluster)
    assert cluster.status["phase"] == "Paused"
    assert cluster.selected() == cluster.revision_named("3").removeprefix("churn-")
    assert counts(cluster) == {"3": cluster.spec["replicas"], "4": 1}


@pytest.mark.parametrize("anew", [True, False], ids=["another pod", "the same pod"])
def test_a_pod_that_a_long_pause_loses_has_its_whole_time_again(anew: bool) -> None:
    cluster = canary({"weight": 10}, {"pause": {}})
    for _ in range(3):
        pods_come(cluster)
    cluster.pass_time(hours=3)
    goes_on(cluster)
    name = cluster.revision_named("4")
    loading = cluster.server_runs()
    loading["conditions"].append(
        {"type": "Ready", "status": "False", "lastTransitionTime": cluster.timestamp, "reason": "ContainersNotReady"}
    )
    old = cluster.pods[f"{name}-0"]
    if anew:
        cluster.kubelet(name, status=loading)
    else:
        old["status"] = loading
        cluster.objects["Deployment", name]["status"] = {}
    goes_on(cluster)
    assert "refused" not in cluster.status
    cluster.pass_time(minutes=5)
    goes_on(cluster)
    assert "refused" not in cluster.status
    cluster.pass_time(minutes=15)
    goes_on(cluster)
    assert cluster.status["refused"]["reason"] == "DeadlineExceeded"


@pytest.mark.parametrize("back", [True, False], ids=["sent home", "left to somebody"])
@pytest.mark.parametrize("kind", ["RollingUpdate", "Auto", "BlueGreen", "Recreate"])
@pytest.mark.parametrize("traffic", [GATEWAY, None], ids=["gateway", "by pods"])
def test_a_long_pause_is_no_time_of_the_pods_that_another_type_asks_for(
    traffic: dict[str, Any] | None, kind: str, back: bool
) -> None:
    cluster = canary({"weight": 10}, {"pause": {}}, traffic=traffic)
    for _ in range(3):
        pods_come(cluster)
    cluster.pass_time(hours=3)
    goes_on(cluster)
    cluster.spec["rollout"] = {"type": kind, "automaticRollback": back}
    goes_on(cluster)
    assert "refused" not in cluster.status
    assert "failure" not in cluster.status["rollout"]
    cluster.pass_time(minutes=5)
    goes_on(cluster)
    assert cluster.condition("Stalled")["status"] == "False"


TOGETHER = [pair for hold in (without_gateway, on_a_lost_node) for pair in ((hold, paused), (paused, hold))]


@pytest.mark.parametrize("first_ends_first", [True, False], ids=["overlapping", "one within the other"])
@pytest.mark.parametrize(("first", "second"), TOGETHER)
def test_of_two_holds_at_once_no_time_counts_twice_and_none_before_them_is_lost(
    first: Any, second: Any, first_ends_first: bool
) -> None:
    cluster = at_ten({"pause": {"duration": "30m"}})
    cluster.pass_time(minutes=10)
    ends = []
    for hold in (first, second):
        ends.append(hold(cluster))
        goes_on(cluster)
        cluster.pass_time(minutes=20)
        goes_on(cluster)
    earlier, later = ends if first_ends_first else reversed(ends)
    earlier()
    goes_on(cluster)
    cluster.pass_time(minutes=20)
    goes_on(cluster)
    later()
    for _ in range(3):
        pods_come(cluster)
    cluster.pass_time(minutes=19)
    pods_come(cluster)
    assert shares(cluster) == {"3": 90, "4": 10}
    cluster.pass_time(minutes=2)
    for _ in range(2):
        pods_come(cluster)
    assert shares(cluster) == {"3": 50, "4": 50}
