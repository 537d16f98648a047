"""Rollouts as stories on the simulator: each type from old to new, what stops it, and the ways back."""

from dataclasses import replace

import pytest

from slipway.triton.metrics import ModelMetrics
from tests.core.cluster.kubelet import says
from tests.core.cluster.scenario import (
    GPU_NODE,
    SCALING,
    carried,
    counts,
    fails,
    forget_jobs,
    proved,
    ready,
    steps,
    told,
    waits,
)
from tests.core.cluster.simulator import Simulator, simulator


def test_rolling_goes_pod_by_pod_and_never_below_what_is_asked_for() -> None:
    cluster = ready(replicas=4)
    cluster.starts("4")
    seen = []
    for now in steps(cluster):
        assert carried(cluster) >= 4
        assert sum(now.values()) <= 5
        seen.append(now)
    assert seen == [
        {"3": 4, "4": 1},
        {"3": 3, "4": 2},
        {"3": 2, "4": 3},
        {"3": 1, "4": 4},
        {"3": 1, "4": 4},
    ]
    assert cluster.status["phase"] == "Ready"
    assert cluster.selected() == cluster.status["stable"]["revision"]


def test_each_event_of_a_rollout_and_of_a_refusal_is_told_once() -> None:
    cluster = ready(replicas=4)
    cluster.starts("4")
    cluster.rolls_on()
    assert told(cluster) == ["Promoted", "RolloutStarted", "Shifting", "Promoted"]
    cluster.pass_time(minutes=1)
    cluster.settle()
    cluster.starts("5")
    fails(cluster, "5")
    for _ in range(3):
        cluster.pass_time(minutes=20)
        cluster.settle()
    assert told(cluster)[4:] == ["RolloutStarted", "WrongAnswer"]
    assert cluster.events[-1][1] == f"refused: {cluster.status['refused']['message']}"


def test_a_candidate_that_fails_half_way_gives_its_share_back_before_its_pods_go() -> None:
    cluster = ready(replicas=4)
    old = cluster.selected()
    cluster.starts("4")
    for _ in range(2):
        cluster.kubelet(cluster.revision_named("4"))
        cluster.settle()
    assert counts(cluster) == {"3": 2, "4": 3}
    fails(cluster, "4")
    assert cluster.status["phase"] == "RollingBack"
    assert cluster.status["refused"]["reason"] == "WrongAnswer"
    cluster.rolls_on()
    assert cluster.selected() == old
    assert cluster.status["phase"] == "Refused"
    assert counts(cluster)["3"] == 4
    assert told(cluster)[-2:] == ["WrongAnswer", "RolledBack"]


def test_a_refused_manifest_does_nothing_again_and_the_next_version_rolls_out() -> None:
    cluster = ready()
    cluster.starts("4")
    fails(cluster, "4")
    cluster.generation += 1
    cluster.settle()
    assert cluster.status["phase"] == "Refused"
    cluster.starts("5")
    cluster.rolls_on()
    assert cluster.status["stable"]["version"] == "5"
    assert "refused" not in cluster.status


def test_what_the_world_holds_up_waits_by_its_name_and_goes_on_by_itself() -> None:
    cluster = ready(replicas=4)
    cluster.starts("4")
    waits(cluster, "4", 0)
    assert cluster.status["phase"] == "Waiting"
    cluster.pass_time(hours=9)
    cluster.settle()
    assert (counts(cluster), carried(cluster)) == ({"3": 4, "4": 1}, 4)
    assert "refused" not in cluster.status
    cluster.rolls_on()
    assert cluster.status["stable"]["version"] == "4"
    assert told(cluster).count("InsufficientCapacity") == 1


def test_blue_and_green_keeps_the_old_set_whole_and_goes_back_in_one_write() -> None:
    cluster = ready(replicas=2, rollout={"type": "BlueGreen"})
    old = cluster.selected()
    cluster.starts("4")
    cluster.rolls_on()
    assert (cluster.status["phase"], counts(cluster)) == ("Soaking", {"3": 2, "4": 2})
    cluster.edit(version="3")
    cluster.settle()
    assert cluster.selected() == old
    assert cluster.status["phase"] == "Ready" or cluster.status["phase"] == "Soaking"
    assert cluster.status["stable"]["version"] == "3"


def test_a_failure_while_the_old_version_is_in_standby_sends_the_new_one_home_at_once() -> None:
    cluster = ready(replicas=2, rollout={"type": "BlueGreen"})
    old = cluster.selected()
    cluster.starts("4")
    cluster.rolls_on()
    fails(cluster, "4", "BackendDead")
    assert cluster.selected() == old
    assert cluster.status["phase"] == "Refused"
    assert cluster.status["refused"]["reason"] == "BackendDead"
    assert cluster.status["stable"]["version"] == "3"
    assert [r["state"] for r in cluster.status["revisions"]] == ["Stable", "Retiring"], "connections to it may last"
    cluster.pass_time(seconds=31)
    cluster.settle()
    assert counts(cluster) == {"3": 2}


def test_standby_ends_by_itself() -> None:
    cluster = ready(replicas=2, rollout={"type": "BlueGreen", "blueGreen": {"standbyDuration": "2m"}})
    cluster.starts("4")
    cluster.rolls_on()
    assert cluster.settle().wake_at is not None
    cluster.pass_time(minutes=2)
    cluster.settle()
    assert cluster.status["phase"] == "Ready"
    assert counts(cluster) == {"4": 2}


def test_recreate_takes_nothing_away_before_both_bundles_are_proved() -> None:
    cluster = ready(replicas=2, rollout={"type": "Recreate"})
    forget_jobs(cluster)
    cluster.starts("4")
    assert counts(cluster)["3"] == 2
    assert carried(cluster) == 2
    assert cluster.condition("Ready")["reason"] == "Proving"
    proved(cluster)
    assert counts(cluster) == {"3": 0, "4": 2}
    why = cluster.status["rollout"]["strategy"]["message"]
    assert why == "rollout.type is Recreate: 3 stops before the next starts"
    cluster.rolls_on()
    assert cluster.status["stable"]["version"] == "4"


def test_recreate_starts_nothing_before_the_last_old_pod_has_ended() -> None:
    cluster = ready(replicas=2, rollout={"type": "Recreate"})
    old = cluster.pods[f"churn-{cluster.selected()}-0"]
    forget_jobs(cluster)
    cluster.starts("4")
    cluster.pods["ends slowly"] = {**old, "metadata": {**old["metadata"], "deletionTimestamp": "2026-01-05T12:00:00Z"}}
    proved(cluster)
    assert counts(cluster) == {"3": 0, "4": 0}
    assert cluster.condition("Ready")["reason"] == "Draining"
    assert cluster.status["phase"] == "Waiting"
    del cluster.pods["ends slowly"]
    cluster.settle()
    assert counts(cluster) == {"3": 0, "4": 2}


def test_recreate_takes_nothing_away_while_the_way_back_is_not_there() -> None:
    cluster = ready(replicas=2, rollout={"type": "Recreate"})
    forget_jobs(cluster)
    cluster.starts("4")
    cluster.resolve_job_ends(says("SourceNotFound", "s3://models/churn/3 is not there"), exit_code=1)
    cluster.settle()
    assert cluster.condition("Ready")["reason"] == "SourceNotFound"
    assert carried(cluster) == 2
    cluster.pass_time(hours=3)
    cluster.settle()
    assert carried(cluster) == 2
    proved(cluster)
    cluster.rolls_on()
    assert cluster.status["stable"]["version"] == "4"


def test_auto_without_a_free_gpu_makes_room_one_pod_at_a_time_and_says_so_before() -> None:
    cluster = ready(replicas=4, accelerator={"count": 1})
    forget_jobs(cluster)
    cluster.starts("4")
    waits(cluster, "4", 0)
    cluster.pass_time(minutes=5)
    cluster.settle()
    assert counts(cluster) == {"3": 4, "4": 1}
    assert "one pod of 3 at a time makes room" in cluster.status["rollout"]["strategy"]["message"]
    proved(cluster)
    assert counts(cluster)["3"] == 3
    assert told(cluster).count("MakingRoom") == 1
    for replaced in range(4):
        assert carried(cluster) >= 3
        waits(cluster, "4", replaced)
        assert counts(cluster)["3"] >= 3 - replaced  # no second one before the first is replaced
    waits(cluster, "4", 4)
    assert cluster.status["stable"]["version"] == "4"


def test_auto_with_one_gpu_and_one_replica_is_recreate_and_the_gap_is_told_first() -> None:
    cluster = ready(replicas=1, accelerator={"count": 1})
    forget_jobs(cluster)
    cluster.starts("4")
    waits(cluster, "4", 0)
    cluster.pass_time(minutes=5)
    cluster.settle()
    assert counts(cluster) == {"3": 1, "4": 1}
    assert "3 stops before the next starts" in cluster.status["rollout"]["strategy"]["message"]
    proved(cluster)
    assert counts(cluster) == {"3": 0, "4": 1}
    waits(cluster, "4", 1)
    assert cluster.status["stable"]["version"] == "4"


def test_a_version_that_is_broken_as_a_whole_makes_way_for_its_fix() -> None:
    cluster = ready(replicas=3)
    fails(cluster, "3", "BackendDead")
    cluster.starts("4")
    for _ in range(9):
        if cluster.status["stable"]["version"] == "4":
            break
        cluster.kubelet(cluster.revision_named("4"))
        cluster.settle()
    assert cluster.status["phase"] == "Ready"
    assert cluster.status["stable"]["version"] == "4"


def test_a_first_version_that_never_verifies_gives_its_place_to_the_fix() -> None:
    cluster = simulator(replicas=1, accelerator={"count": 1})
    cluster.settle()
    cluster.resolve_job_ends()
    cluster.settle()
    failed = cluster.revision_named("3")
    cluster.kubelet(failed, status=cluster.server_ended(says("LoadFailed", "no such op"), restarts=0))
    cluster.settle()
    cluster.starts("4")
    assert failed not in cluster.deployments()
    cluster.kubelet(cluster.revision_named("4"))
    cluster.settle()
    assert cluster.status["stable"]["version"] == "4"


def test_without_automatic_rollback_a_failed_version_stays_and_is_stalled_until_somebody_decides() -> None:
    cluster = ready(replicas=2, rollout={"automaticRollback": False})
    cluster.starts("4")
    fails(cluster, "4")
    assert cluster.status["phase"] == "Stalled"
    assert cluster.condition("Stalled")["reason"] == "WrongAnswer"
    assert carried(cluster) == 2
    cluster.request = f"abort/{cluster.status['candidate']['revision']}"
    cluster.settle()
    assert cluster.status["phase"] == "Refused"
    assert cluster.status["stable"]["version"] == "3"


# Another ask on the way (V5, V13)

HALF_WAY = {"Resolving": 0, "Starting": 1, "Shifting": 2, "late Shifting": 3}


def half_way(phase: str) -> Simulator:
    cluster = ready(replicas=3)
    cluster.edit(version="4")
    cluster.settle()
    for round_ in range(HALF_WAY[phase]):
        if round_ == 0:
            cluster.resolve_job_ends()
        else:
            cluster.kubelet(cluster.revision_named("4"))
        cluster.settle()
    assert cluster.status["rollout"]["phase"] == phase.rsplit(maxsplit=1)[-1]
    return cluster


@pytest.mark.parametrize("version", ["3", "4", "5"])
@pytest.mark.parametrize("phase", HALF_WAY)
def test_another_ask_on_the_way_ends_where_it_says_with_capacity_kept_and_numbers_that_only_grow(
    phase: str, version: str
) -> None:
    cluster = half_way(phase)
    number = cluster.status["lastNumber"]
    cluster.edit(version="5")
    cluster.settle()
    assert carried(cluster) >= 3
    cluster.edit(version=version)
    for _ in range(30):
        cluster.settle()
        assert carried(cluster) >= 3
        assert cluster.status["lastNumber"] >= number
        number = cluster.status["lastNumber"]
        if any(kind == "Job" and not m["status"] for (kind, _), m in cluster.objects.items()):
            cluster.resolve_job_ends()
        for name in cluster.deployments():
            cluster.kubelet(name)
        cluster.pass_time(seconds=5)
        if cluster.status["phase"] == "Ready":
            break
    assert cluster.status["phase"] == "Ready"
    assert cluster.status["stable"]["version"] == version
    assert cluster.selected() == cluster.status["stable"]["revision"]


def test_share_that_the_stable_version_cannot_carry_stays_until_the_fix_can() -> None:
    cluster = ready(replicas=4)
    cluster.starts("4")
    for _ in range(2):
        cluster.kubelet(cluster.revision_named("4"))
        cluster.settle()
    assert counts(cluster) == {"3": 2, "4": 3}
    name = cluster.revision_named("3")
    cluster.kubelet(name, status=cluster.server_ended(says("BackendDead", "x"), restarts=3))
    cluster.kubelet(cluster.revision_named("4"))
    cluster.starts("5")
    assert next(r["state"] for r in cluster.status["revisions"] if r["version"] == "4") == "Superseded"
    assert carried(cluster) == 3
    for _ in range(12):
        assert carried(cluster) >= 3
        if cluster.status["stable"]["version"] == "5":
            break
        cluster.kubelet(cluster.revision_named("5"))
        cluster.settle()
    assert cluster.status["stable"]["version"] == "5"


# Under an autoscaler (V9)


def bounds(cluster: Simulator, version: str) -> tuple[int, int]:
    """Of its autoscaler; (0, 0) where it has none."""
    found = cluster.objects.get(("HorizontalPodAutoscaler", cluster.revision_named(version)))
    return (found["spec"]["minReplicas"], found["spec"]["maxReplicas"]) if found else (0, 0)


def test_under_an_autoscaler_the_count_is_carried_on_and_what_gives_way_is_pinned() -> None:
    cluster = ready(autoscaling=SCALING, replicas=2)
    old = cluster.revision_named("3")
    cluster.objects["Deployment", old]["spec"]["replicas"] = 6
    cluster.kubelet(old)
    cluster.settle()
    assert bounds(cluster, "3") == (2, 8)
    cluster.starts("4")
    pairs = []
    for now in steps(cluster):
        assert carried(cluster) >= 6
        assert sum(now.values()) <= 8
        if cluster.status.get("candidate"):
            pairs.append((bounds(cluster, "3"), bounds(cluster, "4")))
    assert counts(cluster)["4"] == 6
    assert bounds(cluster, "4") == (2, 8)
    assert pairs[0] == ((6, 8), (0, 0))  # what carries the load alone may grow, and not shrink
    assert all(low == high for (low, high), _ in pairs[1:])
    assert all(new == (0, 0) or (new[0] >= 2 and new[1] == 8) for _, new in pairs)


def test_load_that_rises_on_the_way_is_followed_and_the_surge_is_not_taken_for_load() -> None:
    cluster = ready(autoscaling=SCALING, replicas=4)
    cluster.starts("4")
    cluster.kubelet(cluster.revision_named("4"))
    cluster.settle()
    assert cluster.status["replicas"] == 4
    coming = cluster.objects["Deployment", cluster.revision_named("4")]
    coming["spec"]["replicas"] += 2  # its autoscaler sees more load
    cluster.settle()
    assert cluster.status["replicas"] == 6
    cluster.rolls_on()
    assert counts(cluster)["4"] == 6


def test_a_node_that_is_lost_with_the_only_candidate_is_no_verdict() -> None:
    cluster = ready(replicas=2)
    cluster.starts("4")
    name = cluster.revision_named("4")
    cluster.kubelet(name)
    for pod in cluster.pods.values():
        pod["spec"]["nodeName"] = "node-1"
    cluster.nodes = (GPU_NODE, replace(GPU_NODE, name="node-2", ready=False))
    cluster.kubelet(name, status=cluster.server_ended("", restarts=3))
    for pod_name in [key for key in cluster.pods if key.startswith(name)]:
        cluster.pods[pod_name]["spec"]["nodeName"] = "node-2"
    cluster.settle()
    assert cluster.condition("Ready")["reason"] == "PodLost"
    assert "refused" not in cluster.status
    cluster.nodes = (GPU_NODE,)
    cluster.rolls_on()
    assert cluster.status["stable"]["version"] == "4"


def test_a_pod_that_has_been_told_to_end_carries_nothing_whatever_its_deployment_still_says() -> None:
    """Scaled down and up again at once, as a rollback does: the Deployment counts it until its controller looks."""
    cluster = ready(replicas=3)
    name = cluster.revision_named("3")
    cluster.pods[f"{name}-2"]["metadata"]["deletionTimestamp"] = "2026-01-05T12:00:00Z"
    cluster.settle()
    assert cluster.objects["Deployment", name]["status"]["availableReplicas"] == 3
    assert cluster.status["ready"] == "2/3"


def replaced() -> Simulator:
    """Version 4 has just taken over from version 3, whose pods retire."""
    cluster = ready(replicas=2)
    cluster.starts("4")
    cluster.rolls_on()
    assert cluster.status["stable"]["version"] == "4"
    return cluster


def counted(cluster: Simulator, requests: float, seconds: float) -> None:
    """Some time later version 3's pods have counted so many requests since they started."""
    cluster.pass_time(seconds=seconds)
    cluster.looks(metrics={"3": ModelMetrics(succeeded=requests)})
    cluster.settle()


def test_old_pods_stay_while_requests_still_reach_them() -> None:
    cluster = replaced()
    counted(cluster, 1000, 0)
    for requests in (1100, 1200):
        counted(cluster, requests, 10)
    counted(cluster, 1200, 15)  # 35 s after the takeover, 15 s after the last request that was seen
    assert "3" in counts(cluster)
    counted(cluster, 1200, 16)
    assert counts(cluster) == {"4": 2}


def test_old_pods_go_at_last_although_requests_reach_them() -> None:
    cluster = replaced()
    counted(cluster, 0, 0)
    for number in range(1, 12):
        counted(cluster, 100 * number, 5)
        assert "3" in counts(cluster)
    cluster.pass_time(seconds=5)  # a minute after the takeover
    cluster.settle()
    assert counts(cluster) == {"4": 2}
    (said,) = [message for reason, message in cluster.events if reason == "Draining"]
    assert said.startswith("3 (revision ")
    assert "its pods go although requests still reach them, 60 s after" in said


def test_old_pods_that_cannot_be_looked_at_go_by_the_clock() -> None:
    cluster = replaced()
    cluster.looks()
    cluster.pass_time(seconds=31)
    cluster.looks()
    cluster.settle()
    assert counts(cluster) == {"4": 2}
