from typing import Any

import pytest

from slipway.api.v1alpha1.spec import Accelerator
from slipway.core.children.accelerator import Expression, fragment
from slipway.core.children.affinity import away_from_gpus, with_required

H100 = "NVIDIA-H100-80GB-HBM3"
NOT_SHARED = "nvidia.com/gpu.sharing-strategy NotIn mps,time-slicing"
NOT_SLICED = "nvidia.com/gpu.slices.gi DoesNotExist "
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"

# What is asked, the resources, and the requirements on a node's labels.
CASES: dict[str, tuple[dict[str, Any], dict[str, str], list[str]]] = {
    "one whole GPU": ({}, {"nvidia.com/gpu": "1"}, [NOT_SHARED, NOT_SLICED]),
    "two GPUs of a product": (
        {"count": 2, "products": [H100]},
        {"nvidia.com/gpu": "2"},
        [NOT_SHARED, NOT_SLICED, f"nvidia.com/gpu.product In {H100}", "nvidia.com/gpu.count Gt 1"],
    ),
    "any of two products": (
        {"products": ["Tesla-T4", H100]},
        {"nvidia.com/gpu": "1"},
        [NOT_SHARED, NOT_SLICED, f"nvidia.com/gpu.product In Tesla-T4,{H100}"],
    ),
    "memory in Gi": (
        {"memory": "40Gi"},
        {"nvidia.com/gpu": "1"},
        [NOT_SHARED, NOT_SLICED, "nvidia.com/gpu.memory Gt 40959"],
    ),
    "memory in G, rounded up": (
        {"memory": "80G"},
        {"nvidia.com/gpu": "1"},
        [NOT_SHARED, NOT_SLICED, "nvidia.com/gpu.memory Gt 76293"],
    ),
    "a MIG slice": (
        {"mig": "1g.10gb"},
        {"nvidia.com/mig-1g.10gb": "1"},
        ["nvidia.com/mig-1g.10gb.sharing-strategy NotIn mps,time-slicing"],
    ),
    "a MIG slice with media engines": (
        {"mig": "1g.10gb.me"},
        {"nvidia.com/mig-1g.10gb.me": "1"},
        ["nvidia.com/mig-1g.10gb.me.sharing-strategy NotIn mps,time-slicing"],
    ),
    "a MIG slice of a product": (
        {"mig": "1g.10gb", "migStrategy": "mixed", "products": [H100]},
        {"nvidia.com/mig-1g.10gb": "1"},
        ["nvidia.com/mig-1g.10gb.sharing-strategy NotIn mps,time-slicing", f"nvidia.com/gpu.product In {H100}"],
    ),
    "a MIG slice under the single strategy, by product": (
        {"mig": "1g.10gb", "migStrategy": "single", "products": [H100, "A-MIG-1g.10gb"]},
        {"nvidia.com/gpu": "1"},
        [
            "nvidia.com/mig.strategy In single",
            NOT_SHARED,
            f"nvidia.com/gpu.product In {H100}-MIG-1g.10gb,A-MIG-1g.10gb",
        ],
    ),
    "a MIG slice under the single strategy, by its size": (
        {"mig": "1g.10gb", "migStrategy": "single"},
        {"nvidia.com/gpu": "1"},
        [
            "nvidia.com/mig.strategy In single",
            NOT_SHARED,
            "nvidia.com/gpu.slices.gi In 1",
            "nvidia.com/gpu.memory Gt 8959",
            "nvidia.com/gpu.memory Lt 10241",
        ],
    ),
    "a share by MPS": ({"sharing": "MPS"}, {"nvidia.com/gpu": "1"}, ["nvidia.com/gpu.sharing-strategy In mps"]),
    "a share by time-slicing, renamed": (
        {"sharing": "TimeSlicing", "resourceName": "nvidia.com/gpu.shared"},
        {"nvidia.com/gpu.shared": "1"},
        ["nvidia.com/gpu.sharing-strategy In time-slicing"],
    ),
    "a share of a product, whose label may say so": (
        {"sharing": "MPS", "products": ["Tesla-T4"]},
        {"nvidia.com/gpu": "1"},
        ["nvidia.com/gpu.sharing-strategy In mps", "nvidia.com/gpu.product In Tesla-T4,Tesla-T4-SHARED"],
    ),
    "another maker's": ({"resourceName": "amd.com/gpu", "count": 2}, {"amd.com/gpu": "2"}, []),
    "a resource of one's own, with what is asked of it": (
        {"resourceName": "nvidia.com/pgpu", "memory": "1Gi"},
        {"nvidia.com/pgpu": "1"},
        ["nvidia.com/gpu.memory Gt 1023"],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_an_accelerator_becomes_resources_and_requirements(case: str) -> None:
    ask, resources, requirements = CASES[case]

    found = fragment(Accelerator.model_validate(ask))

    assert found.resources == resources
    assert [f"{e.key} {e.operator} {','.join(e.values)}" for e in found.expressions] == requirements


# As GPU feature discovery labels them. The GPU operator sets mig.strategy=single on nodes without any MIG.
WHOLE = {"nvidia.com/gpu.product": H100, "nvidia.com/gpu.memory": "81559", "nvidia.com/gpu.count": "4"}
PLAIN = WHOLE | {"nvidia.com/mig.strategy": "single", "nvidia.com/gpu.sharing-strategy": "none"}
SLICED = {
    "nvidia.com/gpu.product": f"{H100}-MIG-1g.10gb",
    "nvidia.com/gpu.memory": "9728",
    "nvidia.com/gpu.slices.gi": "1",
    "nvidia.com/mig.strategy": "single",
}
MPS = WHOLE | {"nvidia.com/gpu.product": f"{H100}-SHARED", "nvidia.com/gpu.sharing-strategy": "mps"}
TIME_SLICED = WHOLE | {"nvidia.com/gpu.sharing-strategy": "time-slicing"}
NODES = {"whole": WHOLE, "plain": PLAIN, "sliced": SLICED, "mps": MPS, "time-sliced": TIME_SLICED}


@pytest.mark.parametrize(
    ("ask", "fitting"),
    [
        ({}, {"whole", "plain"}),
        ({"products": [H100]}, {"whole", "plain"}),
        ({"memory": "80Gi"}, set()),
        ({"memory": "80G"}, {"whole", "plain"}),
        ({"count": 4}, {"whole", "plain"}),
        ({"count": 5}, set()),
        ({"mig": "1g.10gb", "migStrategy": "single"}, {"sliced"}),
        ({"mig": "1g.12gb", "migStrategy": "single"}, set()),
        ({"mig": "2g.10gb", "migStrategy": "single"}, set()),
        ({"mig": "1g.10gb", "migStrategy": "single", "products": [H100]}, {"sliced"}),
        ({"sharing": "MPS"}, {"mps"}),
        ({"sharing": "MPS", "products": [H100]}, {"mps"}),
        ({"sharing": "TimeSlicing"}, {"time-sliced"}),
    ],
    ids=lambda part: str(part if isinstance(part, dict) else sorted(part)),  # the same in every process
)
def test_an_ask_fits_the_nodes_that_it_means_and_no_others(ask: dict[str, Any], fitting: set[str]) -> None:
    wanted = fragment(Accelerator.model_validate(ask)).expressions

    assert {name for name, labels in NODES.items() if all(e.fits(labels) for e in wanted)} == fitting


@pytest.mark.parametrize(
    ("ask", "keys"),
    [
        ({}, ["nvidia.com/gpu"]),
        ({"mig": "1g.10gb"}, ["nvidia.com/gpu", "nvidia.com/mig-1g.10gb"]),
        ({"resourceName": "amd.com/gpu"}, ["amd.com/gpu"]),
    ],
    ids=str,
)
def test_the_usual_taints_of_gpu_nodes_are_tolerated(ask: dict[str, Any], keys: list[str]) -> None:
    assert fragment(Accelerator.model_validate(ask)).tolerations == tuple(
        {"key": key, "operator": "Exists", "effect": "NoSchedule"} for key in keys
    )


OURS = Expression(key="ours", operator="DoesNotExist")


def terms(affinity: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = affinity["nodeAffinity"][REQUIRED]["nodeSelectorTerms"]
    return found


def test_each_alternative_of_a_user_is_narrowed_by_ours() -> None:
    theirs = [
        {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a"]}]},
        {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n1"]}]},
    ]
    given = {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": theirs}}, "podAffinity": {"x": 1}}

    found = with_required(given, [OURS])

    assert terms(found) == [
        {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a"]}, OURS.to_dict()]},
        {
            "matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n1"]}],
            "matchExpressions": [OURS.to_dict()],
        },
    ]
    assert found["podAffinity"] == {"x": 1}
    assert len(theirs[0]["matchExpressions"]) == 1


def test_without_alternatives_of_a_user_ours_stand_alone() -> None:
    assert terms(with_required({}, [OURS])) == [{"matchExpressions": [OURS.to_dict()]}]


def test_a_term_that_matches_no_node_goes_on_matching_none() -> None:
    assert terms(with_required({"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": [{}]}}}, [OURS])) == [{}]


def test_nothing_to_require_leaves_an_affinity_as_it_is() -> None:
    assert with_required({"podAffinity": {}}, []) == {"podAffinity": {}}


def test_staying_away_from_gpus_is_a_wish_beside_those_of_the_user() -> None:
    theirs = {"weight": 1, "preference": {"matchExpressions": [{"key": "ssd", "operator": "Exists"}]}}

    found = away_from_gpus({"nodeAffinity": {PREFERRED: [theirs]}})["nodeAffinity"][PREFERRED]

    assert found[0] == theirs
    assert found[1]["preference"] == {
        "matchExpressions": [{"key": "nvidia.com/gpu.present", "operator": "DoesNotExist"}]
    }


@pytest.mark.parametrize(
    ("affinity", "path"),
    [
        ({"nodeAffinity": "gpu"}, "scheduling.affinity.nodeAffinity is 'gpu': it must be an object"),
        ({"nodeAffinity": {REQUIRED: []}}, f"nodeAffinity.{REQUIRED} is []: it must be an object"),
        ({"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": {}}}}, "nodeSelectorTerms is {}: it must be a list"),
        (
            {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": ["a"]}}},
            "nodeSelectorTerms[] is 'a': it must be an object",
        ),
    ],
    ids=str,
)
def test_an_affinity_of_a_wrong_shape_is_refused_with_its_path(affinity: dict[str, Any], path: str) -> None:
    with pytest.raises(ValueError, match="as in a pod's affinity") as refused:
        with_required(affinity, [OURS])

    assert path in str(refused.value)
