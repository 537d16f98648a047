"""K6 and K9 with a whole operator: writes that fail are told and heal by themselves, and what has lost its owner is
taken up again while its pods go on."""

from collections.abc import Iterator
from functools import partial
from typing import Any, Final

import pytest

from testbed.api import Api
from testbed.operating import OperatorProcess
from testbed.plane import Plane, free_port
from tests.controller.webhooks import configuration
from tests.stories.story import Story, model_deployment, whole

pytestmark = pytest.mark.plane

DOWN: Final = {"deployments": "apps", "services": "", "jobs": "batch"}
HALF_A_MINUTE: Final = 30


@pytest.fixture(scope="module")
def stories(story_plane: Plane, story_api: Api) -> dict[str, Story]:
    """A namespace for each kind that cannot be written, and one for what is lost."""
    return {name: Story(story_plane, story_api).begin() for name in (*DOWN, "lost")}


@pytest.fixture(scope="module", autouse=True)
def operator(story_plane: Plane, stories: dict[str, Story]) -> Iterator[OperatorProcess]:
    with OperatorProcess(story_plane, namespaces=[story.namespace for story in stories.values()]) as running:
        yield running


@pytest.fixture(scope="module", autouse=True)
def down(story_plane: Plane, stories: dict[str, Story], operator: OperatorProcess) -> Iterator[list[dict[str, Any]]]:
    """Webhooks whose server is down, and a model behind each."""
    nobody = {"url": f"https://127.0.0.1:{free_port()}/"}
    made = [
        configuration("Validating", stories[plural].namespace, group, plural, nobody) for plural, group in DOWN.items()
    ]
    story_plane.kubectl().apply(*made)
    for plural in DOWN:
        stories[plural].until(f"no {plural} can be written", partial(refused, stories[plural], plural))
        stories[plural].apply(model_deployment("churn"))
    yield made
    for each in made:
        story_plane.kubectl()("delete", each["kind"].lower(), each["metadata"]["name"], "--ignore-not-found")


def refused(story: Story, plural: str) -> bool:
    makes = {
        "deployments": ("create", "deployment", "probe", "--image=i"),
        "services": ("create", "service", "clusterip", "probe", "--tcp=80"),
        "jobs": ("create", "job", "probe", "--image=i"),
    }
    return "created" not in story.kubectl(*makes[plural], "--dry-run=server", check=False)


@pytest.mark.parametrize("plural", DOWN)
def test_a_webhook_that_is_down_is_told_in_its_words_and_heals_by_itself(
    story_plane: Plane, stories: dict[str, Story], down: list[dict[str, Any]], plural: str
) -> None:
    # given: a webhook whose server is down, and a model whose child it looks at (`down`)
    story = stories[plural]

    # then: the model says so in the API server's words, and does not give up
    message = story.until_says("churn", "WriteFailed", "failed calling webhook", seconds=HALF_A_MINUTE)
    assert "cannot be written" in message
    assert story.condition("churn", "Stalled")["status"] == "False"

    # when: the webhook goes
    webhook = next(each for each in down if each["metadata"]["name"].startswith(f"{story.namespace}-{plural}"))
    story_plane.kubectl()("delete", webhook["kind"].lower(), webhook["metadata"]["name"])

    # then: the model is Ready
    story.until_ready("churn")


@pytest.fixture(scope="module")
def lost(stories: dict[str, Story]) -> Story:
    story = stories["lost"]
    story.apply(whole("churn"))
    story.until_ready("churn")
    return story


def pods(story: Story) -> set[str]:
    return {found["metadata"]["uid"] for (plural, _), found in story.children("churn").items() if plural == "pods"}


def owned(story: Story) -> bool:
    """Every child but Jobs has this very ModelDeployment as its controller."""
    uid = story.get("modeldeployments", "churn")["metadata"]["uid"]
    rest = [found for (plural, _), found in story.children("churn").items() if plural not in ("pods", "jobs")]
    owners = [[owner["uid"] for owner in found["metadata"].get("ownerReferences", ())] for found in rest]
    return bool(owners) and all(each == [uid] for each in owners)


@pytest.mark.parametrize("plural", ["deployments", "services", "configmaps", "controllerrevisions"])
def test_owner_references_that_were_stripped_come_back_and_no_pod_goes(lost: Story, plural: str) -> None:
    # given: a model that is Ready (`lost`)
    before = pods(lost)

    # when: children lose their owner
    for name in [name for kind, name in lost.children("churn") if kind == plural]:
        lost.api.patch(plural, lost.namespace, name, {"metadata": {"ownerReferences": None}})

    # then: they are owned again, and the pods are the same
    lost.until("they are owned again", lambda: owned(lost))
    lost.until_ready("churn")
    assert pods(lost) == before


def test_what_cascade_orphan_left_is_taken_up_again_and_no_pod_goes(lost: Story) -> None:
    # given: a model that is Ready (`lost`)
    before = pods(lost)
    revision = lost.revision("churn")

    # when: it is deleted without its children, and made again
    lost.kubectl("delete", "md", "churn", "--cascade=orphan")
    lost.until("it is gone", lambda: lost.api.get("modeldeployments", lost.namespace, "churn") is None)
    assert pods(lost) == before

    lost.apply(whole("churn"))

    # then: it takes up the children, and the pods are the same
    lost.until_ready("churn")
    lost.until("all is owned again", lambda: owned(lost))
    assert lost.revision("churn") == revision
    assert pods(lost) == before
