"""Canaries that decide by themselves: their pods' counters, latencies and answers, asked by the operator under load."""

from typing import Any, Final

from e2e import bundles
from e2e.client import OF_BOTH
from e2e.space import Manifest, Space
from e2e.test_canary import QUESTION, begin, host, share
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
    return {"type": "Canary", "canary": {"steps": steps, "analysis": analysis, "standbyDuration": "0s"}}


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
