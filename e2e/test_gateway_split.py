"""One route, two rules with the same weights: HTTP, gRPC and its streams are split alike by a real gateway."""

from collections.abc import Mapping
from typing import Any

from e2e import bundles
from e2e.client import OF_BOTH
from e2e.gateway import assert_split, until_served
from e2e.space import Space
from load.table import table
from testbed.gateway.envoy import Gateway
from testbed.say import console

GRPC_PATH = "/inference.GRPCInferenceService/"
WEIGHTS = {"1": 75, "2": 25}
SECONDS = 20


def test_http_grpc_and_streams_are_split_by_the_weights_of_one_route(space: Space, gateway: Gateway) -> None:
    # given: y = 2x + 1 and y = 4x + 1 under one name, each served by itself, and a route by hand to the two revisions
    for version, slope in (("1", 2), ("2", 4)):
        uri = space.upload(version, bundles.linear(slope=slope))
        space.apply(f"line-{version}", uri, version=version, model={"name": "line"})
    space.until_ready("line-1", "line-2")
    host = f"{space.namespace}.example.com"
    space.kubectl.apply(_route(host, gateway, {_service(space, version): WEIGHTS[version] for version in WEIGHTS}))
    until_served(space, gateway, host)

    # when: it is asked by HTTP, gRPC and streams of gRPC
    with space.client.load(host, "line", OF_BOTH, gateway=gateway.address) as load:
        space.until("it was asked for some seconds", lambda: load.recent.seconds >= SECONDS)

    # then: no request failed, and each protocol saw the split that was asked for
    load.assert_nothing_failed()
    assert set(load.report.timeline) == {"http", "grpc", "stream"}
    assert_split(load.report, WEIGHTS)
    console.print(table(load.report), markup=False)


def _service(space: Space, version: str) -> str:
    """The Service of the only revision."""
    name = f"line-{version}"
    return f"{name}-{space.model(name)['status']['stable']['revision']}"


def _route(host: str, gateway: Gateway, weights: Mapping[str, int]) -> dict[str, Any]:
    def rule(port: int, **more: Any) -> dict[str, Any]:
        return {**more, "backendRefs": [{"name": name, "port": port, "weight": w} for name, w in weights.items()]}

    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "line"},
        "spec": {
            "parentRefs": [{"name": gateway.name, "namespace": gateway.namespace}],
            "hostnames": [host],
            "rules": [rule(8001, matches=[{"path": {"type": "PathPrefix", "value": GRPC_PATH}}]), rule(8000)],
        },
    }
