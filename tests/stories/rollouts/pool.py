"""Pools of GPUs for one story each: pods of others on their nodes would go when the nodes go."""

from typing import Any, Final

from tests.stories.story import Story

GPU: Final = "nvidia.com/gpu"
_KEY: Final = "pool"


def add_pool(story: Story, name: str, gpus: int) -> None:
    """Add a node with so many GPUs that nobody gets to without asking for it."""
    kept = {"key": _KEY, "value": name, "effect": "NoSchedule"}
    story.plane.add_nodes(1, name, labels={_KEY: name}, taints=[kept], allocatable={GPU: str(gpus)})


def remove_pools(story: Story, *names: str) -> None:
    """Take the nodes away."""
    story.kubectl("delete", "nodes", *map(node_of, names))


def node_of(name: str) -> str:
    """The pool's only node."""
    return f"{name}-0"


def placed_in(name: str) -> dict[str, Any]:
    """What a ModelDeployment asks for to get a GPU of the pool."""
    toleration = {"key": _KEY, "operator": "Equal", "value": name, "effect": "NoSchedule"}
    return {"accelerator": {}, "scheduling": {"nodeSelector": {_KEY: name}, "tolerations": [toleration]}}
