"""L1: Slipway sets the number of pods by their load, on real Triton, and nobody is turned away meanwhile.

The model waits for as long as an accelerator would work: what two cores carry is no limit here.
"""

from typing import Final

from e2e import bundles
from e2e.space import Manifest, Space, is_pod_ready

SECONDS: Final = 0.2
"""Of one request, of which a pod does one at a time: five a second."""
STABILIZATION: Final = 30


def test_the_number_of_pods_follows_the_load_up_and_down_and_no_request_fails(space: Space) -> None:
    # given: one pod, and requests that take eight tenths of it
    space.apply("line", space.upload("1", bundles.obedient(seconds=SECONDS)), autoscaling=_autoscaling())
    space.until_ready("line")
    with space.client.load(space.host("line"), "line", how_often="--rate=2") as load:
        # then: there are two, as seven tenths are the target, and status says why
        space.until("there are two pods", lambda: _ready_pods(space) == 2)
        shown = space.model("line")["status"]["autoscaling"]
        assert (shown["by"], shown["wanted"], shown["direction"]) == ("Slipway", 2, "Up")
    load.assert_nothing_failed()

    # when: a quarter of that is asked
    with space.client.load(space.host("line"), "line", how_often="--rate=0.5") as load:
        # then: one goes once fewer were enough for long enough, and none of its requests with it
        space.until("there is one pod", lambda: len(space.pods("line")) == 1)
        shown = space.model("line")["status"]["autoscaling"]
        assert (shown["wanted"], shown["direction"]) == (1, "Down")
    load.assert_nothing_failed()
    assert "Scaled" in space.events("line")


def _autoscaling() -> Manifest:
    load = {"backlog": "2s", "stabilization": f"{STABILIZATION}s"}
    return {"minReplicas": 1, "maxReplicas": 3, "load": load}


def _ready_pods(space: Space) -> int:
    return sum(map(is_pod_ready, space.pods("line")))
