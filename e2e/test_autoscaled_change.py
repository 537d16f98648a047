"""V9: a version changes where an autoscaler has set the number of pods. It never falls back to the minimum."""

from e2e import bundles
from e2e.client import OF_BOTH
from e2e.space import Manifest, Space, is_pod_ready

FEWEST, MOST = 1, 3


def test_a_new_version_starts_with_as_many_pods_as_the_autoscaler_had_made(space: Space) -> None:
    # given: under load, an autoscaler has made three pods of one
    uris = {version: space.upload(version, bundles.linear(slope=slope)) for version, slope in (("1", 2), ("2", 4))}
    space.apply("line", uris["1"], autoscaling=_autoscaling())
    space.until_ready("line")
    seen = []
    with space.client.load(space.host("line"), "line", OF_BOTH) as load:
        space.until(f"there are {MOST} pods", lambda: _ready_pods(space) == MOST)

        # when: version 2 is asked for, and the load goes on
        space.apply("line", uris["2"], version="2", autoscaling=_autoscaling())

        def taken_over() -> bool:
            seen.append((_ready_pods(space), space.model("line")["status"]["replicas"]))
            return space.ready("line").get("status") == "True"

        space.until("version 2 has taken over", taken_over)
        space.until("version 2 answers", lambda: "2" in load.recent.total().answered)

    # then: at no time there were fewer pods than the autoscaler had wanted, and nobody was turned away
    assert min(seen) >= (MOST, MOST), seen
    load.assert_nothing_failed()

    # and: version 2 has an autoscaler of its own with the bounds that were asked for
    (autoscaler,) = space.kubectl.json("get", "horizontalpodautoscalers")["items"]
    revision = space.model("line")["status"]["stable"]["revision"]
    wanted = (f"line-{revision}", FEWEST, MOST)
    found = autoscaler["spec"]
    assert (found["scaleTargetRef"]["name"], found["minReplicas"], found["maxReplicas"]) == wanted


def _autoscaling() -> Manifest:
    """Half of the little that its pods ask for: any load is too much for the fewest."""
    cpu = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}
    return {"minReplicas": FEWEST, "maxReplicas": MOST, "metrics": [{"type": "Resource", "resource": cpu}]}


def _ready_pods(space: Space) -> int:
    return sum(map(is_pod_ready, space.pods("line")))
