"""S3: a ModelDeployment that is deleted takes everything with it, whether the operator runs or not."""

import pytest

from testbed.operating import OperatorProcess
from testbed.plane import Plane
from tests.stories.story import Story, whole

pytestmark = pytest.mark.plane


def test_a_deleted_model_takes_every_child_with_it_whether_the_operator_runs_or_not(
    story_plane: Plane, story: Story
) -> None:
    # given: two models with a child of every kind
    story.apply(whole("watched"), whole("orphaned"))
    with OperatorProcess(story_plane, namespaces=[story.namespace]):
        story.until_ready("watched", "orphaned")
        assert "finalizers" not in story.get("modeldeployments", "watched")["metadata"]
        assert len({plural for plural, _ in story.children("watched")}) == 9

        # when: one is deleted beside a running operator
        story.kubectl("delete", "modeldeployment", "watched", "--timeout=10s")

        # then: everything of it goes
        story.until("everything is gone beside a running operator", lambda: not story.children("watched"))

    # when: the other is deleted while no operator runs
    story.kubectl("delete", "modeldeployment", "orphaned", "--timeout=10s")

    # then: everything of it goes as well
    story.until("everything is gone without an operator", lambda: not story.children("orphaned"))


def test_a_model_of_the_same_name_made_at_once_after_a_deletion_becomes_ready(story_plane: Plane, story: Story) -> None:
    # given: a model that is Ready
    with OperatorProcess(story_plane, namespaces=[story.namespace]):
        story.apply(whole("again"))
        story.until_ready("again")
        before = story.get("modeldeployments", "again")["metadata"]["uid"]

        # when: it is deleted and made again at once
        story.kubectl("delete", "modeldeployment", "again", "--timeout=10s")
        story.apply(whole("again"))

        # then: the new one gets Ready, and all children are its own
        story.until_ready("again")
        owners = {
            owner["uid"]
            for (plural, _), child in story.children("again").items()
            if plural != "pods"
            for owner in child["metadata"]["ownerReferences"]
        }
        assert owners == {story.get("modeldeployments", "again")["metadata"]["uid"]} != {before}
