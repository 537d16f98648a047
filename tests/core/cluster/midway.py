"""Rollouts that stand midway: where tests of several rules, and of what people are told there, begin."""

import json
from typing import Any

from slipway.triton.metrics import ModelMetrics
from tests.core.cluster.scenario import ERRORS, canary, changing, goes_on, pods_come, ready, shares
from tests.core.cluster.simulator import Simulator
from tests.core.gen import resolved

INLINE = {"analysis": "Inline"}
ANALYSIS = {"interval": "1m", "count": 1, "metrics": [ERRORS]}
INLINE_STEPS: list[dict[str, Any]] = [{"weight": 10}, {"analysis": "Inline"}, {"weight": 50}, {"analysis": "Inline"}]
BACKGROUND: list[dict[str, Any]] = [
    {"weight": 10},
    {"analysis": "Background"},
    {"pause": {"duration": "3m"}},
    {"weight": 50},
]


QUEUE = {"kueue.x-k8s.io/queue-name": "serving"}
IN_QUEUE: dict[str, Any] = {"podMetadata": {"labels": QUEUE}}
GATE = {"name": "kueue.x-k8s.io/admission"}
GATED = {
    "phase": "Pending",
    "conditions": [
        {
            "type": "PodScheduled",
            "status": "False",
            "reason": "SchedulingGated",
            "message": "Scheduling is blocked due to non-empty scheduling gates",
        }
    ],
}


KEEPS_STATE = json.dumps({"resolved": resolved(model={"sequences": True}).to_dict()})


def blue_green(*, before: list[dict[str, Any]] | None = None, after: list[dict[str, Any]] | None = None) -> Simulator:
    """Version 4's pods have come."""
    checks = {name: part for name, part in (("beforeSwitch", before), ("afterSwitch", after)) if part}
    rollout: dict[str, Any] = {"type": "BlueGreen", "blueGreen": {**checks, "standbyDuration": "10m"}}
    if INLINE in (*(before or ()), *(after or ())):
        rollout["analysis"] = ANALYSIS
    cluster = changing(rollout)
    pods_come(cluster)
    return cluster


def analysed(*steps: dict[str, Any], **fields: Any) -> Simulator:
    """A canary at 10 %, whose analysis has just begun with a first look: rounds a minute apart, two to pass."""
    analysis = {"interval": "1m", "count": 2, "metrics": [ERRORS], **fields}
    cluster = canary(*(steps or INLINE_STEPS), analysis=analysis, standbyDuration="0s")
    pods_come(cluster)
    assert shares(cluster) == {"3": 90, "4": 10}
    cluster.looks(metrics={"3": ModelMetrics(), "4": ModelMetrics()})
    goes_on(cluster)
    return cluster


def queued(cluster: Simulator, name: str, available: int = 0) -> None:
    """So many pods of a Deployment are ready, and the queue holds the others back."""
    cluster.kubelet(name)
    deployment = cluster.objects["Deployment", name]
    for number in range(available, deployment["spec"]["replicas"]):
        pod = cluster.pods[f"{name}-{number}"]
        pod["spec"]["schedulingGates"] = [GATE]
        pod["status"] = GATED
    deployment["status"] = {"availableReplicas": available, "replicas": deployment["spec"]["replicas"]}
    cluster.settle()


def asked_for_4(rollout: dict[str, Any], **more: Any) -> Simulator:
    """Version 3 serves; version 4 has just been asked for, and its model keeps state by sequence."""
    cluster = ready(replicas=4, rollout=rollout, **more)
    goes_on(cluster)
    cluster.edit(version="4")
    cluster.settle()
    cluster.resolve_job_ends(KEEPS_STATE)
    goes_on(cluster)
    return cluster
