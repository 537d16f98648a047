"""A route's time limit and the version on its answers, as the Gateway API takes them: test_live.py asks it."""

import pytest

from slipway.api.v1alpha1.spec import Gateway, Traffic
from slipway.core.children.route import Backend, Routing, grpc_route, http_route, in_header
from slipway.core.names import Manifest
from tests.core.gen import owner


@pytest.mark.parametrize(
    ("asked", "written"),
    [
        ("0s", "0s"),
        ("30s", "30s"),
        ("1h30m", "1h30m"),
        ("90s", "1m30s"),
        ("100000s", "27h46m40s"),
        ("99999h9999999m59s", "99999h39m59s"),
    ],
)
def test_a_limit_is_the_same_time_with_no_more_digits_than_gateways_take(asked: str, written: str) -> None:
    gateway = Gateway(name="inference")
    routing = Routing(backends=())
    route = http_route(owner=owner(), traffic=Traffic(gateway=gateway), gateway=gateway, routing=routing, timeout=asked)
    assert {rule["timeouts"]["request"] for rule in route["spec"]["rules"]} == {written}


def test_a_route_may_say_nothing_of_time() -> None:
    gateway = Gateway(name="inference")
    traffic = Traffic.model_validate({"gateway": {"name": "inference"}, "timeouts": {}})
    route = http_route(owner=owner(), traffic=traffic, gateway=gateway, routing=Routing(backends=()), timeout=None)
    assert not any("timeouts" in rule for rule in route["spec"]["rules"])


def backends_of(route: Manifest) -> list[Manifest]:
    return [ref for rule in route["spec"]["rules"] for ref in rule["backendRefs"]]


def test_every_backend_says_its_version_whatever_its_share_and_way() -> None:
    gateway = Gateway(name="inference")
    traffic = Traffic.model_validate(
        {
            "gateway": {"name": "inference"},
            "versionHeader": "Slipway-Version",
            "candidateHeader": {"name": "x-candidate", "value": "1"},
            "grpcRoute": {"hostnames": ["grpc.churn.example"]},
            "hostnames": ["churn.example"],
        }
    )
    old = Backend(revision="3f2a91bc", weight=90, version="3")
    new = Backend(revision="90be11d2", weight=10, version="4")
    routing = Routing(backends=[old, new], candidate=new)
    http = http_route(owner=owner(), traffic=traffic, gateway=gateway, routing=routing, timeout=None)
    grpc = grpc_route(owner=owner(), traffic=traffic, gateway=gateway, routing=routing)
    assert grpc
    for ref in (*backends_of(http), *backends_of(grpc)):
        version = {"churn-3f2a91bc": "3", "churn-90be11d2": "4"}[ref["name"]]
        says = {"set": [{"name": "Slipway-Version", "value": version}]}
        assert ref["filters"] == [{"type": "ResponseHeaderModifier", "responseHeaderModifier": says}]


def test_a_backend_says_nothing_unasked_and_nothing_that_nobody_knows() -> None:
    gateway = Gateway(name="inference")
    backends = [Backend(revision="3f2a91bc", weight=100, version="3"), Backend(revision="90be11d2", weight=0)]
    for header, silent in ((None, {"churn-3f2a91bc", "churn-90be11d2"}), ("Slipway-Version", {"churn-90be11d2"})):
        traffic, routing = Traffic(gateway=gateway, version_header=header), Routing(backends=backends)
        route = http_route(owner=owner(), traffic=traffic, gateway=gateway, routing=routing, timeout=None)
        assert {ref["name"] for ref in backends_of(route) if "filters" not in ref} == silent


@pytest.mark.parametrize(
    ("version", "value"),
    [("3", "3"), ("2026-11-28 b", "2026-11-28 b"), ("1 %REQ(x)%", "1 _REQ_x__"), ("v2 🚀", "v2 _"), ("a\tb", "a_b")],
)
def test_a_version_is_written_as_a_header_takes_it(version: str, value: str) -> None:
    assert in_header(version) == value
