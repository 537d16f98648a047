"""Two replicas: one works, the other takes over when it dies."""

import pytest

from testbed.operating import OperatorProcess
from testbed.plane import Plane
from tests.stories.story import Story, model_deployment

pytestmark = pytest.mark.plane

TAKEN_OVER = 45
"""Seconds. A Lease that was not given back expires after 30."""


def test_when_the_leader_is_killed_the_standby_goes_on_with_what_it_left(story_plane: Plane, story: Story) -> None:
    # given: one operator leads, and another stands by
    lease = f"two-{story.namespace}"
    first = OperatorProcess(story_plane, namespaces=[story.namespace], lease=lease)
    second = OperatorProcess(story_plane, namespaces=[story.namespace], lease=lease, user="operator-2")
    story.apply(model_deployment("churn"))
    with first:
        story.until_ready("churn")
        with second:
            story.until("the second stands by", lambda: "Standing by" in second.log())
            mark = story_plane.audit.mark()
            story.edit("churn", replicas=2)
            story.until("the leader scales", lambda: story.status("churn").get("ready") == "2/2")

            # when: the leader is killed, and a version is asked for
            first.kill()
            story.edit("churn", model={"version": "2", "source": {"uri": "s3://models/second"}})

            # then: the other takes over and writes what is needed
            story.until_ready("churn", version="2", seconds=TAKEN_OVER + 60)
            calls = story_plane.audit.calls(mark, story_plane.user("operator-2"))
            assert {call.resource for call in calls if call.writes} >= {
                "leases",
                "deployments",
                "modeldeployments/status",
            }
            assert story.api.get("leases", "default", lease) is not None
