"""Blue-green changes with checks around the switch, through a gateway: stories on the simulator."""

from typing import Any

from slipway.core.names import REVISION
from slipway.triton.metrics import ModelMetrics
from tests.core.cluster.midway import INLINE, blue_green
from tests.core.cluster.scenario import counts, goes_on, round_of, shares, told
from tests.core.cluster.simulator import Simulator

FOR_SOMEBODY: dict[str, Any] = {"pause": {}}


def inside(cluster: Simulator) -> str:
    """The version that callers inside the cluster reach."""
    selector = cluster.objects["Service", "churn"]["spec"]["selector"]
    known: list[dict[str, Any]] = cluster.status["revisions"]
    return str(next(r["version"] for r in known if r["revision"] == selector[REVISION]))


def promote(cluster: Simulator) -> None:
    cluster.request = f"promote/{cluster.status['candidate']['revision']}"
    goes_on(cluster)


def test_it_waits_on_both_sides_of_the_switch_and_both_versions_are_whole() -> None:
    cluster = blue_green(before=[FOR_SOMEBODY], after=[{"pause": {"duration": "5m"}}])
    assert shares(cluster) == {"3": 100}
    assert counts(cluster) == {"3": 4, "4": 4}
    assert cluster.status["phase"] == "Paused"
    assert "4: step 2 of 4: pauses at 0 %" in cluster.condition("Ready")["message"]
    assert cluster.status["rollout"]["strategy"]["type"] == "BlueGreen"

    promote(cluster)
    assert shares(cluster) == {"4": 100}
    assert counts(cluster) == {"3": 4, "4": 4}
    assert inside(cluster) == "3"

    cluster.pass_time(minutes=5)
    goes_on(cluster)
    assert cluster.status["stable"]["version"] == "4"
    assert inside(cluster) == "4"
    assert counts(cluster) == {"3": 4, "4": 4}  # in standby


def test_without_a_check_after_it_the_switch_is_the_end() -> None:
    cluster = blue_green(before=[{"pause": {"duration": "5m"}}])
    assert "step 2 of 2" in cluster.condition("Ready")["message"]
    cluster.pass_time(minutes=5)
    goes_on(cluster)
    assert cluster.status["stable"]["version"] == "4"
    assert shares(cluster) == {"4": 100}


def test_without_a_check_before_it_the_switch_waits_for_all_pods() -> None:
    cluster = blue_green(after=[FOR_SOMEBODY])
    assert shares(cluster) == {"4": 100}
    assert "pauses at 100 %" in cluster.condition("Ready")["message"]


def test_what_fails_after_the_switch_is_sent_home_with_one_write() -> None:
    cluster = blue_green(after=[INLINE])
    assert shares(cluster) == {"4": 100}
    cluster.looks(metrics={"3": ModelMetrics(), "4": ModelMetrics()})
    goes_on(cluster)
    round_of(cluster, succeeded=900, failed=100)

    assert shares(cluster) == {"3": 100}
    assert cluster.status["phase"] == "Refused"
    assert "4: at 100 %: " in cluster.status["refused"]["message"]
    assert "AnalysisFailed" in told(cluster)


def test_what_fails_before_the_switch_never_had_a_share() -> None:
    cluster = blue_green(before=[INLINE])
    cluster.looks(metrics={"3": ModelMetrics(), "4": ModelMetrics()})
    goes_on(cluster)
    round_of(cluster, succeeded=900, failed=100)
    assert shares(cluster) == {"3": 100}
    assert "4: at 0 %: " in cluster.status["refused"]["message"]
