"""T8: pods of an old version stay for as long as somebody still reaches them, whoever that is."""

import time

from e2e import bundles
from e2e.client import OF_VERSION_1
from e2e.space import DRAIN_SECONDS, Space

LONGER_THAN_THE_CLOCK = 40
"""Seconds. Without requests an old pod goes after 30."""


def test_an_old_pod_stays_while_requests_still_reach_it(space: Space) -> None:
    # given: a client that has gone past Service and route, as a proxy does that is slow to hear of a change
    space.apply("line", space.upload("1", bundles.linear(slope=2)))
    space.until_ready("line")
    (old,) = space.pods("line")
    revision = space.model("line")["status"]["stable"]["revision"]
    with space.client.load(old["status"]["podIP"], "line", OF_VERSION_1) as load:
        # when: version 2 takes over
        space.apply("line", space.upload("2", bundles.linear(slope=4)), version="2")
        space.until_ready("line")

        # then: the pod outlives its time, and no request fails
        time.sleep(LONGER_THAN_THE_CLOCK)
        assert [pod["metadata"]["uid"] for pod in space.pods_of(revision)] == [old["metadata"]["uid"]]
    load.assert_nothing_failed()

    # and: it goes once it is left alone
    space.until("version 1 is gone", lambda: not space.pods_of(revision), DRAIN_SECONDS)
