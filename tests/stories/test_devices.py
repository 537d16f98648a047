"""Devices by class: the real scheduler gives them out, from ResourceSlices that a fake driver's hand has written.

`fake-driver.testbed` is nobody's driver: its slices are written here, and no kubelet prepares what they name. Pods are
kwok's, so that a pod with its devices "runs" without them.
"""

from collections.abc import Iterator
from typing import Any, Final

import pytest

from slipway.cli.top import holdings
from testbed.api import Api
from testbed.operating import OperatorProcess
from testbed.plane import Plane
from tests.stories.story import Story, model_deployment

pytestmark = pytest.mark.plane

DRIVER: Final = "fake-driver.testbed"
NODES: Final = ("dra-0", "dra-1")
SMALL, LARGE = "T4", "H100"
GATE: Final = "kueue.x-k8s.io/admission"


def _slice(node: str, **products: str) -> dict[str, Any]:
    """What a driver publishes of a node: devices by name, with their products."""
    devices = [{"name": name, "attributes": {"productName": {"string": what}}} for name, what in products.items()]
    pool = {"name": node, "generation": 1, "resourceSliceCount": 1}
    spec = {"driver": DRIVER, "nodeName": node, "pool": pool, "devices": devices}
    return {"metadata": {"name": f"{node}-{DRIVER}"}, "spec": spec}


def _product(name: str) -> str:
    return f"device.attributes['{DRIVER}'].productName == '{name}'"


@pytest.fixture(scope="module", autouse=True)
def operator(story_plane: Plane, story: Story, story_api: Api) -> Iterator[OperatorProcess]:
    """An operator, and two nodes: one with two small devices, one with a large one."""
    story_plane.add_nodes(len(NODES), "dra")
    selector = {"cel": {"expression": f"device.driver == '{DRIVER}'"}}
    story_api.create("deviceclasses", "", {"metadata": {"name": DRIVER}, "spec": {"selectors": [selector]}})
    story_api.create("resourceslices", "", _slice(NODES[0], **{"gpu-0": SMALL, "gpu-1": SMALL}))
    story_api.create("resourceslices", "", _slice(NODES[1], **{"gpu-0": LARGE}))
    with OperatorProcess(story_plane, namespaces=[story.namespace]) as running:
        yield running
    story.kubectl("delete", "modeldeployments", "--all", "--wait=true")
    story.kubectl("delete", "resourceslices", *(f"{node}-{DRIVER}" for node in NODES))
    story.kubectl("delete", "deviceclass", DRIVER)
    story.kubectl("delete", "nodes", "--ignore-not-found", *NODES, "quota-0")


def _devices(story: Story, name: str) -> list[tuple[str, str, str]]:
    """Pool, device and product of what status says that the serving revision has."""
    revisions = story.status(name).get("revisions") or [{}]
    return [(each["pool"], each["device"], each["product"]) for each in revisions[0].get("devices") or ()]


def test_a_model_gets_the_devices_that_it_selects_and_status_names_them(story: Story) -> None:
    # given: a driver that publishes a large device and small ones
    # when: a model asks for the large device by its class
    story.apply(model_deployment("large", accelerator={"deviceClass": DRIVER, "selectors": [_product(LARGE)]}))
    story.until_ready("large")

    # then: the scheduler gave it out by a claim of the revision's template, and status names it
    story.until("status names it", lambda: _devices(story, "large"))
    assert _devices(story, "large") == [(NODES[1], "gpu-0", LARGE)]
    (claim,) = story.api.list("resourceclaims", story.namespace)
    template = f"large-{story.revision('large')}"
    assert claim["metadata"]["labels"]["serving.slipway.dev/model-deployment"] == "large"
    assert story.get("resourceclaimtemplates", template)["metadata"]["ownerReferences"][0]["name"] == "large"


def test_the_first_alternative_that_can_be_had_is_taken(story: Story) -> None:
    # given: the large device is taken
    # when: a model would take a large one, or else a small one
    choices = [{"deviceClass": DRIVER, "selectors": [_product(what)]} for what in (LARGE, SMALL)]
    story.apply(model_deployment("either", accelerator={"anyOf": choices}))
    story.until_ready("either")

    # then: it has a small one
    story.until("status names it", lambda: _devices(story, "either"))
    assert [product for *_, product in _devices(story, "either")] == [SMALL]
    # and whoever asks what models hold is told so
    found = holdings(_servers(story), story.api.list("modeldeployments", story.namespace))
    assert {each.name: each.kinds for each in found} == {"large": (f"1 {LARGE}",), "either": (f"1 {SMALL}",)}


def test_with_the_only_device_taken_auto_makes_room_and_the_claim_is_free_again(story: Story) -> None:
    # given: a model with the only large device
    rollout = {"unschedulableGrace": "5s"}
    story.edit("large", rollout=rollout)

    # when: a new version of it is asked for
    story.edit("large", model={"version": "2"})
    message = story.until_says("large", "InsufficientCapacity", f"devices of {DRIVER}")

    # then: it waits, with what the devices are doing
    assert f"1 x {LARGE} (1 taken)" in message
    # and, after the grace, the old pod makes room: its device goes to the new one
    story.until_ready("large", version="2", seconds=120)
    story.until("status names it", lambda: _devices(story, "large"))
    assert _devices(story, "large") == [(NODES[1], "gpu-0", LARGE)]


def test_a_wait_heals_when_a_driver_publishes_what_fits(story: Story) -> None:
    # given: a model that asks for two small devices, of which one is left
    asked = {"deviceClass": DRIVER, "count": 2, "selectors": [_product(SMALL)]}
    story.apply(model_deployment("many", accelerator=asked))
    message = story.until_says(
        "many", "InsufficientCapacity", "which of them fit the selectors only the scheduler knows"
    )
    assert f"2 x {SMALL} (1 free, 1 taken)" in message

    # when: the driver publishes more of them
    more = {"gpu-0": SMALL, "gpu-1": SMALL, "gpu-2": SMALL}
    spec = _slice(NODES[0], **more)["spec"] | {"pool": {"name": NODES[0], "generation": 2, "resourceSliceCount": 1}}
    story.api.patch("resourceslices", "", f"{NODES[0]}-{DRIVER}", {"spec": spec})

    # then: it runs
    story.until_ready("many")


def test_a_selector_that_does_not_compile_is_said_in_the_api_servers_words(story: Story) -> None:
    # given: a selector that is no expression of devices
    wrong = {"deviceClass": DRIVER, "selectors": ["device.nonsense()"]}

    # when: a model asks by it
    story.apply(model_deployment("wrong", accelerator=wrong))

    # then: the field is named, and no pod is made
    message = story.until_says("wrong", "SpecInvalid", "ResourceClaimTemplate")
    assert "correct spec.accelerator" in message
    assert "wrong" not in {found["metadata"]["labels"].get("app.kubernetes.io/instance") for found in _servers(story)}


def test_a_pod_that_a_queue_holds_back_is_queued_until_it_is_let_go(story_plane: Plane, story: Story) -> None:
    # given: a model in a queue, whose pod has a gate, as Kueue's webhook gives it one (a fake: no Kueue runs here)
    labels = {"kueue.x-k8s.io/queue-name": "serving"}
    story.apply(model_deployment("patient", podMetadata={"labels": labels}, accelerator={}))
    story.until("its pod is there", lambda: _servers(story, "patient"))
    (deployment,) = story.children("patient", ("deployments",)).values()
    template = {"spec": {"schedulingGates": [{"name": GATE}]}}
    gated = {"spec": {"strategy": {"type": "Recreate", "rollingUpdate": None}, "template": template}}
    story.api.patch("deployments", story.namespace, deployment["metadata"]["name"], gated)

    # then: it is said, with the queue's name
    message = story.until_says("patient", "Queued", "is queued in serving")
    assert GATE in message
    assert story.status("patient")["phase"] == "Waiting"

    # when: there is room for it, and the queue lets its pod go
    story_plane.add_nodes(1, "quota", allocatable={"nvidia.com/gpu": "1"})
    (pod,) = (each for each in _servers(story, "patient") if each["spec"].get("schedulingGates"))
    story.kubectl("patch", "pod", pod["metadata"]["name"], "--type=json", "--patch", _LET_GO)

    # then: it serves
    story.until_ready("patient")


def test_a_deleted_model_leaves_no_template_and_no_claim(story: Story) -> None:
    # given: a model that has a device
    assert _devices(story, "large")

    # when: the model is deleted
    story.kubectl("delete", "modeldeployment", "large")

    # then: nothing that was made for the device is left
    story.until("its template is gone", lambda: not story.children("large", ("resourceclaimtemplates",)))
    story.until("its claim is gone", lambda: not story.children("large", ("resourceclaims",)))


_LET_GO: Final = '[{"op": "remove", "path": "/spec/schedulingGates"}]'


def _servers(story: Story, name: str = "") -> list[dict[str, Any]]:
    selector = f"serving.slipway.dev/model-deployment={name}" if name else "app.kubernetes.io/component=server"
    pods = story.api.list("pods", story.namespace, selector)
    return [pod for pod in pods if pod["metadata"]["labels"]["app.kubernetes.io/component"] == "server"]
