"""Pods that have come to their end decide nothing: whatever lies about, what is done and when is the same."""

import copy

from hypothesis import settings

from slipway.core.names import REVISION
from tests.core.cluster.littered import ENDS, leftover
from tests.core.cluster.machine import SETTINGS
from tests.core.cluster.machines import LitteredMachine, LitteredRoutes
from tests.core.cluster.scenario import (
    ERRORS,
    canary,
    counts,
    forget_jobs,
    goes_on,
    pods_come,
    proved,
    ready,
    round_of,
    shares,
    told,
)
from tests.core.cluster.simulator import Simulator

TestLittered = LitteredMachine.TestCase
TestLittered.settings = settings(SETTINGS, max_examples=max(10, SETTINGS.max_examples // 3))


def test_what_takes_back_has_its_time_whatever_lies_about() -> None:
    """Its pods' progress moves the deadline on, and a pod that was lost before does not hold that up."""
    machine = LitteredMachine()
    machine.all_goes_well_for_a_while(more=3)
    old = machine.cluster.revision_named("3")
    machine.a_rollout_comes_so_far(version="4", more=3, writes=0)
    machine.asks_for_a_version(version="3")
    machine.cluster.settle()
    assert machine.cluster.status["phase"] == "RollingBack"
    machine.time_passes(seconds=31)
    machine.cluster.partly_ready(old, 1)
    machine.cluster.settle()  # each decision is made with and without leftovers
    machine.teardown()


def test_the_reason_that_a_gateway_gives_is_told_whatever_lies_about() -> None:
    machine = LitteredRoutes()
    machine.all_goes_well_for_a_while(more=3)
    machine.cluster.partly_ready(machine.cluster.revision_named("3"), 1)
    machine.the_gateway_comes_or_goes(there=False, programmed=True)
    machine.cluster.settle()
    assert machine.cluster.condition("Ready")["reason"] == "GatewayNotFound"
    machine.teardown()


# As people have met them


def lies_about(cluster: Simulator, version: str, *ends: int, node: str = "node-1") -> None:
    """So many pods of a version end and are left over; those that replace them are there."""
    revision = cluster.revision_named(version).removeprefix("churn-")
    at = cluster.now.strftime("%Y-%m-%dT%H:%M:%SZ")
    for end in ends:
        name = f"over-{version}-{len(cluster.pods)}"
        cluster.pods[name] = leftover(name, revision, node=node, end=end, at=at)
    cluster.settle()


EVERY = range(len(ENDS))


def test_a_version_is_not_refused_for_pods_that_were_evicted_or_shut_down_with_their_nodes() -> None:
    cluster = ready(replicas=4)
    cluster.starts("4")
    cluster.kubelet(cluster.revision_named("4"), status=cluster.server_runs())
    lies_about(cluster, "4", *EVERY)
    lies_about(cluster, "4", *EVERY, node="node-2")
    assert "refused" not in cluster.status
    assert "waitingSince" not in str(cluster.status["rollout"])
    cluster.rolls_on()
    assert cluster.status["stable"]["version"] == "4"
    assert cluster.status["phase"] == "Ready"


def test_a_lost_pod_is_told_of_while_pods_are_lacking_and_nothing_has_come_up_since() -> None:
    cluster = ready(replicas=2)
    name = cluster.revision_named("3")
    cluster.pass_time(minutes=1)
    cluster.kubelet(name, status=cluster.server_runs())
    lies_about(cluster, "3", 0)
    assert cluster.condition("Ready")["reason"] == "PodLost"
    told = cluster.condition("Ready")["message"]
    assert told.startswith("3: over-3-")
    assert " on node-1: Evicted: the node was low on resource" in told
    cluster.pass_time(minutes=1)
    cluster.kubelet(name)
    cluster.settle()
    assert cluster.status["phase"] == "Ready"
    assert cluster.condition("Ready")["reason"] == "Ready"
    cluster.pass_time(days=2)
    cluster.objects["Deployment", name]["status"]["availableReplicas"] = 1
    cluster.pods[f"{name}-1"]["status"] = cluster.server_runs()  # another matter, two days later
    cluster.settle()
    assert cluster.condition("Ready")["reason"] != "PodLost"


def test_a_leftover_beside_as_many_pods_as_are_wanted_says_nothing() -> None:
    for rollout in ({"type": "BlueGreen"}, {"type": "RollingUpdate"}):
        cluster = ready(replicas=2, rollout=rollout)
        cluster.starts("4")
        cluster.rolls_on()
        before = cluster.status
        lies_about(cluster, "4", *EVERY)
        assert cluster.status == before
        assert cluster.condition("Ready")["status"] == "True"


def test_a_leftover_of_a_canary_stops_no_analysis_and_no_step() -> None:
    analysis = {"interval": "1m", "count": 2, "metrics": [ERRORS]}
    cluster = canary({"weight": 50}, {"analysis": "Inline"}, {"pause": {"duration": "5m"}}, analysis=analysis)
    pods_come(cluster)
    lies_about(cluster, "4", *EVERY)
    for requests in (0, 1000, 2000, 3000):
        round_of(cluster, succeeded=requests)
    assert "AnalysisPassed" in told(cluster)
    assert cluster.status["phase"] == "Paused"
    cluster.pass_time(minutes=5)
    goes_on(cluster)
    pods_come(cluster)
    assert shares(cluster) == {"4": 100}


def test_recreate_does_not_wait_for_pods_that_are_over() -> None:
    cluster = ready(replicas=1, rollout={"type": "Recreate"})
    lies_about(cluster, "3", *EVERY)
    forget_jobs(cluster)
    cluster.starts("4")
    proved(cluster)
    assert counts(cluster) == {"3": 0, "4": 1}
    cluster.rolls_on()
    assert cluster.status["stable"]["version"] == "4"


def test_a_leftover_serves_nobody_whatever_its_conditions_say() -> None:
    cluster = ready(replicas=1)
    name = cluster.revision_named("3")
    cluster.pods = {}
    lies_about(cluster, "3", 7)
    assert cluster.objects["Deployment", name]["status"]["availableReplicas"] == 1
    assert cluster.status["ready"] == "0/1"


def test_pods_that_a_deleted_deployment_has_left_for_a_while_get_no_traffic_of_a_service_that_spans() -> None:
    """The garbage collector tells them to end, which on a busy cluster takes its time."""
    cluster = ready(replicas=2, rollout={"type": "RollingUpdate"})
    serving = cluster.revision_named("3")
    left = copy.deepcopy(cluster.pods[f"{serving}-0"])
    left["metadata"] |= {"name": "churn-0ddba11f-0", "uid": "left"}
    left["metadata"]["labels"] |= {REVISION: "0ddba11f"}
    cluster.pods["churn-0ddba11f-0"] = left

    cluster.starts("4")
    cluster.kubelet(cluster.revision_named("4"))
    cluster.settle()
    assert cluster.objects["Service", "churn"]["spec"]["selector"][REVISION] == serving.removeprefix("churn-")
    assert "once pods of an earlier version have gone" in cluster.condition("Ready")["message"]

    left["metadata"]["deletionTimestamp"] = cluster.now.strftime("%Y-%m-%dT%H:%M:%SZ")
    cluster.rolls_on()
    assert cluster.status["stable"]["version"] == "4"
