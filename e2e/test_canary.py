"""T1, T2, T6, T7: shares through a real gateway, for HTTP, gRPC and its streams alike, under load all the while."""

import json
import time

from e2e import bundles
from e2e.canary import HEADER, LOOK_SECONDS, QUESTION, ask, begin, canary, headed, share, until_pauses_at
from e2e.client import OF_BOTH
from e2e.gateway import assert_split, host
from e2e.space import Space
from testbed.gateway.envoy import Gateway


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


def test_each_answer_says_which_version_gave_it(space: Space, gateway: Gateway) -> None:
    # given: half of the requests goes to version 2
    spec = begin(space, gateway, canary(50), versionHeader="Slipway-Version")
    space.apply("line", space.upload("2", bundles.linear(slope=4)), version="2", **spec)
    until_pauses_at(space, 50)

    # when
    asked = [("POST", "/v2/models/line/infer", QUESTION)] * 40
    answers = space.client.through(gateway.address).http_answers(host(space), *asked)

    # then: the header names the version whose answer it is
    pairs = {(json.loads(a["text"])["outputs"][0]["data"][0], a["headers"]["slipway-version"]) for a in answers}
    assert pairs == {(7.0, "1"), (13.0, "2")}
