from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.api.v1alpha1.spec import Accelerator
from slipway.core.names import Manifest
from slipway.core.observed.device_capacity import DeviceState, Fit, standings, what_devices_there_are, would_do
from slipway.core.observed.devices import Devices, PodId
from slipway.core.observed.nodes import NodeFacts
from tests.core.devices import DRIVER, H100, TAINT, claim, device, device_class, devices, resource_slice

ONE = Accelerator(device_class=DRIVER)
FREE, TAKEN, TAINTED, UNKNOWN = DeviceState.FREE, DeviceState.TAKEN, DeviceState.TAINTED, DeviceState.UNKNOWN


def node(name: str = "node-1", **of: Any) -> NodeFacts:
    return NodeFacts(name=name, labels={}, allocatable={}, **{"schedulable": True} | of)


def cut(name: str, of: str) -> Manifest:
    return device(name, consumesCounters=[{"counterSet": of, "counters": {}}])


STATES: dict[str, tuple[list[Manifest], list[NodeFacts], dict[str, DeviceState]]] = {
    "free": ([resource_slice(device("0"))], [], {"0": FREE}),
    "taken, by whomever": ([resource_slice(device("0"), device("1")), claim("p", "0")], [], {"0": TAKEN, "1": FREE}),
    "looked on by an admin": ([resource_slice(device("0")), claim("p", "0", adminAccess=True)], [], {"0": FREE}),
    "another driver's of that name": (
        [resource_slice(device("0")), claim("p", "0", driver="net.example")],
        [],
        {"0": FREE},
    ),
    "tainted": ([resource_slice(device("0", taints=[TAINT]))], [], {"0": TAINTED}),
    "tainted while it is taken": ([resource_slice(device("0", taints=[TAINT])), claim("p", "0")], [], {"0": TAKEN}),
    "a taint that keeps nobody away": (
        [resource_slice(device("0", taints=[{"key": "k", "effect": "None"}]))],
        [],
        {"0": FREE},
    ),
    "shared, with room for others perhaps": (
        [resource_slice(device("0", allowMultipleAllocations=True)), claim("p", "0", shareID="s")],
        [],
        {"0": UNKNOWN},
    ),
    "cut out of one that is in use": (
        [resource_slice(cut("0", "a"), cut("1", "a"), cut("2", "b")), claim("p", "0")],
        [],
        {"0": TAKEN, "1": UNKNOWN, "2": FREE},
    ),
    "on a cordoned node": (
        [resource_slice(device("0"))],
        [node(schedulable=False)],
        {"0": DeviceState.UNREACHABLE},
    ),
    "on a silent node": ([resource_slice(device("0"))], [node(ready=False)], {"0": DeviceState.UNREACHABLE}),
    "in a pool of which a slice is missing": ([resource_slice(device("0"), of=2)], [], {"0": DeviceState.INCOMPLETE}),
    "of an older generation": (
        [resource_slice(device("0")), resource_slice(device("1"), generation=2)],
        [],
        {"1": FREE},
    ),
}


@pytest.mark.parametrize(("objects", "nodes", "states"), STATES.values(), ids=STATES)
def test_a_device_is(objects: list[Manifest], nodes: list[NodeFacts], states: dict[str, DeviceState]) -> None:
    assert {each.name.device: each.state for each in standings(devices(*objects), nodes)} == states


FULL = [resource_slice(device("0"), device("1")), claim("a", "0"), claim("b", "1")]
SELECTS = Accelerator(device_class=DRIVER, selectors=["true"])
SENTENCES: dict[str, tuple[Devices, Accelerator, str]] = {
    "all are taken": (devices(*FULL), ONE, f"devices of {DRIVER}: 2 x {H100} (2 taken)"),
    "some are tainted, which are named": (
        devices(resource_slice(device("0", taints=[TAINT]), device("1")), claim("a", "1")),
        ONE,
        f"devices of {DRIVER}: 2 x {H100} (1 taken, 1 tainted: node-1/0 gpu.nvidia.com/xid=48:NoSchedule)",
    ),
    "one is free, and whether it fits is not known": (
        devices(resource_slice(device("0"))),
        SELECTS,
        f"devices of {DRIVER}: 1 x {H100} (1 free); which of them fit the selectors only the scheduler knows",
    ),
    "none that fits could be free": (devices(*FULL), SELECTS, f"devices of {DRIVER}: 2 x {H100} (2 taken)"),
    "another driver's are none of the class": (
        devices(resource_slice(device("0"), driver="net.example")),
        ONE,
        f"no driver publishes a device of {DRIVER}",
    ),
    "a class that anybody's devices may be of": (
        devices(resource_slice(device("0"), driver="net.example"), device_class("any", "true")),
        Accelerator(device_class="any"),
        f"devices of any: 1 x {H100} (1 free)",
    ),
    "no such class": (devices(), Accelerator(device_class="gpu"), f"there is no DeviceClass gpu; there are: {DRIVER}"),
    "alternatives": (
        devices(*FULL, device_class("mig.nvidia.com", f"device.driver == '{DRIVER}'")),
        Accelerator.model_validate({"anyOf": [{"deviceClass": DRIVER}, {"deviceClass": "mig.nvidia.com"}]}),
        f"devices of {DRIVER} or mig.nvidia.com: 2 x {H100} (2 taken)",
    ),
    "an alternative whose class is not there": (
        devices(*FULL),
        Accelerator.model_validate({"anyOf": [{"deviceClass": "gpu.nvidai.com"}, {"deviceClass": DRIVER}]}),
        f"devices of {DRIVER}: 2 x {H100} (2 taken); there is no DeviceClass gpu.nvidai.com",
    ),
    "nothing may be read": (
        Devices(slices=None, claims={}, classes={}),
        ONE,
        "which devices there are cannot be seen: the operator may not list resource.k8s.io",
    ),
}


@pytest.mark.parametrize(("there", "asked", "sentence"), SENTENCES.values(), ids=SENTENCES)
def test_what_there_is_is_said_in_a_sentence(there: Devices, asked: Accelerator, sentence: str) -> None:
    assert what_devices_there_are(there, [], asked) == sentence


TWO = Accelerator(device_class=DRIVER, count=2)
OLD = claim("old", "0")
OLD_POD = PodId("shop", "uid-old")
THERE = devices(resource_slice(device("0")), OLD)
MISSPELT = Accelerator(device_class="gpu.nvidai.com")
EITHER_MISSPELT = Accelerator.model_validate({"anyOf": [{"deviceClass": "a.b"}, {"deviceClass": "c.d"}]})
FITS: dict[str, tuple[Devices, Accelerator, bool, Fit]] = {
    "the same ask": (devices(resource_slice(device("0")), OLD), ONE, True, Fit.YES),
    "another ask of the class": (devices(resource_slice(device("0")), OLD), SELECTS, False, Fit.UNKNOWN),
    "it has none": (devices(resource_slice(device("0"))), ONE, False, Fit.NO),
    "another driver's": (
        devices(resource_slice(device("0"), driver="net.example"), claim("old", "0", driver="net.example")),
        ONE,
        False,
        Fit.NO,
    ),
    "it is tainted by now": (devices(resource_slice(device("0", taints=[TAINT])), OLD), ONE, True, Fit.NO),
    "it is published no more": (devices(OLD), ONE, True, Fit.NO),
    "too few": (devices(resource_slice(device("0")), OLD), TWO, False, Fit.NO),
    "enough with a free one": (devices(resource_slice(device("0"), device("1")), OLD), TWO, False, Fit.UNKNOWN),
    "enough on two nodes": (
        devices(resource_slice(device("0")), resource_slice(device("0"), node="node-2"), OLD),
        TWO,
        False,
        Fit.NO,
    ),
    "no such class": (devices(resource_slice(device("0")), OLD), MISSPELT, False, Fit.NO),
    "its class was deleted": (Devices(slices=THERE.slices, claims=THERE.claims, classes={}), ONE, True, Fit.NO),
    "no class of its alternatives": (THERE, EITHER_MISSPELT, False, Fit.NO),
    "classes may not be read": (Devices(slices=THERE.slices, claims=THERE.claims, classes=None), ONE, True, Fit.YES),
    "nothing may be read": (Devices(claims=None), ONE, True, Fit.UNKNOWN),
}


AWAY: dict[str, tuple[NodeFacts, Fit]] = {
    "takes pods": (node(), Fit.YES),
    "is cordoned": (node(schedulable=False), Fit.NO),
    "is silent": (node(ready=False), Fit.NO),
}


@pytest.mark.parametrize(("of", "fit"), AWAY.values(), ids=AWAY)
def test_a_device_does_where_its_node(of: NodeFacts, fit: Fit) -> None:
    assert would_do(THERE, OLD_POD, ONE, same_ask=True, nodes=[of]) is fit


@pytest.mark.parametrize(("there", "asked", "same", "fit"), FITS.values(), ids=FITS)
def test_the_devices_of_an_old_pod_would_do(there: Devices, asked: Accelerator, same: bool, fit: Fit) -> None:
    assert would_do(there, OLD_POD, asked, same_ask=same) is fit


NAMES = [str(number) for number in range(6)]


@given(
    st.lists(st.sampled_from(NAMES), unique=True),
    st.lists(st.sampled_from(NAMES), unique=True),
    st.lists(st.sampled_from(NAMES), unique=True),
)
def test_every_published_device_is_told_once_and_none_that_is_held_or_tainted_is_called_free(
    published: list[str], held: list[str], tainted: list[str]
) -> None:
    marked = [device(name, taints=[TAINT] if name in tainted else []) for name in published]
    there = devices(resource_slice(*marked), *([claim("p", *held)] if held else []))
    found = standings(there)
    assert [each.name.device for each in found] == published
    free = {each.name.device for each in found if each.state is FREE}
    assert free == set(published) - set(held) - set(tainted)
    said = what_devices_there_are(there, [], ONE)
    if published:
        assert f"{len(published)} x {H100}" in said
        counts = Counter(each.state for each in found)
        assert all(f"{count} {state}" in said for state, count in counts.items())
