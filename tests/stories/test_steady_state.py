"""S10: what is as it should be is not written to."""

import pytest

from testbed.audit import Call
from testbed.operating import OperatorProcess
from testbed.plane import Plane
from tests.stories.story import CHILDREN, Story, model_deployment, whole

pytestmark = pytest.mark.plane

RESYNCS = 15


def test_a_steady_state_sees_no_write_no_event_and_no_growth_through_many_resyncs(
    story_plane: Plane, story: Story
) -> None:
    # given: models of which each is as it should be
    story.apply(whole("scaled"), model_deployment("plain", replicas=2), model_deployment("sleeps", suspend=True))
    with OperatorProcess(story_plane, namespaces=[story.namespace], resync_seconds=1) as operator:
        story.until_ready("scaled", "plain")
        story.until("it is suspended", lambda: story.status("sleeps")["phase"] == "Suspended")
        _resyncs(story, 2)  # what the end of the rollout still brings
        before = _counts(story, operator)

        # when: the operator lists everything anew, many times
        mark = story_plane.audit.mark()
        _resyncs(story, RESYNCS)

        # then: it has looked, written nothing, and not grown
        assert operator.total("slipway_reconcile_duration_seconds_count") > before["passes"]
        writes = [call for call in _of_the_operator(story, mark) if call.writes and call.resource != "leases"]
        assert writes == []
        after = _counts(story, operator)
        assert {name: after[name] for name in ("objects", "events", "known")} == {
            name: before[name] for name in ("objects", "events", "known")
        }
        assert after["memory"] - before["memory"] < 4


def _of_the_operator(story: Story, mark: int) -> list[Call]:
    return story.plane.audit.calls(mark, story.plane.user("operator"))


def _resyncs(story: Story, count: int) -> None:
    """Wait until the operator has listed everything so often. The last kind of a resync counts."""
    mark = story.plane.audit.mark()

    def listed() -> bool:
        calls = [call for call in _of_the_operator(story, mark) if (call.verb, call.resource) == ("list", "nodes")]
        return len(calls) >= count

    story.until(f"{count} resyncs", listed, 60)


def _counts(story: Story, operator: OperatorProcess) -> dict[str, float]:
    return {
        "objects": sum(len(story.api.list(plural, story.namespace)) for plural in CHILDREN),
        "events": len(
            [
                event
                for event in story.api.list("events", story.namespace)
                if event["source"].get("component") == "slipway"
            ]
        ),
        "known": operator.total("slipway_store_objects"),
        "passes": operator.total("slipway_reconcile_duration_seconds_count"),
        "memory": operator.memory_mib(),
    }
