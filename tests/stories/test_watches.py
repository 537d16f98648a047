"""What watches do not tell is found all the same: labels taken off, and what went while a watch had expired."""

import os
import signal
from functools import partial

import pytest

from testbed.operating import OperatorProcess
from testbed.plane import Plane
from tests.stories.story import OWNER, Story, model_deployment

pytestmark = pytest.mark.plane


@pytest.fixture(scope="module", autouse=True)
def served(story: Story, operator: OperatorProcess) -> None:
    """A model that is Ready."""
    story.apply(model_deployment("churn", replicas=2))
    story.until_ready("churn")


@pytest.mark.parametrize("label", ["-", "=other"], ids=["taken off", "changed"])
@pytest.mark.parametrize("plural", ["deployments", "services"])
def test_a_child_whose_label_was_touched_is_repaired_and_takes_no_pod_with_it(
    story: Story, plural: str, label: str
) -> None:
    # given: a child that watches find by its label (`served`)
    name = "churn" if plural == "services" else f"churn-{story.revision('churn')}"
    uid = story.get(plural, name)["metadata"]["uid"]
    pods = {name for _, name in story.children("churn", ("pods",))}

    # when: the label is taken off or changed, twice
    for _ in range(2):
        story.kubectl("label", "--overwrite", plural, name, f"{OWNER}{label}")
        story.until("the label is back", partial(_is_marked, story, plural, name), 20)

    # then: it is the same child with its label, and no pod has gone
    story.until_ready("churn")
    assert story.get(plural, name)["metadata"]["uid"] == uid
    assert pods <= {name for _, name in story.children("churn", ("pods",))}


def test_what_went_while_a_watch_had_expired_is_back_before_the_next_periodic_listing(
    story_plane: Plane, story: Story, operator: OperatorProcess
) -> None:
    # given: an operator that hears nothing
    name = f"churn-{story.revision('churn')}"
    os.kill(operator.pid, signal.SIGSTOP)
    try:
        # when: children are deleted, and the API server's new cache knows nothing of that
        for plural, gone in (("services", "churn"), ("deployments", name)):
            story.api.delete(plural, story.namespace, gone)
        story_plane.restart("kube-apiserver", kill=True)  # its new cache knows nothing of before: watches answer 410
    finally:
        os.kill(operator.pid, signal.SIGCONT)

    # then: they are put back, in the same life of the operator
    for plural, gone in (("services", "churn"), ("deployments", name)):
        story.until(f"{gone} is back", partial(story.api.get, plural, story.namespace, gone), 60)
    story.until_ready("churn")
    assert operator.ended() is None


def _is_marked(story: Story, plural: str, name: str) -> bool:
    return (story.get(plural, name)["metadata"].get("labels") or {}).get(OWNER) == "churn"
