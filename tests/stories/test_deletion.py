"""S3: a ModelDeployment that is deleted takes everything with it, whether the operator runs or not."""

import pytest

from testbed.operating import OperatorProcess
from testbed.plane import Plane
from tests.stories.story import Story, whole

pytestmark = pytest.mark.plane


def test_a_deleted_model_takes_every_child_with_it_whether_the_operator_runs_or_not(
    story_plane: Plane, story: Story
) -> None:
    story.apply(whole("watched"), whole("orphaned"))
    with OperatorProcess(story_plane, namespaces=[story.namespace]):
        story.until_ready("watched", "orphaned")
        assert "finalizers" not in story.get("modeldeployments", "watched")["metadata"]
        assert len({plural for plural, _ in story.children("watched")}) == 9
        story.kubectl("delete", "modeldeployment", "watched", "--timeout=10s")
        story.until("everything is gone beside a running operator", lambda: not story.children("watched"))
    story.kubectl("delete", "modeldeployment", "orphaned", "--timeout=10s")
    story.until("everything is gone without an operator", lambda: not story.children("orphaned"))


def test_a_model_of_the_same_name_made_at_once_after_a_deletion_becomes_ready(story_plane: Plane, story: Story) -> None:
    with OperatorProcess(story_plane, namespaces=[story.namespace]):
        story.apply(whole("again"))
        story.until_ready("again")
        before = story.get("modeldeployments", "again")["metadata"]["uid"]
        story.kubectl("delete", "modeldeployment", "again", "--timeout=10s")
        story.apply(whole("again"))
        story.until_ready("again")
        owners = {
            owner["uid"]
            for (plural, _), child in story.children("again").items()
            if plural != "pods"
            for owner in child["metadata"]["ownerReferences"]
        }
        assert owners == {story.get("modeldeployments", "again")["metadata"]["uid"]} != {before}
