"""S9: one bad object harms nobody else, also when the operator starts among two hundred."""

import copy
from typing import Any, Final

import httpx
import pytest

from testbed import yamls
from testbed.operating import OperatorProcess
from testbed.plane import Plane
from testbed.shell import ROOT
from tests.stories.story import OWNER, Story, model_deployment

pytestmark = [pytest.mark.plane, pytest.mark.scale]

MANY: Final = 198
CRD: Final = ROOT / "crds" / "serving.slipway.dev_modeldeployments.yaml"
RESTORED_SECONDS: Final = 60
POLL_SECONDS: Final = 2
"""Listing two hundred objects takes the CPU that they need to get on."""


def test_among_two_hundred_two_broken_ones_say_so_and_all_others_are_reconciled_at_once(
    story_plane: Plane, story: Story
) -> None:
    # given: two hundred models, one without its bundle, and one whose spec the schema forbids
    good = [f"good-{number:03d}" for number in range(MANY)]
    missing = model_deployment("missing")
    missing["spec"]["model"]["source"]["uri"] = "s3://refused/SourceNotFound/missing"
    _store_unreadable(story, "unreadable")
    story.apply(*(model_deployment(name) for name in good), missing)

    # when: an operator starts
    with OperatorProcess(story_plane, namespaces=[story.namespace]):
        # then: all others get Ready
        story.until("all good ones are Ready", lambda: _ready(story) == set(good), 300, POLL_SECONDS)

    # when: their Services are deleted, and another operator starts
    story.kubectl("delete", "services", *good)
    with OperatorProcess(story_plane, namespaces=[story.namespace]):
        # then: all are put back in a minute, and the two bad ones say what is wrong with them
        story.until(
            "every deleted Service is back", lambda: _services(story) >= set(good), RESTORED_SECONDS, POLL_SECONDS
        )
        story.until_says("missing", "SourceNotFound", "s3://refused/SourceNotFound/missing")
        message = story.until_says("unreadable", "SpecInvalid")
        assert message.startswith("spec.model.version: ")
        assert "is missing; write it, or follow an alias" in message
        assert _ready(story) == set(good)


def _store_unreadable(story: Story, name: str) -> None:
    """Have the API server keep a spec that the schema forbids: an older, laxer CRD took it."""
    crd = yamls.load(CRD.read_text())
    lax: dict[str, Any] = copy.deepcopy(crd)
    lax["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"] = {
        "type": "object",
        "x-kubernetes-preserve-unknown-fields": True,
    }
    admin = story.plane.kubectl()
    admin.apply(lax)
    broken = model_deployment(name)
    del broken["spec"]["model"]["version"]
    try:
        story.until("the laxer CRD takes it", lambda: _taken(story, broken), 30)
    finally:
        admin.apply(crd)
    story.until("the CRD is strict again", lambda: not _taken(story, {**broken, "metadata": {"name": "probe"}}), 30)


def _taken(story: Story, manifest: dict[str, Any]) -> bool:
    """Whether the API server takes it."""
    name = manifest["metadata"]["name"]
    if story.api.get("modeldeployments", story.namespace, name):
        story.api.delete("modeldeployments", story.namespace, name)
    try:
        story.api.create("modeldeployments", story.namespace, manifest)
    except httpx.HTTPStatusError:
        return False
    return True


def _ready(story: Story) -> set[str]:
    return {
        found["metadata"]["name"]
        for found in story.api.list("modeldeployments", story.namespace)
        for condition in (found.get("status") or {}).get("conditions") or ()
        if (condition["type"], condition["status"]) == ("Ready", "True")
    }


def _services(story: Story) -> set[str]:
    return {found["metadata"]["name"] for found in story.api.list("services", story.namespace, OWNER)}
