"""T2, T5: what goes wrong with a candidate under live requests, through a real gateway, and who notices."""

from typing import Final

from e2e import bundles
from e2e.canary import (
    ANY_MS,
    FEW,
    SLOW_INSTANCES,
    SLOW_MS,
    SLOW_SECONDS,
    analysis,
    ask,
    begin,
    canary,
    candidates,
    share,
    until_pauses_at,
)
from e2e.client import OF_BOTH
from e2e.gateway import host
from e2e.space import Manifest, Space
from testbed.gateway.envoy import Gateway

UNWATCHED: Final = {"verification": {"interval": "0s"}}
"""A candidate that may turn wrong while it serves: its guard would find that out, beside what a story is about."""


def analysed(*steps: Manifest, latency_ms: int = ANY_MS) -> Manifest:
    """These steps, then a wait for a person."""
    return {"type": "Canary", "canary": {"steps": [*steps, {"pause": {}}]}, "analysis": analysis(latency_ms)}


def mirrored(space: Space) -> str:
    """What status tells of mirrored requests."""
    told = space.model("line")["status"].get("rollout", {}).get("canary", {})
    return str(told.get("mirrored", ""))


def test_a_candidate_that_turns_slow_is_sent_home_with_its_latency(space: Space, gateway: Gateway) -> None:
    spec = begin(space, gateway, analysed({"weight": 50}, {"analysis": "Background"}, latency_ms=SLOW_MS))
    with space.client.load(host(space), "line", OF_BOTH, FEW, gateway=gateway.address) as load:
        space.apply("line", space.upload("2", bundles.obedient(instances=SLOW_INSTANCES)), version="2", **spec)
        until_pauses_at(space, 50)

        space.order(candidates(space)[0], seconds=SLOW_SECONDS)

        space.until_phase("line", "Refused")
        space.until("version 1 has it all", lambda: share(space, "1") == 100, 10)
    load.assert_nothing_failed()
    refused = space.model("line")["status"]["refused"]
    assert refused["reason"] == "AnalysisFailed"
    assert "at 50 %" in refused["message"]
    assert "latency: 2: p99 " in refused["message"]


def test_a_candidate_that_begins_to_answer_5xx_is_sent_home_though_triton_counts_successes(
    space: Space, gateway: Gateway
) -> None:
    spec = begin(space, gateway, analysed({"weight": 50}, {"analysis": "Background"}))
    with space.client.load(host(space), "line", OF_BOTH, gateway=gateway.address) as load:
        space.apply("line", space.upload("2", bundles.obedient()), version="2", **spec)
        until_pauses_at(space, 50)

        space.order(candidates(space)[0], error=1)

        space.until_phase("line", "Refused")
        space.until("version 1 has it all", lambda: share(space, "1") == 100, 10)
        space.until("no request fails any more", lambda: not load.recent.total().failed)
    refused = space.model("line")["status"]["refused"]
    assert refused["reason"] == "AnalysisFailed"
    assert "1 of 1 of Slipway's own were answered 5xx" in refused["message"]
    assert not load.report.total().wrong


def test_a_candidate_that_dies_again_and_again_gives_its_share_back_and_is_refused(
    space: Space, gateway: Gateway
) -> None:
    spec = begin(space, gateway, canary(50))
    with space.client.load(host(space), "line", OF_BOTH, gateway=gateway.address) as load:
        space.apply("line", space.upload("2", bundles.obedient(lives_seconds=15)), version="2", **spec)
        until_pauses_at(space, 50)

        space.until("version 1 has it all", lambda: share(space, "1") == 100)
        space.until_phase("line", "Refused", 300)
        space.until("no request fails any more", lambda: not load.recent.total().failed)
        assert share(space, "1") == 100
    assert space.model("line")["status"]["refused"]["reason"] == "CrashLoop"
    assert not load.report.total().wrong


def test_while_a_candidates_pod_is_taken_away_its_share_is_elsewhere(space: Space, gateway: Gateway) -> None:
    spec = begin(space, gateway, canary(50))
    with space.client.load(host(space), "line", OF_BOTH, gateway=gateway.address) as load:
        space.apply("line", space.upload("2", bundles.linear(slope=4)), version="2", **spec)
        until_pauses_at(space, 50)
        (pod,) = candidates(space)

        space.kubectl("delete", "pod", pod["metadata"]["name"], "--wait=false")

        space.until("version 1 has it all", lambda: share(space, "1") == 100)
        space.until("a new pod has the share again", lambda: share(space, "2") == 50)
        space.until("both versions answer", lambda: set(load.recent.total().answered) == {"1", "2"})
    load.assert_nothing_failed()


def test_a_shadow_is_measured_and_its_failures_touch_nobody(space: Space, gateway: Gateway) -> None:
    spec = begin(space, gateway, analysed({"shadow": 100}, {"pause": {}}, {"analysis": "Inline"}))
    with space.client.load(host(space), "line", OF_BOTH, gateway=gateway.address) as load:
        space.apply("line", space.upload("2", bundles.obedient()), version="2", model=UNWATCHED, **spec)
        space.until("the copies are told of", lambda: " 0 of " in mirrored(space))
        ask(space, f"promote/{space.model('line')['status']['candidate']['revision']}")
        space.until("it is analysed", lambda: space.ready("line").get("reason") == "AnalysisRunning")
        (pod,) = candidates(space)
        space.order(pod, wrong_by=6)  # now its answers can be told from version 1's
        passed = space.until_told("line", "AnalysisPassed")
        measured = space.model("line")["status"]["rollout"]["canary"]["analysis"]["measurements"]

        space.order(pod, kill_server=9)  # and again when it starts anew: its orders outlive the container
        space.until_phase("line", "Refused", 120)
    load.assert_nothing_failed()
    assert space.model("line")["status"]["refused"]["reason"] == "CrashLoop"
    assert load.versions == {"1"}
    succeeded = {each["metric"] for each in measured if each["outcome"] == "Success"}
    assert succeeded == {"requests", "errors", "latency"}
    for said in ("requests: 2: ", "errors: 2: 0 of ", "latency: 2: p99 "):
        assert said in passed
