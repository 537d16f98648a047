"""Resolving: whose pod answers for a Job, and what is said of one that ended without a word."""

from typing import Any

import pytest

from slipway.core.observed.objects import JobQueued
from slipway.core.plan import Apply
from tests.core.cluster.kubelet import RESOLVED, says
from tests.core.cluster.scenario import ready
from tests.core.cluster.simulator import Simulator


def retried(said: str) -> Simulator:
    """A resolve Job has ended so, and the next one of its name is there, and so is the pod of the first."""
    cluster = ready()
    cluster.edit(version="4")
    cluster.settle()
    cluster.resolve_job_ends(said, exit_code=1)
    cluster.settle()
    left = dict(cluster.pods)
    for _ in range(3):
        cluster.pass_time(seconds=10)
        cluster.settle()
        cluster.pods = left | cluster.pods  # garbage collection takes its time
    return cluster


def job(cluster: Simulator) -> dict[str, Any]:
    (found,) = (m for (kind, _), m in cluster.objects.items() if kind == "Job" and not m["status"])
    return found


@pytest.mark.parametrize("said", [says("SourceDenied", "403"), RESOLVED], ids=["a failure", "an answer"])
def test_the_pod_of_an_earlier_job_says_nothing_of_the_next_one_of_its_name(said: str) -> None:
    cluster = retried(says("SourceDenied", "403"))
    name = job(cluster)["metadata"]["name"]
    old = cluster.pods[f"{name}-pod"]
    assert old["metadata"]["labels"]["batch.kubernetes.io/controller-uid"] != job(cluster)["metadata"]["uid"]
    old["status"]["containerStatuses"][0]["state"]["terminated"]["message"] = said
    cluster.settle()
    assert cluster.status["rollout"]["resolve"]["attempts"] == 1
    assert "revision" not in cluster.status["candidate"]

    cluster.resolve_job_ends()
    cluster.settle()
    assert "revision" in cluster.status["candidate"], "the new Job's answer counts at once"


def test_a_job_that_waits_for_its_pod_is_looked_at_although_the_pod_of_an_earlier_one_is_there() -> None:
    cluster = retried(says("SourceDenied", "403"))
    cluster.pass_time(seconds=30)
    (look,) = (each for each in cluster.plan().looks if each.topic == "unstarted")
    assert look.events_of == (job(cluster)["metadata"]["uid"],)


def test_a_resolver_that_was_evicted_is_told_of_by_its_pod_and_node() -> None:
    cluster = ready()
    cluster.edit(version="4")
    cluster.settle()
    cluster.resolve_job_ends("", exit_code=137)
    (pod,) = (pod for pod in cluster.pods.values() if pod["status"]["phase"] == "Failed")
    pod["status"] |= {"reason": "Evicted", "message": "disk pressure"}
    cluster.settle()
    assert cluster.condition("Ready")["reason"] == "PodLost"
    assert "on node-1: Evicted: disk pressure" in cluster.condition("Ready")["message"]


def test_a_job_that_waits_for_its_turn_says_so_and_takes_nothing_from_what_serves() -> None:
    cluster = ready()
    cluster.edit(version="4")
    apply = next(action for action in cluster.plan().actions if isinstance(action, Apply))
    cluster.queued = (JobQueued(kind="Job", name=apply.manifest["metadata"]["name"], limit=32),)
    plan = cluster.plan()
    conditions = {each.type: each for each in plan.status.conditions}
    assert conditions["Reconciling"].reason == "ResolveQueued"
    assert "32 may run at a time" in (conditions["Reconciling"].message or "")
    assert conditions["Available"].status == "True", "what serves goes on"
    assert plan.wake_at, "and there is a deadline"
    assert "ResolveQueued" not in {event.reason for event in plan.notes}, "a thousand at once would be as many Events"
