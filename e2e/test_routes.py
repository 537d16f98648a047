"""What routes say beside shares, on a real gateway: a path, a time limit, a listener, and a route for gRPC alone."""

import json
import time
from typing import Final

from e2e import bundles
from e2e.canary import LOOK_SECONDS, QUESTION, ask, begin, canary, until_pauses_at
from e2e.client import OF_BOTH
from e2e.gateway import READY, assert_split, grpc, host, http, traffic, until_grpc_served, until_served
from e2e.space import Space
from testbed.gateway.envoy import Gateway

LIMIT: Final = "2s"
TOO_LONG: Final = 4
"""Seconds; far from the limit, and from those after which the client gives up."""
SHARED: Final = {"1": 70, "2": 30}
ALONE: Final = {"1": 100}
OUTSIDE: Final = (
    READY,
    ("GET", "/quicker/v2/health/ready", None),  # it begins alike, and is another path
    ("POST", "/inference.GRPCInferenceService/ServerReady", None),
)


def statuses(space: Space, gateway: Gateway, *requests: tuple[str, str, object]) -> list[int]:
    return [status for status, _ in space.client.through(gateway.address).http(host(space), *requests)]


def question(model: str, prefix: str = "") -> tuple[str, str, object]:
    return "POST", f"{prefix}/v2/models/{model}/infer", QUESTION


def weights(space: Space) -> dict[str, dict[str, int]]:
    """Of each version, by the kind of route; those without a share are left out."""
    versions = {f"line-{r['revision']}": r["version"] for r in space.model("line")["status"]["revisions"]}
    found: dict[str, dict[str, int]] = {}
    for route in space.kubectl.json("get", "httproutes,grpcroutes")["items"]:
        refs = route["spec"]["rules"][0]["backendRefs"]
        found[route["kind"]] = {versions[ref["name"]]: ref["weight"] for ref in refs if ref["weight"]}
    return found


def test_two_models_share_a_hostname_by_their_paths_and_the_slow_one_is_cut_off(space: Space, gateway: Gateway) -> None:
    # given: y = 4x + 1 under one path, and under another y = 2x + 1, which may take two seconds
    uri = space.upload("slow", bundles.obedient())
    unwatched = {"verification": {"interval": "0s"}}  # a golden request would make others wait while it is slow
    spec = traffic(space, gateway, pathPrefix="/slow", timeouts={"request": LIMIT})
    space.apply("slow", uri, model=unwatched, traffic=spec)
    quick = traffic(space, gateway, pathPrefix="/quick", timeouts={"request": LIMIT})
    space.apply("quick", space.upload("quick", bundles.linear(slope=4)), traffic=quick)
    space.until_ready("quick", "slow")
    both = question("quick", "/quick"), question("slow", "/slow")
    space.until("the gateway serves both", lambda: statuses(space, gateway, *both) == [200, 200])

    # then: each answers under its own path, which it does not see, and nobody anywhere else
    answers = space.client.through(gateway.address).http(host(space), *both)
    assert [json.loads(text)["outputs"][0]["data"][0] for _, text in answers] == [13.0, 7.0]
    assert statuses(space, gateway, *OUTSIDE) == [404] * len(OUTSIDE)

    # when: the one takes longer than it may; then: the gateway cuts it off, and nobody else does
    space.order(space.pod("slow"), seconds=TOO_LONG)
    assert statuses(space, gateway, *both) == [200, 504]
    assert space.client.http(space.host("slow"), question("slow"))[0][0] == 200

    # when: it may take so long; then: it is answered
    space.apply("slow", uri, model=unwatched, traffic={**spec, "timeouts": {"request": f"{2 * TOO_LONG}s"}})
    space.until("it is given the time", lambda: statuses(space, gateway, *both) == [200, 200])


def test_a_model_answers_by_the_listener_that_it_names_alone(space: Space, gateway: Gateway) -> None:
    # given: a Gateway with two listeners, and a model that names the second one
    aside, name = gateway.by("aside"), host(space)
    uri = space.upload("1", bundles.linear())
    space.apply("line", uri, traffic=traffic(space, gateway, "aside"))
    space.until_ready("line")
    until_served(space, aside, name)
    assert http(space, gateway, name) == 404

    # when: HTTP is for the first, and gRPC for the second, under one hostname
    apart = {"grpcRoute": {"hostnames": [name], "sectionName": "aside"}}
    space.apply("line", uri, traffic=traffic(space, gateway, "http", **apart))
    space.until_ready("line")
    until_served(space, gateway, name)
    until_grpc_served(space, aside, name)
    assert http(space, aside, name) == 404
    assert grpc(space, gateway, name)

    # when: there is no listener of that name; then: it says so, and which there are
    space.apply("line", uri, traffic=traffic(space, gateway, "absent"))
    said = space.until_reason("line", "GatewayNotFound")
    assert f"Gateway {gateway.namespace}/{gateway.name} has no listener absent: it has http, aside" in said


def test_http_and_grpc_by_routes_of_their_own_are_split_alike_and_come_home_together(
    space: Space, gateway: Gateway
) -> None:
    # given: gRPC has a hostname and a GRPCRoute of its own
    grpc_host = f"grpc.{host(space)}"
    spec = begin(space, gateway, canary(30), grpcRoute={"hostnames": [grpc_host]})
    until_grpc_served(space, gateway, grpc_host)
    assert grpc(space, gateway, host(space))
    with space.client.load(host(space), "line", OF_BOTH, gateway=gateway.address, grpc_host=grpc_host) as load:
        # when: version 2 gets a share; then: both routes have the same weights, and requests are split by them
        space.apply("line", space.upload("2", bundles.linear(slope=4)), version="2", **spec)
        revision = until_pauses_at(space, 30)["revision"]
        assert weights(space) == {"HTTPRoute": SHARED, "GRPCRoute": SHARED}
        time.sleep(LOOK_SECONDS)
        assert_split(load.recent, SHARED)

        # when: somebody has seen enough; then: version 1 has everything back by both routes
        ask(space, f"abort/{revision}")
        space.until_phase("line", "Refused")
        assert weights(space) == {"HTTPRoute": ALONE, "GRPCRoute": ALONE}
        space.until("only version 1 answers", lambda: set(load.recent.total().answered) == {"1"})
    load.assert_nothing_failed()
    assert set(load.report.timeline) == {"http", "grpc", "stream"}
