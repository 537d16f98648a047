"""T1, T2, T6, T7: shares through a real gateway, for HTTP, gRPC and its streams alike, under load all the while."""

import json
import time
from collections.abc import Mapping
from typing import Any, Final

from e2e import bundles
from e2e.client import OF_BOTH
from e2e.gateway import assert_split, host, traffic, until_served
from e2e.space import Manifest, Space
from testbed.gateway.envoy import Gateway

ASKED: Final = "serving.slipway.dev/rollout"
LOOK_SECONDS: Final = 12
"""More than `Load.recent` looks back, so that it sees one share alone."""
QUESTION: Final = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 1], "data": [3.0]}]}
HEADER: Final = {"name": "x-candidate", "value": "yes"}


def canary(*weights: int) -> Manifest:
    """Steps that each wait for a person."""
    steps: list[Manifest] = []
    for weight in weights:
        steps += [{"weight": weight}, {"pause": {}}]
    return {"type": "Canary", "canary": {"steps": steps, "standbyDuration": "0s"}}


def begin(space: Space, gateway: Gateway, rollout: Manifest, **more: Any) -> dict[str, Any]:
    """y = 2x + 1 serves through the gateway; answers what further versions are applied with. `more` is of traffic."""
    spec: dict[str, Any] = {"rollout": rollout, "traffic": traffic(space, gateway, candidateHeader=HEADER, **more)}
    space.apply("line", space.upload("1", bundles.linear(slope=2)), **spec)
    space.until_ready("line")
    until_served(space, gateway, host(space))
    return spec


def until_pauses_at(space: Space, weight: int) -> Manifest:
    """Wait for a pause at a share; the candidate."""
    space.until(f"it pauses at {weight} %", lambda: f"pauses at {weight} %" in space.ready("line").get("message", ""))
    candidate: Manifest = space.model("line")["status"]["candidate"]
    return candidate


def ask(space: Space, request: str) -> None:
    space.kubectl("annotate", "--overwrite", "modeldeployment/line", f"{ASKED}={request}", "--field-manager=somebody")


def test_a_canary_gets_exactly_its_share_at_each_step_and_no_request_fails(space: Space, gateway: Gateway) -> None:
    spec = begin(space, gateway, canary(10, 50))
    with space.client.load(host(space), "line", OF_BOTH, gateway=gateway.address) as load:
        # when: version 2 is applied; then: at each step it answers as often as its weight says, by each protocol
        space.apply("line", space.upload("2", bundles.linear(slope=4)), version="2", **spec)
        for weight in (10, 50):
            revision = until_pauses_at(space, weight)["revision"]
            time.sleep(LOOK_SECONDS)
            assert_split(load.recent, {"1": 100 - weight, "2": weight})
            ask(space, f"promote/{revision}@{weight}")
        # and: at the end it answers alone
        space.until_ready("line")
        space.until("only version 2 answers", lambda: set(load.recent.total().answered) == {"2"})
    load.assert_nothing_failed()
    assert set(load.report.timeline) == {"http", "grpc", "stream"}
    told = space.events("line")
    assert {"RolloutStarted", "Shifting", "Paused", "Promoted"} <= told.keys()


def test_a_canary_is_called_off_at_half_and_no_request_fails(space: Space, gateway: Gateway) -> None:
    spec = begin(space, gateway, canary(50))
    with space.client.load(host(space), "line", OF_BOTH, gateway=gateway.address) as load:
        space.apply("line", space.upload("2", bundles.linear(slope=4)), version="2", **spec)
        revision = until_pauses_at(space, 50)["revision"]
        time.sleep(LOOK_SECONDS)

        # when: somebody has seen enough
        ask(space, f"abort/{revision}")

        # then: version 1 has everything back within seconds
        space.until("version 1 has it all", lambda: share(space, "1") == 100, 10)
        space.until("only version 1 answers", lambda: set(load.recent.total().answered) == {"1"})
        space.until_phase("line", "Refused")
    load.assert_nothing_failed()
    assert space.model("line")["status"]["refused"]["reason"] == "Aborted"


def test_only_the_header_leads_to_a_candidate_without_a_share(space: Space, gateway: Gateway) -> None:
    spec = begin(space, gateway, canary(0))
    space.apply("line", space.upload("2", bundles.linear(slope=4)), version="2", **spec)
    until_pauses_at(space, 0)

    space.until("the header leads to version 2", lambda: headed(space, gateway, HEADER) == {13.0})
    assert headed(space, gateway, None) == {7.0}


def headed(space: Space, gateway: Gateway, header: Mapping[str, str] | None) -> set[float]:
    """What requests with this header are answered."""
    headers = {header["name"]: header["value"]} if header else {}
    asked = [("POST", "/v2/models/line/infer", QUESTION)] * 8
    told = space.client.through(gateway.address, headers).http(host(space), *asked)
    return {json.loads(text)["outputs"][0]["data"][0] for status, text in told if status == 200}


def share(space: Space, version: str) -> int:
    """Percent of the traffic that status tells of."""
    revisions = space.model("line")["status"]["revisions"]
    return int(next((r["share"] for r in revisions if r["version"] == version), 0))
