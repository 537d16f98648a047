"""V4: as long as the version before is in standby, the way back to it is one switch, and no request fails."""

from e2e import bundles
from e2e.client import HALF_BUSY, OF_BOTH
from e2e.space import DRAIN_SECONDS, Space, total_restarts
from slipway.core.names import REQUEST

PODS = 2
STANDBY = {"type": "BlueGreen", "blueGreen": {"standbyDuration": "10m"}}
SECONDS_BEFORE = 10
AT_ONCE_SECONDS = 10
"""A new pod would need longer: ten seconds of minReadySeconds alone."""


def test_a_version_in_standby_takes_everything_back_at_once_and_no_request_fails(space: Space) -> None:
    # given: version 1 serves with two pods, under a load that takes half of what they can answer
    uris = {version: space.upload(version, bundles.linear(slope=slope)) for version, slope in (("1", 2), ("2", 4))}
    space.apply("line", uris["1"], replicas=PODS, rollout=STANDBY)
    space.until_ready("line")
    first = _pods(space)
    with space.client.load(space.host("line"), "line", OF_BOTH, HALF_BUSY) as load:
        space.until("it was asked for some seconds", lambda: load.recent.seconds >= SECONDS_BEFORE)

        # when: version 2 has taken over
        space.apply("line", uris["2"], version="2", replicas=PODS, rollout=STANDBY)
        space.until("version 2 serves", lambda: _serves(space, "2"))

        # then: whoever connects now gets version 2, and the pods of version 1 stay as they are
        assert space.model("line")["status"]["phase"] == "Soaking"
        space.until("version 2 answers", lambda: _answer(space) == 13)
        both = _pods(space)
        assert first.items() <= both.items()

        # when: version 1 is asked for again
        space.apply("line", uris["1"], version="1", replicas=PODS, rollout=STANDBY)

        # then: it serves at once, by the pods that it had
        space.until("version 1 serves", lambda: _serves(space, "1"), AT_ONCE_SECONDS)
        space.until("version 1 answers", lambda: _answer(space) == 7)
        assert _pods(space) == both

        # when: somebody says that it may stay so
        revision = space.model("line")["status"]["stable"]["revision"]
        space.kubectl("annotate", "modeldeployment/line", f"{REQUEST}=promote/{revision}", "--field-manager=somebody")

        # then: version 2 goes, and connections that were kept to it end in peace
        space.until("version 2 is gone", lambda: _pods(space) == first, DRAIN_SECONDS)
        space.until("only version 1 answers", lambda: set(load.recent.total().answered) == {"1"})

    # and: nobody was turned away, and every answer was one of the two versions'
    load.assert_nothing_failed()
    assert load.versions <= {"1", "2"}
    status = space.model("line")["status"]
    assert (status["stable"]["number"], status["phase"]) == (3, "Ready")
    assert [request["outcome"] for request in status["requests"]] == [
        "promoted: the standby of the version before ends"
    ]


def _pods(space: Space) -> dict[str, int]:
    """How often each pod's server was started again."""
    return {pod["metadata"]["uid"]: total_restarts(pod) for pod in space.pods("line")}


def _serves(space: Space, version: str) -> bool:
    ready = space.ready("line").get("status") == "True"
    return bool(ready and space.model("line")["status"]["stable"]["version"] == version)


def _answer(space: Space) -> float:
    """What a client that connects now is answered to x = 3."""
    answer: float = space.client.infer("http", space.host("line"), "line", x=[[3.0]])["y"][0][0]
    return answer
