"""The API server goes away in the middle of a rollout and comes back: all watches break, and nothing is lost."""

import pytest

from testbed.operating import OperatorProcess
from testbed.plane import Plane
from tests.stories.rollouts.model import Model
from tests.stories.story import Story

pytestmark = pytest.mark.plane

ROLLING = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}


def test_a_rollout_goes_on_where_it_was_when_the_api_server_is_back(
    story_plane: Plane, story: Story, operator: OperatorProcess
) -> None:
    # given: version 2 takes over pod by pod
    model = Model(story, "churn").begin(replicas=3, rollout=ROLLING)
    model.moves("2")
    new = model.shifts()
    number = model.status["candidate"]["number"]

    # when: the API server is killed and comes back
    story_plane.restart("kube-apiserver", kill=True)

    # then: the same rollout ends, under its number and in the same life of the operator
    model.serves("2").alone(new)
    assert (model.status["stable"]["number"], model.status["lastNumber"]) == (number, number)
    assert operator.ended() is None
    assert len(model.pods()) == 3
