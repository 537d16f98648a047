"""How many pods a rate takes, what is written, and how many more the nodes take."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.api.v1alpha1.spec import Accelerator, Autoscaling, Load
from slipway.cli.room import room
from slipway.cli.sizing import load_of, manifest, pods_for, written
from slipway.core import load as scaler


@pytest.mark.parametrize(
    ("rps", "capacity", "load", "pods"),
    [
        (300, 100, Load(target=100), 3),
        (300, 100, Load(), 5),  # each at 70 %
        (70, 100, Load(), 1),
        (70.1, 100, Load(), 2),
        (0.1, 100, Load(), 1),
        (300, 0.5, Load(target=50, headroom=2), 1202),
    ],
)
def test_each_pod_has_the_target_of_what_it_can_do(rps: float, capacity: float, load: Load, pods: int) -> None:
    assert pods_for(rps, capacity, load) == pods


@given(rps=st.floats(0.1, 1e5), measured=st.floats(0.01, 1e5), target=st.integers(1, 100), headroom=st.integers(0, 9))
def test_the_scaler_comes_to_the_same_number_at_that_rate(
    rps: float, measured: float, target: int, headroom: int
) -> None:
    load = Load(target=target, headroom=headroom, capacity=written(measured))
    read = scaler.RevisionLoad(pods=1, answered=1, rate=rps)
    pods = pods_for(rps, float(written(measured)), load)
    assert abs(scaler.pods_for(load, read, missing_is_full=False) - pods) <= (rps * 100 / measured / target > 1e8)
    assert (pods - headroom) * float(written(measured)) * target / 100 >= rps * (1 - 1e-6)


@given(st.floats(1e-9, 1e12))
def test_a_capacity_is_written_as_the_api_takes_it_and_never_above_what_was_measured(capacity: float) -> None:
    text = written(capacity)
    assert Load(capacity=text).capacity == text
    assert float(text) <= max(capacity, 0.001)
    assert float(text) >= min(capacity, 9_999_999) * 0.9 or capacity < 0.01


@pytest.mark.parametrize(
    ("spec", "block"),
    [
        ({}, {"minReplicas": 1, "maxReplicas": 5, "load": {"target": 70, "capacity": "96.3"}}),
        (
            {"autoscaling": {"minReplicas": 2, "maxReplicas": 12, "load": {"target": 80, "backlog": "2s", "capacity": "1"}}},  # noqa: E501
            {"minReplicas": 2, "maxReplicas": 12, "load": {"target": 80, "backlog": "2s", "capacity": "96.3"}},
        ),
        (
            {"autoscaling": {"minReplicas": 9, "maxReplicas": 3, "metrics": [{}]}},
            {"minReplicas": 5, "maxReplicas": 5, "load": {"target": 70, "capacity": "96.3"}},
        ),
        ({"autoscaling": "none"}, {"minReplicas": 1, "maxReplicas": 5, "load": {"target": 70, "capacity": "96.3"}}),
    ],
)  # fmt: skip
def test_what_is_to_be_written_keeps_what_the_manifest_says(spec: dict[str, Any], block: dict[str, Any]) -> None:
    assert manifest(spec, capacity=96.37, pods=5) == {"autoscaling": block}
    assert Autoscaling.model_validate(block)


@pytest.mark.parametrize("load", [{"target": 0}, {"target": "x", "headroom": -1}, [], None, {"target": True}])
def test_what_cannot_be_read_of_the_load_is_as_by_default(load: object) -> None:
    assert load_of({"autoscaling": {"load": load}}) == Load()


# -- room


def node(name: str = "n", *, labels: dict[str, str] | None = None, **more: Any) -> dict[str, Any]:
    has = {"cpu": "4", "memory": "16Gi", "pods": "110", **more.pop("has", {})}
    status = {"allocatable": has, "conditions": [{"type": "Ready", "status": "True"}]}
    return {"metadata": {"name": name, "labels": labels or {}}, "spec": more, "status": status}


def pod(cpu: str = "1", *, phase: str = "Running", on: str = "n", **more: Any) -> dict[str, Any]:
    containers = [{"resources": {"requests": {"cpu": cpu, "memory": "1Gi"}, **more.pop("resources", {})}}]
    return {"spec": {"nodeName": on, "containers": containers, **more}, "status": {"phase": phase}}


GPU = {"nvidia.com/gpu": "2"}
TAINT = {"key": "a", "value": "b", "effect": "NoSchedule"}


@pytest.mark.parametrize(
    ("nodes", "pods", "spec", "more"),
    [
        ([node()], [], pod()["spec"], 4),
        ([node()], [pod(), pod(phase="Succeeded"), pod(on="other")], pod()["spec"], 3),
        ([node(), node("m")], [pod("3900m")], pod()["spec"], 4),
        ([node(has={"pods": "2"})], [pod()], pod()["spec"], 1),
        ([node(has={"memory": "2560Mi"})], [], pod()["spec"], 2),
        ([node()], [], pod(initContainers=[{"resources": {"requests": {"cpu": "2"}}}])["spec"], 2),
        ([node()], [], pod(resources={"limits": {"memory": "8Gi", "x.y/z": "1"}})["spec"], 0),  # nobody has a z
        ([node()], [pod("9")], pod()["spec"], 0),
        ([node(unschedulable=True)], [], pod()["spec"], 0),
        ([node(taints=[TAINT])], [], pod()["spec"], 0),
        ([node(taints=[TAINT])], [], pod(tolerations=[{"key": "a", "operator": "Exists"}])["spec"], 4),
        ([node(taints=[TAINT])], [], pod(tolerations=[{"key": "a", "value": "c"}])["spec"], 0),
        ([node(taints=[{**TAINT, "effect": "PreferNoSchedule"}])], [], pod()["spec"], 4),
        ([node(labels={"a": "b"}), node("m")], [], pod(nodeSelector={"a": "b"})["spec"], 4),
        ([{}, {"metadata": {"name": "odd"}, "status": {"allocatable": 1}}], [{}, {"spec": []}], pod()["spec"], 0),
    ],
)
def test_there_is_room_by_what_pods_request_and_nodes_have(
    nodes: list[dict[str, Any]], pods: list[dict[str, Any]], spec: dict[str, Any], more: int
) -> None:
    assert room(nodes, pods, spec, None) == more


def test_a_gpu_counts_by_the_rule_of_what_a_node_offers() -> None:
    spec = pod(resources={"limits": {"nvidia.com/gpu": "1"}})["spec"]
    labels = {"nvidia.com/gpu.product": "NVIDIA-L4", "nvidia.com/gpu.memory": "23034"}
    nodes = [node(), node("g", has=GPU, labels=labels)]
    assert room(nodes, [], spec, Accelerator(products=["NVIDIA-L4"])) == 2
    assert room(nodes, [], spec, Accelerator(products=["NVIDIA-H100"])) == 0
