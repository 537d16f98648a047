"""V1: a new version takes over from three pods that are about half busy, pod by pod, and no request fails."""

from e2e import bundles
from e2e.client import HALF_BUSY, OF_BOTH
from e2e.space import DRAIN_SECONDS, Space, is_pod_ready
from testbed.say import console

PODS = 3
ONE_AT_A_TIME = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
SECONDS_BEFORE = 10


def test_version_2_takes_over_from_three_busy_pods_and_no_request_fails(space: Space) -> None:
    # given: version 1 serves y = 2x + 1 with three pods, under a load that takes half of what they can answer
    space.apply("line", space.upload("1", bundles.linear(slope=2)), replicas=PODS, rollout=ONE_AT_A_TIME)
    second = space.upload("2", bundles.linear(slope=4))
    space.until_ready("line")
    old = space.model("line")["status"]["stable"]["revision"]
    seen = []
    with space.client.load(space.host("line"), "line", OF_BOTH, HALF_BUSY) as load:
        space.until("it was asked for some seconds", lambda: load.recent.seconds >= SECONDS_BEFORE)

        # when: version 2, y = 4x + 1, is asked for
        space.apply("line", second, version="2", replicas=PODS, rollout=ONE_AT_A_TIME)

        def taken_over() -> bool:
            seen.append(_pods(space))
            return space.ready("line").get("status") == "True"

        space.until("version 2 has taken over", taken_over)
        space.until("version 1 is gone", lambda: not space.pods_of(old), DRAIN_SECONDS)

    # then: nobody was turned away, and the answers went from the one version's to the other's and to nothing else
    load.assert_nothing_failed()
    assert load.report.switched("1", "2")
    console.print(load.around_a_change("1", "2"), markup=False)

    # and: at any time all the capacity was there, and one pod more at most
    assert min(ready for ready, _ in seen) >= PODS, seen
    assert max(pods for _, pods in seen) == PODS + 1, seen

    # and: the old revision's record stays, to go back to
    names = {revision["metadata"]["name"] for revision in space.api.list("controllerrevisions", space.namespace)}
    assert f"line-{old}" in names


def _pods(space: Space) -> tuple[int, int]:
    """Pods that are ready, and all."""
    pods = space.pods("line")
    return sum(map(is_pod_ready, pods)), len(pods)
