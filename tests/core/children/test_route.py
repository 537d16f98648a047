"""A route's time limit: what our API takes, in what the Gateway API takes. Whether it does, test_live.py asks it."""

import pytest

from slipway.api.v1alpha1.spec import Gateway, Traffic
from slipway.core.children.route import Routing, http_route
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
