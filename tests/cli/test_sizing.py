"""How many pods a rate takes, what is written, and how many more the nodes take."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.api.v1alpha1.spec import Accelerator, Autoscaling, Load
from slipway.cli.fitted import Asked, fitted
from slipway.cli.fitting import _room
from slipway.cli.kubectl import Kubectl
from slipway.cli.rates import Ended, Round
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


BEHAVIOR = {"scaleDown": {"stabilizationWindowSeconds": 900}}


@pytest.mark.parametrize(
    ("spec", "block"),
    [
        (
            {"autoscaling": {"minReplicas": 8, "maxReplicas": 12, "load": {"target": 70}, "scaler": "KEDA", "behavior": BEHAVIOR}},  # noqa: E501
            {"minReplicas": 8, "maxReplicas": 12, "load": {"target": 70, "capacity": "96.3"}, "scaler": "KEDA", "behavior": BEHAVIOR},  # noqa: E501
        ),
        ({}, {"minReplicas": 1, "maxReplicas": 5, "load": {"target": 70, "capacity": "96.3"}}),
        (
            {"autoscaling": {"minReplicas": 4, "maxReplicas": 4, "load": {}, "scaler": "Slipway"}},
            {"minReplicas": 4, "maxReplicas": 5, "load": {"target": 70, "capacity": "96.3"}, "scaler": "Slipway"},
        ),
        (
            {"autoscaling": {"minReplicas": 2, "maxReplicas": 4, "metrics": [{}], "scaler": "HPA", "behavior": BEHAVIOR}},  # noqa: E501
            {"minReplicas": 2, "maxReplicas": 5, "load": {"target": 70, "capacity": "96.3"}},
        ),
        (
            {"autoscaling": {"minReplicas": 0, "maxReplicas": 4, "load": {"headroom": 2, "stabilization": "9m"}}},
            {"minReplicas": 1, "maxReplicas": 5, "load": {"target": 70, "headroom": 2, "stabilization": "9m", "capacity": "96.3"}},  # noqa: E501
        ),
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


def test_what_the_manifest_says_of_another_model_of_the_bundle_is_no_capacity_and_the_one_that_is_there_stays() -> None:
    given = {"autoscaling": {"minReplicas": 1, "maxReplicas": 9, "load": {"target": 60, "capacity": "80"}}}
    assert manifest(given, capacity=None, pods=5) == given
    assert "capacity" not in manifest({}, capacity=None, pods=5)["autoscaling"]["load"]


RATES = [
    Round(rate=rate, sent=200, answered=200, seconds=3, sending=3, p50=0.01, p99=0.02, late=0.0001, failed={})
    for rate in (0, 100)
]


@pytest.mark.parametrize(
    ("rps", "spec", "pods", "most", "says", "remark"),
    [
        (200_000, {}, 2858, 1000, "take 2858 pods, each at 70 %; a model may ask for 1000 at most", "hold 7e+04/s"),
        (1e10, {"load": {"target": 1, "headroom": 9}}, 10**10 + 9, 1000, "; a model may ask for 1000", "hold 991/s"),
        (70_000, {}, 1000, 1000, "70000/s take 1000 pods, each at 70 %", ""),
        (90_000, {"load": {"target": 100}, "maxReplicas": 950}, 900, 950, "take 900 pods, each at 100 %", ""),
        (70, {"metrics": [{}], "scaler": "HPA", "maxReplicas": 3}, 1, 3, "70/s take 1 pod,", "has no metrics and no scaler"),  # noqa: E501
        (70, {"load": {}, "scaler": "KEDA", "behavior": BEHAVIOR, "maxReplicas": 3}, 1, 3, "70/s take 1 pod,", ""),
    ],
)  # fmt: skip
def test_what_the_api_would_not_take_or_the_block_leaves_out_is_said(
    rps: float, spec: dict[str, Any], pods: int, most: int, says: str, remark: str
) -> None:
    who = {"name": "churn", "namespace": "n", "version": "3", "revision": "1", "pod": "p", "pod_is": "extra"}
    asked = Asked(**who, model="churn", rps=rps, objective=0.05)
    found = fitted(asked, RATES, Ended.HELD, spec={"autoscaling": spec}, room=None, remarks=[])
    assert found.manifest
    scaling = Autoscaling.model_validate(found.manifest["autoscaling"])
    assert (found.pods, scaling.max_replicas) == (pods, most)
    assert says in found.says
    assert ("at most" in found.says) == (pods > most)
    told = [each for each in found.remarks if "of autoscaling" in each or "maxReplicas" in each]
    assert [remark in each for each in told] == ([True] if remark else [])


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


CLAIM = [{"name": "accelerator", "resourceClaimTemplateName": "churn"}]


@pytest.mark.parametrize(
    ("nodes", "spec", "accelerator"),
    [
        ([node()], pod(resourceClaims=CLAIM), {"deviceClass": "gpu.nvidia.com"}),
        ([node(has={"nvidia.com/gpu": "1"})], pod(resourceClaims=CLAIM), {"deviceClass": "gpu.nvidia.com"}),
        ([node()], pod(resourceClaims=CLAIM), {"anyOf": [{"deviceClass": "gpu.nvidia.com"}]}),
        ([node()], pod(), {"deviceClass": "gpu.nvidia.com"}),
        ([node()], pod(resourceClaims=CLAIM), None),
    ],
)
def test_what_room_there_is_for_devices_that_are_claimed_is_not_known_beyond_that_there_is_none(
    nodes: list[dict[str, Any]], spec: dict[str, Any], accelerator: dict[str, Any] | None
) -> None:
    asked = Accelerator.model_validate(accelerator) if accelerator else None
    assert room(nodes, [], spec["spec"], asked) is None
    assert room(nodes, [pod("4")], spec["spec"], asked) == 0, "not even for the rest of the pod"


class _Cluster(Kubectl):
    """One node, and a pod that asks for devices as it is told."""

    def __init__(self, spec: dict[str, Any]) -> None:
        super().__init__(context=None, kubeconfig=None, namespace=None)
        self._pod = {"metadata": {"name": "p", "uid": "1"}, **spec}

    def items(self, *words: str) -> list[dict[str, Any]]:
        return [node()] if words[0] == "nodes" else [self._pod]

    def json(self, *_: str, stdin: str | None = None, seconds: float = 0) -> Any:
        return self._pod


@pytest.mark.parametrize(
    ("spec", "asked", "left", "remark"),
    [
        (pod(resourceClaims=CLAIM), {"accelerator": {"deviceClass": "gpu.nvidia.com"}}, None, "left for a claim"),
        (pod(), {}, 4, ""),
    ],
)
def test_where_room_is_not_known_a_remark_says_why(
    spec: dict[str, Any], asked: dict[str, Any], left: int | None, remark: str
) -> None:
    remarks = list[str]()
    body = {"model": {"source": {"uri": "s3://models/churn/1"}}, **asked}
    assert _room(_Cluster(spec), body, "p", remarks) == (None, left)
    assert [remark in each for each in remarks] == ([True] if remark else [])
