"""Scenarios that stories of the core share: how they begin, what happens next, and what can be seen of it."""

from collections.abc import Iterator
from typing import Any

from slipway.core.observed.nodes import NodeFacts
from slipway.core.observed.traffic_policies import IN_FORCE_AFTER
from slipway.triton.metrics import ModelMetrics
from tests.core.cluster.kubelet import says
from tests.core.cluster.simulator import Simulator, simulator
from tests.core.pods import unschedulable

SCALING = {"minReplicas": 2, "maxReplicas": 8, "metrics": [{"type": "Resource"}]}
GPU_NODE = NodeFacts(name="node-1", labels={}, allocatable={"nvidia.com/gpu": "4"}, schedulable=True)
NO_GPU = unschedulable("0/1 nodes: no gpu")
GATEWAY = {"gateway": {"name": "inference", "namespace": "gateways"}, "hostnames": ["churn.example"]}
APART = {**GATEWAY, "grpcRoute": {"hostnames": ["grpc.churn.example"], "sectionName": "grpc"}}
KEYS: dict[str, Any] = {"authentication": {"apiKeys": {"secretName": "clients"}}}
LIMIT: dict[str, Any] = {"rateLimit": {"requests": 5, "per": "Second"}}
STEPS = [{"weight": 10}, {"pause": {"duration": "5m"}}, {"weight": 50}, {"pause": {}}]
ERRORS = {"name": "errors", "builtIn": "ErrorRate", "max": "0.01"}

# How a story begins


def ready(**spec: Any) -> Simulator:
    cluster = simulator(**spec)
    cluster.nodes = (GPU_NODE,)
    cluster.becomes_ready()
    return cluster


def canary(
    *steps: dict[str, Any],
    replicas: int = 4,
    traffic: dict[str, Any] | None = GATEWAY,
    analysis: dict[str, Any] | None = None,
    **more: Any,
) -> Simulator:
    """Version 3 serves; version 4 has just been asked for, and resolved."""
    rollout = {"type": "Canary", "canary": {"steps": list(steps or STEPS), **more}}
    return changing(rollout | ({"analysis": analysis} if analysis else {}), replicas=replicas, traffic=traffic)


def changing(rollout: dict[str, Any], *, replicas: int = 4, traffic: dict[str, Any] | None = GATEWAY) -> Simulator:
    """Version 3 serves; version 4 has just been asked for, and resolved."""
    cluster = ready(replicas=replicas, rollout=rollout, **({"traffic": traffic} if traffic else {}))
    if traffic:
        cluster.gateway_answers()
        cluster.settle()
    cluster.edit(version="4")
    cluster.settle()
    cluster.resolve_job_ends()
    goes_on(cluster)
    return cluster


# What happens next


def starts(cluster: Simulator, version: str) -> str:
    """The Deployment of a version that has just come."""
    cluster.starts(version)
    return cluster.revision_named(version)


def goes_on(cluster: Simulator) -> None:
    """The operator does what it can without another pod."""
    for _ in range(6):
        cluster.settle()
        if not cluster.gateway_answers():
            return
    cluster.settle()


def answered(cluster: Simulator, **said: Any) -> Simulator:
    """Until nothing moves any more, the gateway takes up the route, and Envoy Gateway says this of policies."""
    for _ in range(4):
        cluster.gateway_answers()
        cluster.policies_answer(**said)
        cluster.settle()
        cluster.pass_time(seconds=IN_FORCE_AFTER.total_seconds())
    cluster.settle()
    return cluster


def pods_come(cluster: Simulator) -> None:
    for name in cluster.deployments():
        cluster.kubelet(name)
    goes_on(cluster)


def fails(cluster: Simulator, version: str, reason: str = "WrongAnswer") -> None:
    name = cluster.revision_named(version)
    cluster.kubelet(name, status=cluster.server_ended(says(reason, "y[0] is 5"), restarts=1))
    cluster.settle()


def waits(cluster: Simulator, version: str, available: int) -> None:
    """So many pods of a version are ready, and the others find no node."""
    name = cluster.revision_named(version)
    cluster.kubelet(name)
    deployment = cluster.objects["Deployment", name]
    for number in range(available, deployment["spec"]["replicas"]):
        cluster.pods[f"{name}-{number}"]["status"] = NO_GPU
    deployment["status"] = {"availableReplicas": available, "replicas": deployment["spec"]["replicas"]}
    cluster.settle()


def proved(cluster: Simulator) -> None:
    """The resolve Jobs that the machine wants before capacity is taken away."""
    for _ in range(2):
        if any(kind == "Job" and not m["status"] for (kind, _), m in cluster.objects.items()):
            cluster.resolve_job_ends()
        cluster.settle()


def forget_jobs(cluster: Simulator) -> None:
    """Their time to live is over."""
    for kind, name in [key for key in cluster.objects if key[0] == "Job"]:
        del cluster.objects[kind, name]
        cluster.pods.pop(f"{name}-pod", None)


def round_of(cluster: Simulator, succeeded: float = 0, failed: float = 0) -> None:
    """A minute later: each version's pods have counted so many since they started."""
    cluster.pass_time(minutes=1)
    seen = ModelMetrics(succeeded=succeeded, failed={"BACKEND": failed})
    cluster.looks(metrics={"3": seen, "4": seen})
    for _ in range(2):  # a further share takes further pods
        pods_come(cluster)


def steps(cluster: Simulator, limit: int = 30) -> Iterator[dict[str, int]]:
    """The counts after each round in which all pods got ready."""
    for _ in range(limit):
        yield counts(cluster)
        if "rollout" not in cluster.status or cluster.status["rollout"]["phase"] == "Soaking":
            return
        for name in cluster.deployments():
            cluster.kubelet(name)
        cluster.settle()
    raise AssertionError(f"still rolling: {cluster.status}")


# What can be seen


def counts(cluster: Simulator) -> dict[str, int]:
    """Pods by version, as they are wanted."""
    listed = {f"churn-{r['revision']}": r["version"] for r in cluster.status["revisions"]}
    return {listed[name]: m["spec"]["replicas"] for name, m in cluster.deployments().items() if name in listed}


def carried(cluster: Simulator) -> int:
    """Available pods in the root Service's reach."""
    reached = cluster.selected()
    return sum(
        m["status"].get("availableReplicas", 0)
        for name, m in cluster.deployments().items()
        if name == f"churn-{reached}" or not reached
    )


def shares(cluster: Simulator) -> dict[str, int]:
    """Percent by version, as the live routes have it, for gRPC and HTTP alike."""
    named = {f"churn-{r['revision']}": r["version"] for r in cluster.status["revisions"]}
    rules = cluster.objects["HTTPRoute", "churn"]["spec"]["rules"][:2]
    if "grpcRoute" in cluster.spec["traffic"]:
        rules = [rules[0], cluster.objects["GRPCRoute", "churn"]["spec"]["rules"][0]]
    per_rule = [{ref["name"]: ref["weight"] for ref in rule["backendRefs"] if ref["weight"]} for rule in rules]
    assert all(rule == per_rule[0] for rule in per_rule)
    return {named[name]: weight for name, weight in per_rule[0].items()}


def told(cluster: Simulator) -> list[str]:
    return [reason for reason, _ in cluster.events]
