"""Blue-green through a gateway: a look before the switch, an analysis after it, and the way back, under load."""

from typing import Final

from e2e import bundles
from e2e.canary import (
    ANY_MS,
    FEW,
    HEADER,
    SLOW_INSTANCES,
    SLOW_MS,
    SLOW_SECONDS,
    analysis,
    ask,
    begin,
    candidates,
    headed,
    share,
    until_pauses_at,
)
from e2e.client import OF_BOTH
from e2e.gateway import host
from e2e.space import Manifest, Space
from testbed.gateway.envoy import Gateway

CHECKS: Final[Manifest] = {
    "beforeSwitch": [{"pause": {}}],
    "afterSwitch": [{"analysis": "Inline"}],
    "standbyDuration": "0s",
}


def checked(latency_ms: int) -> Manifest:
    """A pause before the switch, an analysis after it."""
    return {"type": "BlueGreen", "blueGreen": CHECKS, "analysis": analysis(latency_ms)}


def test_it_switches_when_asked_to_and_stays_when_it_measures_well(space: Space, gateway: Gateway) -> None:
    spec = begin(space, gateway, checked(ANY_MS))
    with space.client.load(host(space), "line", OF_BOTH, gateway=gateway.address) as load:
        space.apply("line", space.upload("2", bundles.linear(slope=4)), version="2", **spec)

        # then: before the switch only the header leads to version 2
        revision = until_pauses_at(space, 0)["revision"]
        space.until("the header leads to version 2", lambda: headed(space, gateway, HEADER) == {13.0})
        assert set(load.recent.total().answered) == {"1"}

        # when: somebody has had a look; then: all requests go to version 2, which is measured, and stays
        ask(space, f"promote/{revision}")
        space.until("version 2 has it all", lambda: share(space, "2") == 100, 10)
        space.until("only version 2 answers", lambda: set(load.recent.total().answered) == {"2"})
        space.until("version 2 serves", lambda: space.model("line")["status"]["stable"]["version"] == "2")
    load.assert_nothing_failed()
    assert "latency: 2: p99 " in space.events("line")["AnalysisPassed"]


def test_what_turns_slow_is_switched_back(space: Space, gateway: Gateway) -> None:
    spec = begin(space, gateway, checked(SLOW_MS))
    with space.client.load(host(space), "line", OF_BOTH, FEW, gateway=gateway.address) as load:
        space.apply("line", space.upload("2", bundles.obedient(instances=SLOW_INSTANCES)), version="2", **spec)
        revision = until_pauses_at(space, 0)["revision"]
        space.order(candidates(space)[0], seconds=SLOW_SECONDS)
        ask(space, f"promote/{revision}")

        space.until_phase("line", "Refused")
        space.until("version 1 has it all", lambda: share(space, "1") == 100, 10)
    load.assert_nothing_failed()
    refused = space.model("line")["status"]["refused"]
    assert refused["reason"] == "AnalysisFailed"
    assert "at 100 %: " in refused["message"]
    assert "latency: 2: p99 " in refused["message"]
