"""Rule 7: all state is in the API. Killed between any two writes, the next life ends in the same place."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from testbed.operating import OperatorProcess, until
from testbed.plane import Plane
from tests.stories.ending import drained, end_of
from tests.stories.story import Story, model_deployment

pytestmark = pytest.mark.plane

DYING: Final = Path(__file__).with_name("dying.py")
LIVES: Final = 40
DRAINED: Final = 60
SECOND: Final = {"version": "2", "source": {"uri": "s3://models/second"}}


@pytest.fixture(scope="module")
def undisturbed(story_plane: Plane, story: Story) -> dict[str, Any]:
    """What a first version and then a second lead to when nobody dies."""
    story.apply(_first())
    with OperatorProcess(story_plane, namespaces=[story.namespace]):
        story.until_ready("churn")
        story.edit("churn", model=SECOND)
        story.until_ready("churn", version="2")
        story.until("it is drained", lambda: drained(story, "churn"), DRAINED)
        return end_of(story, "churn")


def test_killed_after_every_single_write_it_ends_where_it_would_have_ended(
    story_plane: Plane, undisturbed: dict[str, Any], story: Story
) -> None:
    # given: the end that nobody disturbed (`undisturbed`)
    # when: the operator dies after each write of a first version and of a second
    other = Story(story_plane, story.api).begin()
    other.apply(_first())
    lives = _live(other, lambda: other.is_ready("churn", "1"))
    other.edit("churn", model=SECOND)
    lives += _live(other, lambda: other.is_ready("churn", "2") and drained(other, "churn"))

    # then: it ends the same
    assert lives > LIVES // 10  # it was really killed, and more than once
    assert end_of(other, "churn") == undisturbed
    other.kubectl("delete", "modeldeployment", "churn", "--wait=false")


def _live(story: Story, done: Callable[[], object]) -> int:
    """Start the operator again and again, each time to be killed, until all is done. Answers how often it died."""
    for life in range(LIVES):
        program = (sys.executable, DYING)
        with OperatorProcess(story.plane, namespaces=[story.namespace], program=program) as operator:
            _until_dead_or(done, operator)
            if operator.ended() is None:
                return life
    raise AssertionError(f"not done after {LIVES} lives: {story.status('churn')}")


def _until_dead_or(done: Callable[[], object], operator: OperatorProcess) -> None:
    until("it is done or dead", lambda: operator.ended() is not None or done(), 120)


def _first() -> dict[str, Any]:
    return model_deployment("churn", replicas=2)
