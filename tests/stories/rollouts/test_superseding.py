"""A spec that changes again in the middle of a rollout (V5, V13): it ends on what was asked last."""

import pytest

from tests.stories.rollouts.model import Model
from tests.stories.story import Story

pytestmark = pytest.mark.plane

ROLLING = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}


def _numbers(model: Model) -> list[int]:
    """Of the revisions that history holds."""
    kept = model.story.children(model.name, ("controllerrevisions",))
    return sorted(int(found["revision"]) for found in kept.values())


@pytest.mark.parametrize("phase", ["starting", "shifting"])
def test_a_third_version_in_the_middle_ends_on_the_third(story: Story, phase: str) -> None:
    """Scenarios 20 and 23."""
    # given: version 1 serves with four pods, and version 2 is on its way
    model = Model(story, f"third-{phase}").begin(replicas=4, rollout=ROLLING)
    with model.history() as history:
        model.moves("2")
        second = model.candidate() if phase == "starting" else model.shifts()
        if phase == "shifting":
            model.until("it has two pods", lambda: model.count(second) == 2)

        # when: version 3 is asked for
        model.moves("3")
        model.serves("3")
        model.alone(model.stable())

    # then: version 3 takes over within the bounds, and history has all three
    assert history.fewest_reached() == 4, str(history)
    assert history.most_pods() <= 5, str(history)
    assert model.status["stable"]["number"] == model.status["lastNumber"] == 3
    assert _numbers(model) == [1, 2, 3]


def test_back_to_the_first_in_the_middle_keeps_what_is_left_of_it(story: Story) -> None:
    """Scenario 18."""
    # given: version 2 has two pods beside those that are left of version 1's three
    model = Model(story, "back").begin(replicas=3, rollout=ROLLING)
    old = model.stable()
    with model.history() as history:
        model.moves("2")
        new = model.shifts()
        model.until("it has two pods", lambda: model.count(new) == 2)
        left = model.uids(old)

        # when: version 1 is asked for again
        model.moves("1")
        model.until("it goes back", lambda: model.rollout_phase == "RollingBack")
        model.serves("1").alone(old)

    # then: three serve at every moment, what was left of version 1 still does, and nothing was refused
    assert history.fewest_reached() == 3, str(history)
    assert len(model.uids() & left) >= 2
    assert (model.stable(), model.status.get("refused")) == (old, None)


def test_to_and_fro_ends_on_what_was_asked_last_and_numbers_only_grow(story: Story) -> None:
    # given: version 1 serves, and version 2 shifts
    model = Model(story, "fro").begin(replicas=2, rollout=ROLLING)
    with model.history() as history:
        model.moves("2")
        new = model.shifts()

        # when: version 1 is asked for, and in the middle of that version 2 again
        model.moves("1")
        model.until("it goes back", lambda: model.rollout_phase == "RollingBack" or model.status["phase"] == "Ready")
        model.moves("2")
        model.serves("2").alone(new)

    # then: version 2 serves, two pods did at every moment, and numbers only grew
    assert history.fewest_reached() == 2, str(history)
    numbers = [(m.model["status"].get("lastNumber", 0)) for m in history.moments()]
    assert numbers == sorted(numbers)
    assert model.stable() == new


def test_what_a_broken_version_cannot_carry_stays_where_it_is_until_the_fix_can(story: Story) -> None:
    """V13."""
    # given: half of the pods are version 2's
    model = Model(story, "fix").begin(replicas=4, rollout=ROLLING)
    old = model.stable()
    model.moves("2")
    second = model.shifts()
    model.until("half of the pods are new", lambda: model.story.available(f"fix-{second}") >= 2)

    # when: version 1's pods crash, and version 3 is asked for
    with model.history() as history:
        model.crash(old)
        model.moves("3")
        model.serves("3")
        model.alone(model.stable())

    # then: version 3 takes over, and version 2's pods carried the load until it could
    assert model.status["stable"]["version"] == "3"
    # Those of the second version carry the load until enough of the third can.
    assert min(moment.reached() - moment.reached(old) for moment in history.moments()) >= 2


def test_a_version_that_is_refused_and_then_reverted_leaves_nothing_behind(story: Story) -> None:
    # given: version 2 was refused
    model = Model(story, "revert").begin(replicas=2, rollout=ROLLING)
    old, uids = model.stable(), model.uids()
    model.moves("2", uri="s3://models/revert/2", podMetadata={"annotations": {"testbed/server-says": "{}"}})
    model.refuses("2", "CrashLoop")

    # when: version 1 is asked for again
    model.moves("1", podMetadata=None)

    # then: it serves with the same pods, and nothing tells of the refusal
    model.serves("1").alone(old)
    assert (model.uids(), model.status.get("refused")) == (uids, None)
