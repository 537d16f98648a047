"""V2w: the world is in the way of version 2. It waits and says for what, goes on by itself, and version 1 answers."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from e2e import bundles
from e2e.client import OF_BOTH
from e2e.space import Space

SEAT = "slipway.dev/seat"


@pytest.fixture
def seats(space: Space) -> Iterator[Callable[[str | None], None]]:
    """Says how many pods find a seat in the cluster; at the end no node has any."""
    node = str(space.api.list("nodes")[0]["metadata"]["name"])

    def offer(count: str | None) -> None:
        patch = json.dumps({"status": {"capacity": {SEAT: count}, "allocatable": {SEAT: count}}})
        space.cluster.kubectl("patch", "node", node, "--type=merge", "--subresource=status", f"--patch={patch}")

    yield offer
    offer(None)


def test_a_store_that_is_down_is_waited_for_while_version_1_answers(space: Space) -> None:
    # given: a store of its own, from which version 1 came
    own = space.with_own_store()
    own.apply("line", own.upload("1", bundles.linear(slope=2)))
    with _served_all_the_while(own):
        # when: version 2 is asked for while the store is down
        own.store.stop()
        own.apply("line", f"s3://models/{own.namespace}/2", version="2")

        # then: it is waited for; when: it is back, with version 2
        _assert_it_waits(own, "SourceUnavailable")
        own.store.start()
        own.upload("2", bundles.linear(slope=4))


def test_an_image_that_cannot_be_pulled_is_waited_for_while_version_1_answers(space: Space) -> None:
    # given
    space.apply("line", space.upload("1", bundles.linear(slope=2)))
    with _served_all_the_while(space):
        # when: version 2 is asked for in an image that is nowhere
        image = space.pod("line")["spec"]["containers"][0]["image"]
        absent = f"{image.rpartition(':')[0]}:{space.namespace}"
        space.apply("line", space.upload("2", bundles.linear(slope=4)), version="2", server={"image": absent})

        # then: it is waited for; when: somebody pushes it
        assert absent in _assert_it_waits(space, "ImagePullFailed")
        space.cluster.tag(image, absent)


def test_a_place_in_a_full_cluster_is_waited_for_while_version_1_answers(
    space: Space, seats: Callable[[str | None], None]
) -> None:
    # given: version 1 has the only seat that there is
    seats("1")
    sitting = {"resourceName": SEAT, "count": 1}
    space.apply("line", space.upload("1", bundles.linear(slope=2)), accelerator=sitting)
    with _served_all_the_while(space):
        # when: version 2 asks for another one
        space.apply("line", space.upload("2", bundles.linear(slope=4)), version="2", accelerator=sitting)

        # then: it is waited for; when: there is one
        assert SEAT in _assert_it_waits(space, "InsufficientCapacity")
        seats("2")


def test_a_service_account_that_is_missing_is_waited_for_while_version_1_answers(space: Space) -> None:
    # given
    space.apply("line", space.upload("1", bundles.linear(slope=2)))
    with _served_all_the_while(space):
        # when: version 2 asks for an identity that nobody has made
        uri, identity = space.upload("2", bundles.linear(slope=4)), {"serviceAccountName": "reader"}
        space.apply("line", uri, version="2", scheduling=identity)

        # then: it is waited for, before there is any pod; when: it is made
        assert 'serviceaccount "reader" not found' in _assert_it_waits(space, "PodRefused")
        space.kubectl("create", "serviceaccount", "reader")


@contextmanager
def _served_all_the_while(space: Space) -> Iterator[None]:
    """Under load from version 1 until version 2 has taken over by itself, after what happens in the block."""
    space.until_ready("line")
    with space.client.load(space.host("line"), "line", OF_BOTH) as load:
        yield
        healed = space.model("line")["metadata"]["generation"]
        space.until_ready("line")
        found = space.model("line")
        assert (found["status"]["stable"]["version"], found["metadata"]["generation"]) == ("2", healed)
        space.until("version 2 answers", lambda: "2" in load.recent.total().answered)
    load.assert_nothing_failed()
    assert load.versions == {"1", "2"}


def _assert_it_waits(space: Space, reason: str) -> str:
    """Version 2 waits for that reason and is not refused, and version 1 serves with its pod; what is said."""
    space.until_phase("line", "Waiting")
    said = space.until_reason("line", reason)
    status = space.model("line")["status"]
    assert "refused" not in status
    assert status["stable"]["version"] == "1"
    assert len(space.pods_of(status["stable"]["revision"])) == 1
    return said
