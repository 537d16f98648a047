"""Devices by class: claimed by a template of the revision, said where they lack, and in status once a pod has them."""

from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest

from slipway.core.names import Manifest
from slipway.core.observed.nodes import NodeFacts
from slipway.core.plan import Apply, Delete
from tests.core.cluster.scenario import GPU_NODE, counts, forget_jobs, proved, ready, starts, told, waits
from tests.core.cluster.simulator import Simulator, simulator
from tests.core.devices import DRIVER, H100, TAINT, claim, device, devices, resource_slice

TEMPLATE = "ResourceClaimTemplate"
BY_CLASS: dict[str, Any] = {"accelerator": {"deviceClass": DRIVER}}


def templates(cluster: Simulator) -> set[str]:
    return {name for kind, name in cluster.objects if kind == TEMPLATE}


def status_of(cluster: Simulator, version: str) -> Manifest:
    found: Manifest = next(r for r in cluster.status["revisions"] if r["version"] == version)
    return found


def test_each_revision_has_a_template_that_goes_with_it() -> None:
    cluster = ready(replicas=1, **BY_CLASS)
    first = cluster.revision_named("3")
    assert templates(cluster) == {first}
    second = starts(cluster, "4")
    assert templates(cluster) == {first, second}
    cluster.rolls_on()
    cluster.pass_time(minutes=5)
    cluster.settle()
    assert templates(cluster) == {second}


def test_a_template_that_is_deleted_or_relabelled_is_put_back_as_it_was() -> None:
    cluster = ready(replicas=1, **BY_CLASS)
    place = (TEMPLATE, cluster.revision_named("3"))
    made = cluster.objects.pop(place)
    cluster.settle()
    assert cluster.objects[place]["spec"] == made["spec"]
    cluster.objects[place]["spec"]["metadata"]["labels"] = {}
    cluster.settle()
    assert cluster.objects[place]["spec"] == made["spec"]


def test_a_template_of_another_spec_is_made_anew_as_nobody_may_change_it() -> None:
    cluster = ready(replicas=1, **BY_CLASS)
    place = (TEMPLATE, cluster.revision_named("3"))
    right = deepcopy(cluster.objects[place]["spec"])
    cluster.objects[place]["spec"]["spec"]["devices"]["requests"][0]["exactly"]["count"] = 7
    assert [type(action) for action in cluster.plan().actions] == [Delete, Apply]
    cluster.settle()
    assert cluster.objects[place]["spec"] == right
    assert cluster.plan().actions == ()


def test_where_the_cluster_knows_no_claims_no_pod_is_made_and_it_heals_by_itself() -> None:
    cluster = simulator(replicas=1, **BY_CLASS)
    cluster.unknown = frozenset({TEMPLATE, "ResourceClaim", "ResourceSlice", "DeviceClass"})
    cluster.settle()
    cluster.resolve_job_ends()
    cluster.settle()
    assert not cluster.deployments()
    assert cluster.condition("Ready")["reason"] == "DraMissing"
    assert cluster.status["phase"] == "Waiting"
    cluster.pass_time(hours=1)
    cluster.settle()
    assert cluster.condition("Stalled")["status"] == "True"
    assert "refused" not in cluster.status

    cluster.unknown = frozenset()
    cluster.settle()
    (name,) = cluster.deployments()
    assert templates(cluster) == {name}
    cluster.kubelet(name)
    cluster.settle()
    assert cluster.condition("Ready")["status"] == "True"


def test_pods_that_have_their_devices_stay_when_the_cluster_forgets_the_kind() -> None:
    cluster = ready(replicas=2, **BY_CLASS)
    before = cluster.deployments()
    cluster.unknown = frozenset({TEMPLATE})
    plan = cluster.settle()
    assert not plan.actions
    assert cluster.deployments() == before
    assert cluster.condition("Ready")["status"] == "True"


def test_what_the_operator_may_not_list_is_said_with_the_right_that_is_missing() -> None:
    cluster = simulator(replicas=1, **BY_CLASS)
    cluster.unlisted = frozenset({TEMPLATE})
    cluster.settle()
    cluster.resolve_job_ends()
    cluster.settle()
    assert not cluster.deployments()
    said = cluster.condition("Ready")
    assert said["reason"] == "Forbidden"
    assert "resourceclaimtemplates.resource.k8s.io" in said["message"]


def test_a_wait_for_devices_names_them_and_their_taints() -> None:
    cluster = ready(replicas=1, **BY_CLASS)
    old = cluster.revision_named("3")
    cluster.devices = devices(
        resource_slice(device("gpu-0"), device("gpu-1", taints=[TAINT])), claim(f"{old}-0", "gpu-0")
    )
    starts(cluster, "4")
    waits(cluster, "4", 0)
    said = cluster.condition("Ready")
    assert said["reason"] == "InsufficientCapacity"
    assert f"2 x {H100} (1 taken, 1 tainted: node-1/gpu-1 gpu.nvidia.com/xid=48:NoSchedule)" in said["message"]


ROOM: dict[str, tuple[list[Manifest], str, bool]] = {
    "its device would do": ([resource_slice(device("gpu-0"))], "gpu-0", True),
    "its device is tainted by now": ([resource_slice(device("gpu-0", taints=[TAINT]))], "gpu-0", False),
    "its device is another driver's": (
        [resource_slice(device("gpu-0")), resource_slice(device("net-0"), driver="net.example")],
        "net-0",
        False,
    ),
}


@pytest.mark.parametrize(("slices", "held", "makes_room"), ROOM.values(), ids=ROOM)
def test_auto_makes_room_only_where_the_old_pods_devices_may_do(
    slices: list[Manifest], held: str, makes_room: bool
) -> None:
    cluster = ready(replicas=1, **BY_CLASS)
    forget_jobs(cluster)
    driver = DRIVER if held.startswith("gpu") else "net.example"
    old = cluster.revision_named("3")
    cluster.devices = devices(*slices, claim(f"{old}-0", held, driver=driver))
    cluster.starts("4")
    waits(cluster, "4", 0)
    cluster.pass_time(minutes=4)
    cluster.settle()
    assert counts(cluster)["3"] == 1
    cluster.pass_time(minutes=1)
    cluster.settle()
    proved(cluster)
    assert counts(cluster)["3"] == (0 if makes_room else 1)
    assert ("MakingRoom" in told(cluster)) is makes_room


def test_a_pod_whose_devices_may_or_may_not_fit_other_selectors_makes_room_after_the_grace_and_that_is_said() -> None:
    cluster = ready(replicas=1, **BY_CLASS)
    forget_jobs(cluster)
    old = cluster.revision_named("3")
    shared = device("gpu-1", allowMultipleAllocations=True)
    cluster.devices = devices(
        resource_slice(device("gpu-0"), shared), claim(f"{old}-0", "gpu-0"), claim("x", "gpu-1", shareID="s")
    )
    cluster.spec["accelerator"]["selectors"] = ["device.attributes['gpu.nvidia.com'].architecture == 'Hopper'"]
    cluster.starts("4")
    waits(cluster, "4", 0)
    cluster.pass_time(minutes=5)
    cluster.settle()
    said = cluster.status["rollout"]["strategy"]["message"]
    assert "which of them fit the selectors only the scheduler knows" in said
    proved(cluster)
    assert counts(cluster)["3"] == 0


def test_status_has_the_devices_of_each_revisions_pods_and_forgets_those_that_went() -> None:
    cluster = ready(replicas=2, **BY_CLASS)
    name = cluster.revision_named("3")
    mig = device("gpu-1-mig-0")
    mig["attributes"]["profile"] = {"string": "3g.40gb"}
    cluster.devices = devices(
        resource_slice(device("gpu-0"), mig),
        claim(f"{name}-0", "gpu-0"),
        claim(f"{name}-1", "gpu-1-mig-0"),
        claim("another-1", "gpu-9", model="another"),
    )
    cluster.settle()
    where = {"driver": DRIVER, "pool": "node-1", "product": H100}
    assert status_of(cluster, "3")["devices"] == [
        {"pod": f"{name}-0", "device": "gpu-0", **where},
        {"pod": f"{name}-1", "device": "gpu-1-mig-0", "profile": "3g.40gb", **where},
    ]
    cluster.devices = devices()
    cluster.settle()
    assert "devices" not in status_of(cluster, "3")


SHARED: dict[str, tuple[dict[str, Any], NodeFacts, str]] = {
    "whole": ({}, replace(GPU_NODE, labels={"nvidia.com/gpu.product": "Tesla-T4"}), "whole devices (Tesla-T4)"),
    "unlabelled": ({}, GPU_NODE, "whole devices"),
    "time-sliced": (
        {"sharing": "TimeSlicing"},
        replace(GPU_NODE, labels={"nvidia.com/gpu.sharing-strategy": "time-slicing", "nvidia.com/gpu.replicas": "4"}),
        "turns at a device, one of 4, with no limit on memory or compute",
    ),
    "shared since, although whole ones were asked for": (
        {},
        replace(GPU_NODE, labels={"nvidia.com/gpu.sharing-strategy": "mps", "nvidia.com/gpu.replicas": "2"}),
        "a share of a device by MPS, one of 2 of the same memory and compute",
    ),
    "a slice by its resource": ({"mig": "1g.10gb"}, GPU_NODE, "a MIG slice 1g.10gb of their own"),
    "a slice that is shared in its turn": (
        {"mig": "1g.10gb"},
        replace(GPU_NODE, labels={"nvidia.com/mig-1g.10gb.sharing-strategy": "time-slicing"}),
        "turns at a device, one of several, with no limit on memory or compute",
    ),
    "a slice by its label": (
        {"mig": "1g.5gb", "migStrategy": "single"},
        replace(GPU_NODE, labels={"nvidia.com/gpu.product": "NVIDIA-A100-SXM4-40GB-MIG-1g.5gb"}),
        "a MIG slice 1g.5gb of their own (NVIDIA-A100-SXM4-40GB)",
    ),
}


@pytest.mark.parametrize(("asked", "node", "has"), SHARED.values(), ids=SHARED)
def test_status_says_what_pods_really_have_of_a_device_plugins_devices(
    asked: dict[str, Any], node: NodeFacts, has: str
) -> None:
    cluster = ready(replicas=2, accelerator=asked)
    cluster.nodes = (node,)
    cluster.settle()
    assert status_of(cluster, "3")["sharing"] == f"2 pods have {has}"


def test_a_model_on_the_cpu_has_neither() -> None:
    cluster = ready(replicas=1)
    assert status_of(cluster, "3").keys().isdisjoint({"devices", "sharing"})
