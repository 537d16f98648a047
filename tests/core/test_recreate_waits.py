"""Recreate and pods of which nobody can tell whether they have ended, because nobody hears of their nodes."""

from dataclasses import replace

import pytest

from slipway.core.observed.nodes import NodeFacts
from tests.core.cluster.scenario import GPU_NODE, counts, forget_jobs, proved, ready, told
from tests.core.cluster.simulator import Simulator

SILENT = replace(GPU_NODE, name="node-2", ready=False)
NODES = {"silent": (GPU_NODE, SILENT), "gone": (GPU_NODE,)}


def ends_on(cluster: Simulator, node: str) -> str:
    """A pod of the version that serves has been told to end, on that node; another has taken its place."""
    name = f"churn-{cluster.selected()}-0"
    old = cluster.pods[name]
    meta = {**old["metadata"], "name": "stuck", "uid": "u-stuck", "deletionTimestamp": "2026-01-05T12:00:00Z"}
    cluster.pods["stuck"] = {**old, "metadata": meta, "spec": {"nodeName": node}}
    return name


def recreated() -> Simulator:
    cluster = ready(replicas=2, rollout={"type": "Recreate"})
    cluster.pass_time(minutes=5)
    forget_jobs(cluster)
    return cluster


@pytest.mark.parametrize("nodes", NODES.values(), ids=NODES)
def test_nothing_is_taken_away_while_a_pod_is_known_to_be_stuck(nodes: tuple[NodeFacts, ...]) -> None:
    cluster = recreated()
    ends_on(cluster, "node-2")
    cluster.nodes = nodes
    cluster.starts("4")
    proved(cluster)
    assert counts(cluster)["3"] == 2
    assert cluster.condition("Available")["status"] == "True"
    said = cluster.condition("Ready")
    assert said["reason"] == "PodLost"
    assert said["message"].startswith("4: 3 is not stopped while nobody can tell whether stuck of 3 has ended")
    assert "its node node-2 is " in said["message"]
    assert "delete Node node-2" in said["message"]
    assert "kubectl delete pod stuck --grace-period=0 --force" in said["message"]
    cluster.pass_time(hours=5)
    cluster.settle()
    assert cluster.status["phase"] == "Stalled"
    assert "refused" not in cluster.status

    del cluster.pods["stuck"]
    cluster.settle()
    proved(cluster)
    assert counts(cluster) == {"3": 0, "4": 2}
    cluster.rolls_on()
    assert cluster.status["stable"]["version"] == "4"


def test_a_version_on_a_silent_node_is_not_stopped_either() -> None:
    cluster = recreated()
    cluster.nodes = (replace(GPU_NODE, ready=False),)
    cluster.starts("4")
    proved(cluster)
    assert counts(cluster)["3"] == 2


@pytest.mark.parametrize("deleted", [True, False], ids=["its Node is deleted", "nobody does anything"])
def test_a_pod_that_gets_stuck_once_all_is_stopped_is_named_with_a_deadline(deleted: bool) -> None:
    cluster = recreated()
    cluster.starts("4")
    ends_on(cluster, "node-2")
    cluster.nodes = (GPU_NODE, replace(SILENT, ready=True))
    proved(cluster)
    assert counts(cluster) == {"3": 0, "4": 0}
    assert cluster.condition("Ready")["reason"] == "Draining"
    assert "stuck on node-2 has not" in cluster.condition("Ready")["message"]

    cluster.nodes = (GPU_NODE, SILENT)
    plan = cluster.settle()
    assert counts(cluster) == {"3": 0, "4": 0}
    assert cluster.condition("Ready")["reason"] == "PodLost"
    assert "delete Node node-2" in cluster.condition("Ready")["message"]
    assert told(cluster)[-1] == "PodLost"
    assert plan.wake_at
    if deleted:
        cluster.nodes = (GPU_NODE,)  # somebody has deleted the Node: its pod does not run, whoever still lists it
        cluster.settle()
        assert counts(cluster) == {"3": 0, "4": 2}
        return
    cluster.now = plan.wake_at
    cluster.settle()
    assert cluster.status["refused"]["reason"] == "PodLost"
    assert counts(cluster) == {"3": 2}  # its own ReplicaSet makes a pod for each that may never be seen to end


def test_a_version_that_serves_nobody_is_replaced_with_a_reason_for_each_wait() -> None:
    """No proof is asked for where nothing can be lost, and its pods are waited for all the same."""
    cluster = recreated()
    name = cluster.revision_named("3")
    cluster.kubelet(name, status=cluster.server_runs())
    cluster.pods["ends"] = {**cluster.pods[f"{name}-0"]}
    cluster.pods["ends"]["metadata"] = {
        **cluster.pods["ends"]["metadata"],
        "name": "ends",
        "uid": "u-ends",
        "deletionTimestamp": "2026-01-05T12:00:00Z",
    }
    cluster.starts("4")
    proved(cluster)
    assert counts(cluster) == {"3": 0, "4": 0}
    assert cluster.condition("Ready")["reason"] == "Draining"
    assert "ends on node-1 has not" in cluster.condition("Ready")["message"]
