"""Rule 7: all state is in the API. Killed between any two writes, the next life ends in the same place."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from testbed.operating import OperatorProcess, until
from testbed.plane import Plane
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
        story.until("it is drained", lambda: _drained(story), DRAINED)
        return _end(story)


def test_killed_after_every_single_write_it_ends_where_it_would_have_ended(
    story_plane: Plane, undisturbed: dict[str, Any], story: Story
) -> None:
    other = Story(story_plane, story.api).begin()
    other.apply(_first())
    lives = _live(other, lambda: other.is_ready("churn", "1"))
    other.edit("churn", model=SECOND)
    lives += _live(other, lambda: other.is_ready("churn", "2") and _drained(other))
    assert lives > LIVES // 10  # it was really killed, and more than once
    assert _end(other) == undisturbed
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


def _drained(story: Story) -> bool:
    """Of the old version only its place in history is left."""
    left = {name for plural, name in story.children("churn") if plural not in ("pods", "jobs", "controllerrevisions")}
    revisions = story.status("churn")["revisions"]
    return len(revisions) == 1 and left == {"churn", f"churn-{story.revision('churn')}"}


def _end(story: Story) -> dict[str, Any]:
    """What matters in the end: which children with what in them, and what status says, but for times."""
    status = story.status("churn")
    return {
        "children": {
            key: _asked(found) for key, found in story.children("churn").items() if key[0] not in ("pods", "jobs")
        },
        "pods": sum(
            pod["metadata"]["labels"]["app.kubernetes.io/component"] == "server"
            for pod in story.children("churn", ("pods",)).values()
        ),
        "stable": status["stable"],
        "lastNumber": status["lastNumber"],
        "phase": status["phase"],
        "revisions": status["revisions"],
        "conditions": {c["type"]: (c["status"], c["reason"], c["message"]) for c in status["conditions"]},
    }


def _asked(found: dict[str, Any]) -> Any:
    spec = {k: v for k, v in found.get("spec", {}).items() if k not in ("clusterIP", "clusterIPs")}
    return spec, found.get("data"), found.get("revision")
