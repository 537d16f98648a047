"""S8: a model that asks for a GPU waits and says what the nodes have; it runs when a fitting node appears."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from e2e import bundles
from e2e.space import Space
from testbed.kubectl import Kubectl

GPU = "nvidia.com/gpu"
PRODUCT = "NVIDIA-H100-80GB-HBM3"
LABELS = {
    "nvidia.com/gpu.present": "true",
    "nvidia.com/gpu.count": "1",
    "nvidia.com/gpu.product": PRODUCT,
    "nvidia.com/gpu.memory": "81559",
}


@pytest.fixture
def node(space: Space) -> Iterator[str]:
    """A node of the cluster, without a GPU again at the end."""
    name = str(space.api.list("nodes")[0]["metadata"]["name"])
    yield name
    _offer(space.cluster.kubectl, name, count=None, labels=dict.fromkeys(LABELS))


def test_a_model_waits_for_a_gpu_and_runs_on_it_when_a_node_has_one(space: Space, node: str) -> None:
    # given: no node has a GPU. When: a model asks for one
    accelerator = {"count": 1, "products": [PRODUCT], "memory": "70Gi"}
    space.apply("line", space.upload("1", bundles.linear()), accelerator=accelerator)

    # then: it waits, and says what there is
    said = space.until_reason("line", "InsufficientCapacity")
    assert "no node has a GPU" in said
    assert space.pod("line")["status"]["phase"] == "Pending"

    # when: a node has one of another product; then: it waits, and the product that is there is named
    _offer(space.cluster.kubectl, node, count="1", labels={**LABELS, "nvidia.com/gpu.product": "Tesla-T4"})
    space.until("the T4 is mentioned", lambda: "Tesla-T4" in space.ready("line").get("message", ""))

    # when: it has the right one; then: the model runs there, on a device of its own, and answers
    _offer(space.cluster.kubectl, node, count="1", labels=LABELS)
    space.until_ready("line")
    pod = space.pod("line")
    assert pod["spec"]["nodeName"] == node
    assert pod["spec"]["containers"][0]["resources"]["limits"][GPU] == "1"
    assert space.client.infer("http", space.host("line"), "line", x=[[3.0]]) == {"y": [[7.0]]}

    # when: a second model asks for a GPU; then: the one that there is, is taken
    space.apply("another", space.upload("1", bundles.linear()), accelerator=accelerator)
    space.until("it says so", lambda: f"Insufficient {GPU}" in space.ready("another").get("message", ""))

    # when: the first is gone; then: the second has it
    space.kubectl("delete", "modeldeployment", "line")
    space.until_ready("another")


def _offer(kubectl: Kubectl, node: str, *, count: str | None, labels: dict[str, Any]) -> None:
    """What a device plugin and GPU feature discovery do: count None takes it away."""
    capacity = {"status": {"capacity": {GPU: count}, "allocatable": {GPU: count}}}
    merge = ("patch", "node", node, "--type=merge")
    kubectl(*merge, "--subresource=status", "--patch", json.dumps(capacity))
    kubectl(*merge, "--patch", json.dumps({"metadata": {"labels": labels}}))
