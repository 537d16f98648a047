"""What stories of canaries have in common: how one begins, what somebody asks of it, and what can be seen of shares."""

import json
from collections.abc import Mapping
from typing import Any, Final

from e2e import bundles
from e2e.gateway import host, traffic, until_served
from e2e.space import Manifest, Space
from slipway.core.names import REQUEST
from testbed.gateway.envoy import Gateway

LOOK_SECONDS: Final = 12
"""More than `Load.recent` looks back, so that it sees one share alone."""
QUESTION: Final = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 1], "data": [3.0]}]}
HEADER: Final = {"name": "x-candidate", "value": "yes"}
FEW: Final = "--rate=0.5"
"""So few requests a second, by three protocols, that a slow model of SLOW_INSTANCES keeps up with all of them."""
SLOW_INSTANCES: Final = 6
SLOW_SECONDS: Final = 3.0
SLOW_MS: Final = 2_500
"""Less than SLOW_SECONDS, and more than a well model takes on a machine that is busy with other stories."""
ANY_MS: Final = 20_000
"""What a well model holds to on a machine that is busy with other stories."""


def canary(*weights: int) -> Manifest:
    """Steps that each wait for a person."""
    steps: list[Manifest] = []
    for weight in weights:
        steps += [{"weight": weight}, {"pause": {}}]
    return {"type": "Canary", "canary": {"steps": steps, "standbyDuration": "0s"}}


def analysis(latency_ms: int) -> Manifest:
    """Two rounds of what pods count, with a limit for the p99."""
    metrics = [
        {"name": "requests", "builtIn": "Requests", "min": "1"},
        {"name": "errors", "builtIn": "ErrorRate", "max": "0"},
        {"name": "latency", "builtIn": "LatencyP99", "max": f"{latency_ms}"},
    ]
    return {"interval": "10s", "count": 2, "inconclusiveLimit": 5, "metrics": metrics}


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
    space.kubectl("annotate", "--overwrite", "modeldeployment/line", f"{REQUEST}={request}", "--field-manager=somebody")


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


def candidates(space: Space) -> list[Manifest]:
    """The candidate's pods."""
    return space.pods_of(space.model("line")["status"]["candidate"]["revision"])
