"""T6: a Gateway that goes in the middle of a canary takes no share along: nothing moves until it is back."""

import time
from typing import Final

from e2e import bundles
from e2e.canary import ask, begin, canary, share, until_pauses_at
from e2e.client import OF_BOTH
from e2e.gateway import own_gateway
from e2e.space import Space
from testbed.gateway.envoy import Gateway

NAME: Final = "lost"
HALF: Final = {50}
QUIET_SECONDS: Final = 5
"""Long enough for several passes to have moved a share, if they did."""


def test_a_gateway_that_is_lost_at_half_holds_the_canary_until_it_is_back(space: Space, gateway: Gateway) -> None:
    # given: a Gateway of this story alone, and a canary at half
    spec = begin(space, own_gateway(space, gateway, NAME), canary(50))
    space.apply("line", space.upload("2", bundles.linear(slope=4)), version="2", **spec)
    revision = until_pauses_at(space, 50)["revision"]

    with space.client.load(space.host("line"), "line", OF_BOTH) as load:
        # when: the Gateway is deleted, and somebody asks to go on
        space.kubectl("delete", "gateway", NAME)
        said = space.until_reason("line", "GatewayNotFound")
        ask(space, f"promote/{revision}")
        space.until_told("line", "RequestDone")
        time.sleep(QUIET_SECONDS)

        # then: no share moves, and what is missing is named
        assert f"Gateway {space.namespace}/{NAME} is not there" in said
        assert _weights(space) == HALF
        assert share(space, "2") == 50
        assert space.ready("line")["reason"] == "GatewayNotFound"

        # and: once it is there again the canary goes on to its end
        own_gateway(space, gateway, NAME)
        space.until_ready("line")
    load.assert_nothing_failed()  # callers in the cluster were served all the while
    assert space.model("line")["status"]["stable"]["version"] == "2"


def _weights(space: Space) -> set[int]:
    """Every weight in the route."""
    rules = space.kubectl.json("get", "httproute", "line")["spec"]["rules"]
    return {ref["weight"] for rule in rules for ref in rule["backendRefs"] if "headers" not in rule["matches"][0]}
