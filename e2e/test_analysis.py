"""T3, T4: canaries that decide by themselves: their pods' counters, latencies and answers, asked by the operator under
load; and those that cannot tell."""

from typing import Any, Final

from e2e import bundles
from e2e.canary import QUESTION, ask, begin, share
from e2e.client import OF_BOTH
from e2e.gateway import host
from e2e.space import Manifest, Space
from testbed.gateway.envoy import Gateway

METRICS: Final[list[Manifest]] = [
    {"name": "errors", "builtIn": "ErrorRate", "max": "0.01"},
    {"name": "latency", "builtIn": "LatencyP99", "max": "5000"},
    {"name": "answers", "answers": {"requests": [QUESTION]}},
]


def canary(weight: int, **more: Any) -> Manifest:
    """One share, and rounds of measurements at it."""
    analysis = {"interval": "10s", "count": 2, "inconclusiveLimit": 3, "metrics": METRICS, **more}
    steps = [{"weight": weight}, {"analysis": "Inline"}]
    return {"type": "Canary", "canary": {"steps": steps, "standbyDuration": "0s"}, "analysis": analysis}


def test_a_canary_that_measures_well_is_promoted_by_nobody(space: Space, gateway: Gateway) -> None:
    spec = begin(space, gateway, canary(20))
    with space.client.load(host(space), "line", OF_BOTH, gateway=gateway.address) as load:
        space.apply("line", space.upload("2", bundles.linear(slope=2)), version="2", **spec)
        space.until("version 2 serves", lambda: space.model("line")["status"]["stable"]["version"] == "2")
    load.assert_nothing_failed()
    passed = space.events("line")["AnalysisPassed"]
    for said in ("errors: 2: 0 of ", "latency: 2: p99 ", "answers: 2: 0 of 1 answers differ from stable's"):
        assert said in passed


def test_a_canary_whose_answers_drift_is_sent_home_before_it_gets_more(space: Space, gateway: Gateway) -> None:
    spec = begin(space, gateway, canary(10))
    with space.client.load(host(space), "line", OF_BOTH, gateway=gateway.address) as load:
        space.apply("line", space.upload("2", bundles.linear(slope=4)), version="2", **spec)
        space.until("it is analysed", lambda: space.ready("line").get("reason") == "AnalysisRunning")
        assert share(space, "2") == 10

        space.until_phase("line", "Refused")
        space.until("version 1 has it all", lambda: share(space, "1") == 100, 10)
        space.until("only version 1 answers", lambda: set(load.recent.total().answered) == {"1"})
    load.assert_nothing_failed()
    refused = space.model("line")["status"]["refused"]
    assert refused["reason"] == "AnalysisFailed"
    assert "at 10 %" in refused["message"]
    assert "answers: 2: 1 of 1 answers differ from stable's" in refused["message"]


def test_a_canary_that_nobody_asks_waits_for_somebody_and_says_so(space: Space, gateway: Gateway) -> None:
    metrics = METRICS[:1]
    spec = begin(space, gateway, canary(20, metrics=metrics, inconclusiveLimit=1))

    # when: version 2 gets a share of no requests at all
    space.apply("line", space.upload("2", bundles.linear(slope=2)), version="2", **spec)

    # then: nothing was measured, which is no success; what its guard asks does not count
    space.until_phase("line", "Paused")
    assert space.ready("line")["reason"] == "AnalysisInconclusive"
    assert "errors: 2: no requests" in space.ready("line")["message"]
    assert share(space, "2") == 20

    # and: who knows better says so
    ask(space, f"promote/{space.model('line')['status']['candidate']['revision']}")
    space.until("version 2 serves", lambda: space.model("line")["status"]["stable"]["version"] == "2")


def test_a_canary_whose_prometheus_is_down_is_never_passed(space: Space, gateway: Gateway) -> None:
    metric = {
        "name": "checkout",
        "prometheus": {"address": f"http://prometheus.{space.namespace}.svc:9090", "query": "vector(0)"},
        "max": "1",
    }
    spec = begin(space, gateway, canary(20, metrics=[metric], inconclusiveLimit=0, onInconclusive="Fail"))
    space.apply("line", space.upload("2", bundles.linear(slope=2)), version="2", **spec)

    space.until_phase("line", "Refused")
    refused = space.model("line")["status"]["refused"]
    assert refused["reason"] == "AnalysisFailed"
    assert "checkout: " in refused["message"]
    assert "Prometheus cannot be reached" in refused["message"]
    space.until("version 1 has it all", lambda: share(space, "1") == 100, 10)
