"""RollingUpdate: pod by pod, within its bounds at every moment, whatever becomes of the count meanwhile."""

import pytest

from tests.stories.rollouts.history import History
from tests.stories.rollouts.model import Model
from tests.stories.story import Story

pytestmark = pytest.mark.plane

NOWHERE = {"resources": {"requests": {"cpu": "1000"}}}
"""Pods that never find a node."""


def _rolling(surge: int | str, unavailable: int | str = 0) -> dict[str, object]:
    return {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}}


def _stays_within(history: History, *, reached: int, pods: int) -> None:
    for moment in history.moments():
        assert moment.reached() >= reached, (moment.selector, moment.counts())
        assert sum(moment.counts().values()) <= pods, moment.counts()


@pytest.mark.parametrize(("surge", "unavailable"), [("25%", 0), (0, 1), (2, "25%")])
def test_four_pods_change_within_their_bounds_at_every_moment(story: Story, surge: str, unavailable: str) -> None:
    # given: version 1 serves with four pods
    model = Model(story, f"rolls-{surge}-{unavailable}".replace("%", "p"))
    model.begin(replicas=4, rollout=_rolling(surge, unavailable))
    old = model.stable()
    more, less = {"25%": 1}.get(surge, surge), {"25%": 1}.get(unavailable, unavailable)

    # when: version 2 is asked for
    with model.history() as history:
        model.moves("2")
        new = model.shifts()
        model.serves("2")

    # then: neither too many nor too few pods at any moment, the new ones only grow, and the old version is gone
    _stays_within(history, reached=4 - int(less), pods=4 + int(more))
    counts = [moment.counts().get(new, 0) for moment in history.moments()]
    assert counts == sorted(counts), counts
    assert max(counts) == 4
    assert model.events()[-3:] == ["RolloutStarted", "Shifting", "Promoted"]
    model.alone(new)
    assert old not in {known["revision"] for known in model.status["revisions"]}


def test_scaled_up_and_down_in_the_middle_it_ends_with_the_last_count(story: Story) -> None:
    """Scenario 11."""
    # given: version 1 serves with four pods
    model = Model(story, "scaled").begin(replicas=4, rollout=_rolling(2))

    # when: while version 2 comes, the count goes up to eight and down to four
    with model.history() as history:
        model.moves("2")
        new = model.shifts()
        model.edit(replicas=8)
        model.until("there are eight", lambda: sum(map(model.count, model.deployments())) >= 8)
        model.edit(replicas=4)
        model.serves("2")
        model.alone(new)

    # then: no moment is out of bounds, and four are left
    _stays_within(history, reached=4, pods=8 + 2)
    assert len(model.pods()) == model.status["replicas"] == 4


def test_scaled_while_paused_the_versions_keep_their_places(story: Story) -> None:
    """Scenario 10."""
    # given: version 1 serves with four pods
    model = Model(story, "paused").begin(replicas=4, rollout=_rolling(1))

    # when: while version 2 is paused in the middle, the count goes up to eight and down to four
    with model.history() as history:
        model.moves("2")
        new = model.shifts()
        model.asks(f"pause/{new}")
        assert model.status["phase"] == "Paused"
        few = model.count(new)
        model.edit(replicas=8)
        model.until("there are eight", lambda: model.status["ready"] == "8/8")
        assert model.count(new) == few
        model.edit(replicas=4)
        model.until("four are asked for", lambda: model.status["replicas"] == 4)
        assert model.rollout_phase == "Shifting"
        model.asks(f"resume/{new}")
        model.serves("2")
        model.alone(new)

    # then: version 2 kept its pods, no moment was out of bounds, and four are left
    _stays_within(history, reached=4, pods=8 + 1)
    assert len(model.pods()) == 4


def test_a_version_that_is_stuck_leaves_the_old_one_whole_at_every_count(story: Story) -> None:
    """Scenario 11, with surge 2 and a candidate that finds no node."""
    # given: version 1 serves with four pods
    model = Model(story, "stuck").begin(replicas=4, rollout=_rolling(2))
    old = model.stable()

    # when: version 2 finds no node, and the count goes up to eight and down to four
    with model.history() as history:
        model.moves("2", server=NOWHERE)
        new = model.candidate()
        model.until("two find no node", lambda: model.count(new) == 2 and model.reason() == "InsufficientCapacity")
        model.edit(replicas=8)
        model.until("eight serve", lambda: model.status["ready"] == "8/8")
        assert (model.count(old), model.count(new)) == (8, 2)
        model.edit(replicas=4)
        model.until("four serve", lambda: model.count(old) == 4)

    # then: version 1 follows each count, and version 2 waits
    _stays_within(history, reached=4, pods=8 + 2)
    assert model.status["phase"] == "Waiting"

    # when: a version is asked for that finds a node
    model.moves("3", server=None)

    # then: it takes over
    model.serves("3").alone(model.stable())


def test_version_and_count_changed_in_one_patch_twice_end_with_exactly_the_last_count(story: Story) -> None:
    """Scenario 9."""
    # given: version 1 serves with two pods
    model = Model(story, "both").begin(replicas=2, rollout=_rolling(1))

    # when: version 2 and four pods are asked for in one patch
    model.moves("2", replicas=4)

    # then: version 2 serves with four
    model.serves("2")
    assert model.status["ready"] == "4/4"

    # when: version 3 and one pod are asked for in one patch
    model.moves("3", replicas=1)

    # then: version 3 serves with one
    model.serves("3").alone(model.stable())
    assert len(model.pods()) == 1
