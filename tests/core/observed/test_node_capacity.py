from typing import Any

import pytest

from slipway.api.v1alpha1.spec import Accelerator
from slipway.core.observed.node_capacity import LONGEST, what_nodes_have
from slipway.core.observed.nodes import NodeFacts

H100 = "NVIDIA-H100-80GB-HBM3"
SHARING = "gpu.sharing-strategy"


def node(
    offers: dict[str, str] | None = None, labels: dict[str, str] | None = None, *, schedulable: bool = True
) -> NodeFacts:
    marks = {f"nvidia.com/{key}": value for key, value in (labels or {}).items()}
    return NodeFacts(name="n", labels=marks, allocatable=offers or {}, schedulable=schedulable)


def gpus(count: int, product: str = "Tesla-T4", memory: str = "15360", **more: str) -> NodeFacts:
    labels = {"gpu.product": product, "gpu.memory": memory, "gpu.count": str(count)}
    return node({"nvidia.com/gpu": str(count)}, labels | more)


SLICED = gpus(7, f"{H100}-MIG-1g.10gb", "9728", **{"mig.strategy": "single", "gpu.slices.gi": "1"})
TIME_SLICED = gpus(16, "Tesla-T4-SHARED", **{SHARING: "time-slicing"})
MIXED = node({"nvidia.com/mig-1g.10gb": "7", "nvidia.com/gpu": "1"}, {"mig.strategy": "mixed"})

CASES: dict[str, tuple[list[NodeFacts], dict[str, Any], str]] = {
    "no node": ([], {}, "no node has a GPU; seen: no node at all"),
    "no GPU node": ([node(), node({"example.com/nic": "2"})], {}, "no node has a GPU; seen: 2 nodes without a GPU"),
    "a plugin that lost all its devices": (
        [node({"nvidia.com/gpu": "0"})],
        {},
        "no node has a GPU; seen: 1 node without a GPU",
    ),
    "another resource": (
        [gpus(4)],
        {"resourceName": "amd.com/gpu"},
        "no node offers amd.com/gpu; seen: 1 node with 4 x nvidia.com/gpu (Tesla-T4, 15360 MiB)",
    ),
    "too few on a node": (
        [gpus(4), gpus(4)],
        {"count": 8},
        "no node offers 8 x nvidia.com/gpu at once; seen: 2 nodes with 4 x nvidia.com/gpu (Tesla-T4, 15360 MiB)",
    ),
    "another product": (
        [gpus(4), node()],
        {"products": [H100]},
        f"no node offers {H100}; seen: 1 node with 4 x nvidia.com/gpu (Tesla-T4, 15360 MiB), 1 node without a GPU",
    ),
    "the product, with less memory than it is sold with": (
        [gpus(8, H100, "81559")],
        {"products": [H100], "memory": "80Gi"},
        f"no node offers {H100} with 80Gi (81920 MiB); seen: 1 node with 8 x nvidia.com/gpu ({H100}, 81559 MiB)",
    ),
    "a MIG profile that is not offered": (
        [gpus(4)],
        {"mig": "1g.10gb"},
        (
            "no node offers the MIG profile 1g.10gb as nvidia.com/mig-1g.10gb; "
            "seen: 1 node with 4 x nvidia.com/gpu (Tesla-T4, 15360 MiB)"
        ),
    ),
    "a profile under the single strategy, with whole GPUs only": (
        [gpus(4, **{"mig.strategy": "single"})],
        {"mig": "1g.10gb", "migStrategy": "single"},
        "no node offers the MIG profile 1g.10gb; seen: 1 node with 4 x nvidia.com/gpu (Tesla-T4, 15360 MiB)",
    ),
    "a profile under the single strategy, without any": (
        [gpus(4)],
        {"mig": "1g.10gb", "migStrategy": "single"},
        (
            "no node offers MIG slices of its own as nvidia.com/gpu (strategy single); "
            "seen: 1 node with 4 x nvidia.com/gpu (Tesla-T4, 15360 MiB)"
        ),
    ),
    "another profile under the single strategy": (
        [SLICED],
        {"mig": "2g.20gb", "migStrategy": "single", "products": [H100]},
        (
            f"no node offers the MIG profile 2g.20gb of {H100}; "
            f"seen: 1 node with 7 x nvidia.com/gpu ({H100}-MIG-1g.10gb, 9728 MiB, MIG slices)"
        ),
    ),
    "shared only": (
        [TIME_SLICED],
        {},
        (
            "every node with nvidia.com/gpu shares its devices or cuts them into MIG slices: "
            "the ask is for whole ones; seen: 1 node with 16 x nvidia.com/gpu (Tesla-T4-SHARED, 15360 MiB, time-sliced)"
        ),
    ),
    "shared in another way": (
        [TIME_SLICED],
        {"sharing": "MPS"},
        (
            "no node shares nvidia.com/gpu by MPS; "
            "seen: 1 node with 16 x nvidia.com/gpu (Tesla-T4-SHARED, 15360 MiB, time-sliced)"
        ),
    ),
    "slices that are shared": (
        [node({"nvidia.com/mig-1g.10gb": "14"}, {"mig-1g.10gb.sharing-strategy": "time-slicing"})],
        {"mig": "1g.10gb"},
        (
            "every node with nvidia.com/mig-1g.10gb shares its slices among pods; "
            "seen: 1 node with 14 x nvidia.com/mig-1g.10gb"
        ),
    ),
    "not shared": (
        [gpus(1)],
        {"sharing": "TimeSlicing"},
        "no node shares nvidia.com/gpu by time-slicing; seen: 1 node with 1 x nvidia.com/gpu (Tesla-T4, 15360 MiB)",
    ),
    "cordoned": (
        [node({"nvidia.com/gpu": "1"}, schedulable=False)],
        {},
        "every node that offers nvidia.com/gpu is cordoned; seen: 1 node with 1 x nvidia.com/gpu (cordoned)",
    ),
    "all taken": (
        [gpus(4), gpus(4), node()],
        {},
        (
            "2 nodes offer what is asked: taken, or kept from this pod by something else; "
            "seen: 2 nodes with 4 x nvidia.com/gpu (Tesla-T4, 15360 MiB), 1 node without a GPU"
        ),
    ),
    "a node with slices and whole GPUs": (
        [MIXED],
        {"mig": "1g.10gb"},
        (
            "1 node offers what is asked: taken, or kept from this pod by something else; "
            "seen: 1 node with 1 x nvidia.com/gpu and 7 x nvidia.com/mig-1g.10gb"
        ),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_sentence_says_what_is_missing_and_what_is_there(case: str) -> None:
    nodes, ask, sentence = CASES[case]

    assert what_nodes_have(nodes, Accelerator.model_validate(ask)) == sentence


def test_a_large_cluster_is_told_by_its_most_frequent_kinds_in_a_bounded_sentence() -> None:
    nodes = [gpus(1 + i % 8, f"Product-{i % 8}") for i in range(801)]

    told = what_nodes_have(nodes, Accelerator(products=[H100]))

    assert told.startswith(f"no node offers {H100}; seen: 101 nodes with 1 x nvidia.com/gpu (Product-0")
    assert told.endswith("and 400 more")
    assert len(told) <= LONGEST


def test_long_names_are_cut_with_a_mark() -> None:
    told = what_nodes_have([gpus(1)], Accelerator(products=["P" * 250, "Q" * 250]))

    assert len(told) == LONGEST
    assert told.endswith("…")
