from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.core.observed.devices import DeviceName, PodId, claim_facts, class_facts, holds_devices, slice_facts
from tests.core.devices import DRIVER, H100, TAINT, claim, device, device_class, devices, resource_slice

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)


def test_a_slice_keeps_what_decisions_need_of_its_devices() -> None:
    eventual = {"key": "maintenance", "effect": "None"}
    cut = device("gpu-0-mig-1", consumesCounters=[{"counterSet": "gpu-0", "counters": {}}], taints=[TAINT, eventual])
    cut["attributes"] |= {f"{DRIVER}/profile": {"string": "1g.10gb"}, "index": {"int": 3}}
    facts = slice_facts(resource_slice(cut, device("net-1", product=None, allowMultipleAllocations=True)))
    assert (facts.driver, facts.pool, facts.node) == (DRIVER, "node-1", "node-1")
    mig, net = facts.devices
    assert (mig.product, mig.profile, mig.taints) == (H100, "1g.10gb", ("gpu.nvidia.com/xid=48:NoSchedule",))
    assert mig.counters == {"gpu-0"}
    assert (net.product, net.shareable) == (None, True)


def test_a_claim_tells_its_devices_its_pod_and_its_model() -> None:
    facts = claim_facts(claim("churn-1", "gpu-0", "gpu-1"))
    assert facts.devices == (DeviceName(DRIVER, "node-1", "gpu-0"), DeviceName(DRIVER, "node-1", "gpu-1"))
    assert (facts.pod_uid, facts.model) == ("uid-churn-1", "churn")
    assert not facts.shares | facts.looks_on


@pytest.mark.parametrize(
    ("expression", "driver"),
    [
        ("device.driver == 'gpu.nvidia.com'", "gpu.nvidia.com"),
        ("device.driver==\"a.b\" && device.attributes['a.b'].type == 'gpu'", "a.b"),
        ("device.driver == 'a' || device.driver == 'b'", None),
        ("!(device.driver == 'a')", None),
        ("device.capacity['x'].memory.isGreaterThan(quantity('1Gi'))", None),
    ],
)
def test_a_class_names_the_driver_of_all_its_devices(expression: str, driver: str | None) -> None:
    assert class_facts(device_class("c", expression)).driver == driver


@given(JSON, JSON)
def test_whatever_somebody_stores_is_read(spec: Any, status: Any) -> None:
    manifest = {"metadata": {"name": "x", "namespace": "y"}, "spec": spec, "status": status}
    slice_facts(manifest)
    class_facts(manifest)
    assert len(claim_facts(manifest).devices) == 0 or holds_devices(manifest)


def test_claims_are_found_by_their_pod_and_devices_by_their_name() -> None:
    there = devices(resource_slice(device("gpu-0")), claim("churn-1", "gpu-0"), claim("other-1", "gpu-1"))
    (found,) = there.claims_of(PodId("shop", "uid-churn-1"))
    assert [each.device for each in found.devices] == ["gpu-0"]
    assert there.claims_of(PodId("shop", "uid-nobody")) == ()
    published = there.device(found.devices[0])
    assert published is not None
    assert published.product == H100
    assert there.device(DeviceName(DRIVER, "node-1", "gpu-1")) is None


def test_a_claim_of_another_namespace_is_of_no_pod_here_whatever_it_says() -> None:
    forged = claim("churn-1", "gpu-1")
    forged["metadata"] |= {"namespace": "evil", "name": "forged"}
    there = devices(resource_slice(device("gpu-0"), device("gpu-1")), claim("churn-1", "gpu-0"), forged)
    held = [each.device for facts in there.claims_of(PodId("shop", "uid-churn-1")) for each in facts.devices]
    assert held == ["gpu-0"]


@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
def test_a_device_is_what_the_newest_generation_of_its_pool_says(order: tuple[int, int]) -> None:
    slices = [resource_slice(device("gpu-0", product=f"of {number}"), generation=number) for number in order]
    published = devices(*slices).device(DeviceName(DRIVER, "node-1", "gpu-0"))
    assert published is not None
    assert published.product == "of 2"
