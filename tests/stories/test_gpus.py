"""S8: GPUs are asked for in the spec, found by the scheduler, and where there are none, what the nodes have is said.

Scheduling is real; nodes are kwok's, labelled as NVIDIA's GPU feature discovery labels them.
"""

from collections.abc import Iterator
from typing import Any, Final

import pytest

from testbed.api import Api
from testbed.operating import OperatorProcess
from testbed.plane import Plane
from tests.stories.story import Story, model_deployment

pytestmark = pytest.mark.plane

GPU: Final = "nvidia.com/gpu"
H100: Final = "NVIDIA-H100-80GB-HBM3"


def _labels(product: str, memory: int, **more: str) -> dict[str, str]:
    given = {"gpu.present": "true", "gpu.product": product, "gpu.memory": str(memory)}
    return {f"nvidia.com/{name}": value for name, value in {**given, **more}.items()}


TAINT: Final = {"key": GPU, "value": "present", "effect": "NoSchedule"}
NODES: Final[dict[str, dict[str, Any]]] = {
    "whole": {"labels": _labels(H100, 81559, **{"gpu.count": "2"}), "allocatable": {GPU: "2"}, "taints": [TAINT]},
    "mixed": {
        "labels": _labels(H100, 81559, **{"gpu.count": "1", "mig.strategy": "mixed"}),
        "allocatable": {"nvidia.com/mig-1g.10gb": "2"},
    },
    "single": {
        "labels": _labels(
            "NVIDIA-A100-SXM4-40GB-MIG-1g.5gb",
            4864,
            **{"gpu.count": "7", "gpu.slices.gi": "1", "mig.strategy": "single"},
        ),
        "allocatable": {GPU: "7"},
    },
    "sliced": {
        "labels": _labels("Tesla-T4-SHARED", 15360, **{"gpu.count": "1", "gpu.sharing-strategy": "time-slicing"}),
        "allocatable": {GPU: "4"},
    },
    "mps": {
        "labels": _labels("NVIDIA-L4-SHARED", 23034, **{"gpu.count": "1", "gpu.sharing-strategy": "mps"}),
        "allocatable": {GPU: "4"},
    },
}
LATER: Final[dict[str, dict[str, Any]]] = {
    "large": {"labels": _labels("NVIDIA-B200", 183359, **{"gpu.count": "8"}), "allocatable": {GPU: "8"}},
    "cut": {
        "labels": _labels(H100, 81559, **{"gpu.count": "1", "mig.strategy": "mixed"}),
        "allocatable": {"nvidia.com/mig-3g.40gb": "1"},
    },
}
FITTING: Final[dict[str, tuple[dict[str, Any], str, str]]] = {
    "any": ({}, GPU, "whole"),
    "product": ({"products": [H100], "memory": "79Gi"}, GPU, "whole"),
    "mig-mixed": ({"mig": "1g.10gb"}, "nvidia.com/mig-1g.10gb", "mixed"),
    "mig-single": ({"mig": "1g.5gb", "migStrategy": "single"}, GPU, "single"),
    "time-slice": ({"sharing": "TimeSlicing"}, GPU, "sliced"),
    "mps-share": ({"sharing": "MPS"}, GPU, "mps"),
}
"""Ask, resource in the pod's limits, and the one node where it fits."""

WANTING: Final[dict[str, tuple[dict[str, Any], str, str]]] = {
    "crowd": ({}, "taken, or kept from this pod by something else", "large"),
    "many": ({"count": 4}, "no node offers 4 x nvidia.com/gpu at once", "large"),
    "newer": ({"products": ["NVIDIA-B200"]}, "no node offers NVIDIA-B200", "large"),
    "roomy": ({"memory": "100Gi"}, "no node offers nvidia.com/gpu with 100Gi (102400 MiB)", "large"),
    "mig-other": ({"mig": "3g.40gb"}, "no node offers the MIG profile 3g.40gb as nvidia.com/mig-3g.40gb", "cut"),
}
"""Ask, what is said of the nodes while it does not fit, and the node that helps."""


@pytest.fixture(scope="module")
def limited(story_plane: Plane, story_api: Api) -> Story:
    """A namespace whose quota allows one GPU."""
    story = Story(story_plane, story_api).begin()
    quota = {"metadata": {"name": "gpus"}, "spec": {"hard": {f"requests.{GPU}": "1"}}}
    story.api.create("resourcequotas", story.namespace, quota)
    story.until("the quota is in force", lambda: story.get("resourcequotas", "gpus").get("status", {}).get("hard"))
    return story


@pytest.fixture(scope="module", autouse=True)
def asked(story_plane: Plane, story: Story, limited: Story) -> Iterator[None]:
    """An operator, and the first ask, while no node has a GPU."""
    with OperatorProcess(story_plane, namespaces=[story.namespace, limited.namespace]):
        story.apply(model_deployment("any", accelerator={}))
        yield
    names = [f"{name}-0" for name in (*NODES, *LATER) if story.api.get("nodes", "", f"{name}-0")]
    story.kubectl("delete", "nodes", *names)


@pytest.fixture(scope="module")
def equipped(story_plane: Plane, story: Story) -> None:
    """Nodes of each kind, and everybody's ask. `crowd` comes when both whole devices are taken."""
    story.until_says("any", "InsufficientCapacity")
    for name, what in NODES.items():
        story_plane.add_nodes(1, name, **what)
    story.apply(*(model_deployment(name, accelerator=ask) for name, (ask, _, _) in FITTING.items()))
    story.until("the whole devices are taken", lambda: _node(story, "any") and _node(story, "product"))
    story.apply(*(model_deployment(name, accelerator=ask) for name, (ask, _, _) in WANTING.items()))


def test_without_a_gpu_anywhere_it_waits_and_says_what_the_nodes_have(story: Story) -> None:
    # given: no node has a GPU (`asked`)
    # when: a model asks for one
    message = story.until_says("any", "InsufficientCapacity", "no node has a GPU")

    # then: it waits, and says what the nodes have
    assert "2 nodes without a GPU" in message
    assert story.condition("any", "Reconciling")["status"] == "True"


@pytest.mark.usefixtures("equipped")
@pytest.mark.parametrize("name", FITTING)
def test_an_ask_lands_on_the_one_kind_of_node_that_offers_it_with_the_right_limits(story: Story, name: str) -> None:
    # given: nodes of each kind (`equipped`)
    # when: a model asks for what one of them offers
    _, resource, node = FITTING[name]
    story.until(f"{name} is scheduled", lambda: _node(story, name))

    # then: its pod runs there, with the right limits
    assert _node(story, name) == f"{node}-0"
    (container,) = _pod(story, name)["spec"]["containers"]
    assert container["resources"]["limits"][resource] == "1"
    assert container["resources"]["requests"][resource] == "1"
    story.until_ready(name)


@pytest.mark.usefixtures("equipped")
@pytest.mark.parametrize("name", WANTING)
def test_an_ask_that_no_node_can_meet_says_what_is_asked_and_what_is_there(story: Story, name: str) -> None:
    # given: nodes of each kind (`equipped`)
    # when: a model asks for what none of them offers
    message = story.until_says(name, "InsufficientCapacity", WANTING[name][1])

    # then: it says what is asked and what is there, and has no node
    assert f"with 2 x nvidia.com/gpu ({H100}, 81559 MiB)" in message
    assert not _node(story, name)


@pytest.mark.usefixtures("equipped")
def test_an_exclusive_ask_waits_although_shared_devices_are_free(story: Story) -> None:
    # given: nodes whose whole devices are taken, and others with shared devices to spare (`equipped`)
    # when: a model asks for a whole device
    story.until_says("crowd", "InsufficientCapacity")

    # then: it waits, and there is room on the shared ones
    assert not _node(story, "crowd")
    for name in ("sliced", "mps", "single"):
        there = [pod for pod in story.api.list("pods") if pod["spec"].get("nodeName") == f"{name}-0"]
        taken = [pod for pod in there if GPU in pod["spec"]["containers"][0]["resources"].get("limits", {})]
        assert len(taken) < int(NODES[name]["allocatable"][GPU])


@pytest.mark.usefixtures("equipped")
def test_every_wait_heals_when_a_fitting_node_appears(story_plane: Plane, story: Story) -> None:
    # given: models that wait for a node
    for name in WANTING:
        story.until_says(name, "InsufficientCapacity")

    # when: nodes that fit them appear
    for name, what in LATER.items():
        story_plane.add_nodes(1, name, **what)

    # then: each runs on the one that fits
    story.until_ready(*WANTING)
    assert {name: _node(story, name) for name in WANTING} == {
        name: f"{node}-0" for name, (_, _, node) in WANTING.items()
    }


@pytest.mark.usefixtures("equipped")
def test_a_full_quota_is_said_in_its_own_words_and_heals_when_it_is_raised(limited: Story) -> None:
    # given: a namespace whose quota allows one GPU, and a model that asks for two
    limited.apply(model_deployment("sliced", replicas=2, accelerator={"sharing": "TimeSlicing"}))

    # then: it repeats what admission says
    message = limited.until_says("sliced", "QuotaExceeded", "exceeded quota: gpus")
    assert f"limited: requests.{GPU}=1" in message

    # when: the quota is raised
    hard = {"spec": {"hard": {f"requests.{GPU}": "2"}}}
    limited.api.patch("resourcequotas", limited.namespace, "gpus", hard)

    # then: the model gets Ready
    limited.until_ready("sliced", seconds=120)


def _pod(story: Story, name: str) -> dict[str, Any]:
    """The one model pod of a ModelDeployment."""
    (pod,) = [
        pod
        for pod in story.children(name, ("pods",)).values()
        if pod["metadata"]["labels"]["app.kubernetes.io/component"] == "server"
    ]
    return pod


def _node(story: Story, name: str) -> str:
    """Where it runs; empty while it does not."""
    pods = story.children(name, ("pods",)).values()
    servers = [pod for pod in pods if pod["metadata"]["labels"]["app.kubernetes.io/component"] == "server"]
    return str(next((pod["spec"].get("nodeName", "") for pod in servers), ""))
