"""Pods that are available and stay, while a Deployment's own count is late."""

from datetime import timedelta

import pytest

from slipway.core.observed.pods import PodFacts, pod_facts
from slipway.core.observed.revision import available
from tests.core.gen import NOON


def ready_for(seconds: int, *, ending: bool = False) -> PodFacts:
    at = (NOON - timedelta(seconds=seconds)).isoformat()
    meta = {"name": f"a-{seconds}", "uid": f"a-{seconds}", "resourceVersion": "1", "creationTimestamp": at}
    if ending:
        meta["deletionTimestamp"] = NOON.isoformat()
    conditions = [{"type": "Ready", "status": "True", "lastTransitionTime": at}]
    return pod_facts({"metadata": meta, "status": {"phase": "Running", "conditions": conditions}})


@pytest.mark.parametrize(
    ("said", "pods", "count"),
    [
        (2, [ready_for(60), ready_for(60)], 2),
        (1, [ready_for(60), ready_for(3)], 1),
        (1, [ready_for(60, ending=True), ready_for(3)], 0),
        (1, [ready_for(60, ending=True), ready_for(11)], 1),
        (3, [ready_for(60, ending=True), ready_for(3), ready_for(4)], 2),
        (2, [ready_for(60, ending=True), ready_for(60), ready_for(3)], 1),
        (0, [ready_for(60)], 0),
    ],
    ids=[
        "all",
        "one is not there yet",
        "the one that counts ends",
        "the other has been ready for long enough",
        "at least so many of those that stay were counted",
        "one stays, one ends, one has just come",
        "the Deployment counts none",
    ],
)
def test_a_pod_that_has_just_become_ready_does_not_take_the_place_of_one_that_ends(
    said: int, pods: list[PodFacts], count: int
) -> None:
    deployment = {"spec": {"minReadySeconds": 10}, "status": {"availableReplicas": said}}
    assert available(deployment, pods, NOON) == count
