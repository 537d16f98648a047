"""What starts took: asked of pods once for each GPU that a version runs on, and kept in status."""

from typing import Any

import pytest

from slipway.core.analysis.look import Look
from slipway.core.load import LOOK_EVERY
from slipway.core.looks.starts import ASKED_AGAIN
from slipway.core.observed.evidence import Evidence, PodStart, Scrape
from slipway.core.observed.nodes import NodeFacts
from slipway.triton.load import StartFacts
from tests.core.cluster.scenario import GATEWAY, pods_come, starts
from tests.core.cluster.simulator import Simulator, simulator

BOUNDS: dict[str, Any] = {"minReplicas": 2, "maxReplicas": 8}
CANARY = {"type": "Canary", "canary": {"steps": [{"weight": 50}, {"pause": {}}]}}


def unmeasured(pods: int = 3, **spec: Any) -> Simulator:
    """Version 3 serves, and nobody has said what its pods' starts took."""
    cluster = simulator(replicas=pods, **spec)
    cluster.start_facts = None
    cluster.becomes_ready()
    cluster.pass_time(minutes=1)
    cluster.gateway_answers()
    cluster.settle()
    return cluster


def start(pod: str, load: float, memory: int | None = None, *, of: str) -> PodStart:
    facts = StartFacts(load=load, first_answer=load + 1, memory=memory, gpu_memory=None, shared_memory=4096)
    return PodStart(name=pod, revision=of, facts=facts)


def measured(cluster: Simulator, *told: PodStart) -> list[dict[str, Any]]:
    """What status keeps once the look at starts, if one is due, has brought that."""
    cluster.pass_time(seconds=ASKED_AGAIN.seconds)
    for look in start_looks(cluster):
        assert look.at <= cluster.now
        cluster.evidence[look.topic] = Evidence(history=(Scrape(at=cluster.now),), starts=told)
    cluster.settle()
    (entry,) = cluster.status["revisions"]
    return [dict(each) for each in entry.get("measured", [])]


def start_looks(cluster: Simulator) -> list[Look]:
    return [look for look in cluster.plan().looks if look.topic.endswith("/start")]


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"autoscaling": {**BOUNDS, "metrics": [{"type": "Resource"}]}},
        {"autoscaling": {**BOUNDS, "load": {}, "scaler": "KEDA"}},
        {"autoscaling": {**BOUNDS, "load": {}}},
    ],
    ids=["by nobody", "HPA", "KEDA", "Slipway"],
)
def test_whoever_scales_a_model_its_pods_are_asked_once_what_their_start_took(spec: dict[str, Any]) -> None:
    cluster = unmeasured(3, **spec)
    stable = cluster.status["stable"]["revision"]
    (look,) = start_looks(cluster)
    assert {target.name for target in look.targets} == {pod.name for pod in cluster.observed().pods_of(stable)}
    (found,) = measured(cluster, start(look.targets[0].name, 10, of=stable))
    assert (found["product"], found["loadMilliseconds"]) == ("CPU", 10_000)
    cluster.evidence.clear()  # as where an operator starts anew
    assert start_looks(cluster) == []


def test_pods_that_do_not_say_what_their_start_took_are_asked_again_and_not_at_once() -> None:
    cluster = unmeasured(3)
    assert measured(cluster) == []
    (look,) = start_looks(cluster)
    assert look.at == cluster.now + ASKED_AGAIN


def test_a_candidates_pods_are_asked_as_well_once_they_have_been_ready_for_a_while() -> None:
    cluster = unmeasured(3, rollout=CANARY, traffic=GATEWAY)
    stable = cluster.status["stable"]["revision"]
    measured(cluster, start(cluster.observed().pods_of(stable)[0].name, 10, of=stable))
    assert start_looks(cluster) == []
    starts(cluster, "4")
    assert start_looks(cluster) == []
    pods_come(cluster)
    (look,) = start_looks(cluster)
    assert (look.targets, look.at) == ((), cluster.now + LOOK_EVERY)
    cluster.pass_time(seconds=LOOK_EVERY.seconds)
    (look,) = start_looks(cluster)
    assert look.at == cluster.now
    assert {target.revision for target in look.targets} == {cluster.status["candidate"]["revision"]}


def test_what_starts_took_is_kept_by_product_as_it_was_first_seen() -> None:
    cluster = unmeasured(3)
    stable = cluster.status["stable"]["revision"]
    pods = [pod.name for pod in cluster.observed().pods if pod.revision == stable]
    # the middle of three: one that lies moves nothing
    said = [start(pods[0], 10, 100, of=stable), start(pods[1], 12, of=stable), start(pods[2], 9_999, 10**12, of=stable)]
    (found,) = measured(cluster, *said)
    at = found.pop("at")
    assert found == {
        "product": "CPU",
        "pods": 3,
        "loadMilliseconds": 12_000,
        "firstAnswerMilliseconds": 13_000,
        "memoryBytes": 10**12,
        "sharedMemoryBytes": 4096,
    }
    assert measured(cluster, start(pods[0], 99, of=stable)) == [found | {"at": at}]
    assert measured(cluster) == [found | {"at": at}]


def test_a_gpu_is_named_by_the_pods_node_and_nobody_elses_pod_is_measured() -> None:
    cluster = unmeasured(2, accelerator={"count": 1})
    stable = cluster.status["stable"]["revision"]
    (one, two) = [pod for pod in cluster.observed().pods if pod.revision == stable]
    assert measured(cluster, start(one.name, 10, of=stable)) == [], "its node does not say what it has"
    labels = {"nvidia.com/gpu.product": "NVIDIA-L4"}
    cluster.nodes = (NodeFacts(name=one.node or "", labels=labels, allocatable={}, schedulable=True),)
    strangers = [start("other", 1, of=stable), start(two.name, 1, of="00000000")]
    (found,) = measured(cluster, start(one.name, 10, of=stable), *strangers)
    assert (found["product"], found["pods"], found["loadMilliseconds"]) == ("NVIDIA-L4", 1, 10_000)
