"""A new version takes over: it comes up beside the old one, proves itself, and no request fails on the way."""

from e2e import bundles
from e2e.space import Space


def test_version_2_takes_over_and_no_request_fails(space: Space) -> None:
    # given: version 1 serves y = 2x + 1 with two pods, under load by HTTP and gRPC
    space.apply("line", space.upload("1", bundles.linear(slope=2)), replicas=2)
    space.until_ready("line")
    old = space.model("line")["status"]["stable"]["revision"]

    # when: version 2, y = 4x + 1, is asked for
    with space.client.load(space.host("line"), "line", {"1": 7.0, "2": 13.0}) as load:
        space.apply("line", space.upload("2", bundles.linear(slope=4)), version="2", replicas=2)
        space.until_ready("line")
        assert space.model("line")["status"]["stable"]["version"] == "2"
        space.until("version 1 is gone", lambda: space.api.get("deployments", space.namespace, f"line-{old}") is None)
        space.until("its pods are gone", lambda: not _pods_of(space, old))

    # then: nobody was turned away, and nobody got an answer that is neither version's
    load.assert_nothing_failed()
    assert load.report.switched("1", "2")

    # and: the old revision's record stays, to go back to
    names = {revision["metadata"]["name"] for revision in space.api.list("controllerrevisions", space.namespace)}
    assert f"line-{old}" in names


def _pods_of(space: Space, revision: str) -> list[dict[str, object]]:
    return space.api.list("pods", space.namespace, f"serving.slipway.dev/revision={revision}")
