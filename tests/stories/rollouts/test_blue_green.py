"""BlueGreen: a whole new set, one switch, and for a while an instant way back."""

from typing import Any, Final

import pytest

from tests.gitops.kstatus import KStatus, kstatus
from tests.stories.rollouts.history import History
from tests.stories.rollouts.model import Model
from tests.stories.story import REVISION, Story

pytestmark = pytest.mark.plane

HOUR: Final = "1h"


def _blue_green(standby: str = HOUR) -> dict[str, Any]:
    return {"type": "BlueGreen", "blueGreen": {"standbyDuration": standby}}


def _soaks(model: Model, version: str = "2") -> tuple[str, str]:
    """From version 1, Ready, to the next, with the old one in standby. Answers both revisions, the old one first."""
    old = model.stable()
    model.moves(version)
    model.serves(version)
    assert (model.status["phase"], model.kstatus) == ("Soaking", KStatus.CURRENT)
    return old, model.stable()


def _selections(history: History) -> list[str | None]:
    """What the root Service selected, one after the other; None: more than one revision."""
    found: list[str | None] = []
    for moment in history.moments():
        if not found or found[-1] != moment.selector.get(REVISION):
            found.append(moment.selector.get(REVISION))
    return found


def test_traffic_moves_at_once_to_a_whole_set_and_back_at_once_with_no_new_pod(story: Story) -> None:
    """V4; scenario 15."""
    # given: version 1 serves with three pods
    model = Model(story, "switches").begin(replicas=3, rollout=_blue_green())

    # when: version 2 is asked for
    with model.history() as history:
        old, new = _soaks(model)

    # then: traffic moves once, from three pods to three, and the old ones stay
    assert _selections(history) == [old, new]
    assert history.fewest_reached() == 3, str(history)
    uids, blue = model.uids(), model.uids(old)
    assert len(uids) == 6

    # when: version 1 is asked for again
    with model.history() as history:
        model.moves("1")
        model.serves("1")

    # then: traffic moves back once, to the very pods that stood by
    assert _selections(history) == [new, old]
    assert history.fewest_reached() == 3, str(history)
    assert (model.stable(), model.uids(old)) == (old, blue)
    assert model.uids() <= uids
    assert model.status["stable"]["number"] == 3
    assert model.status["phase"] == "Soaking"  # the way forward is open as well


def test_a_standby_that_is_longer_than_the_deadline_ends_by_itself_and_nobody_worries(story: Story) -> None:
    """Scenario 8. The deadline is the time that the server may take to start, and half a minute."""
    # given: version 2 serves, and version 1 stands by for longer than the deadline
    model = Model(story, "expires")
    model.begin(replicas=2, server={"startupTimeout": "1s"}, rollout={**_blue_green("40s"), "progressDeadline": "1s"})
    old, new = _soaks(model)
    (standby,) = [known for known in model.status["revisions"] if known["state"] == "Standby"]
    assert (standby["revision"], standby["available"]) == (old, 2)

    # when: the standby is over
    with model.history() as history:
        model.alone(new)
        model.until("it is Ready", lambda: (model.rollout_phase, model.status["phase"]) == ("", "Ready"))

    # then: every GitOps tool saw it healthy all the while, and only version 2 is listed
    assert {kstatus(moment.model) for moment in history.moments()} == {KStatus.CURRENT}
    assert [known["revision"] for known in model.status["revisions"]] == [new]


def test_outside_its_standby_the_old_version_starts_and_verifies_before_it_takes_over(story: Story) -> None:
    """V4."""
    # given: version 2 serves, and version 1's standby is over
    model = Model(story, "late").begin(replicas=1, rollout=_blue_green("5s"))
    old, new = _soaks(model)
    before = model.uids()
    model.alone(new)

    # when: version 1 is asked for again
    model.moves("1")
    model.serves("1")

    # then: it serves under a new number, with new pods
    assert (model.stable(), model.status["stable"]["number"]) == (old, 3)
    assert model.uids(old).isdisjoint(before)


def test_promote_ends_the_standby_at_once(story: Story) -> None:
    # given: version 2 serves, and version 1 would stand by for an hour
    model = Model(story, "promotes").begin(replicas=2, rollout=_blue_green())
    _, new = _soaks(model)

    # when: somebody promotes version 2
    model.asks(f"promote/{new}")

    # then: that is answered, and version 1 goes at once
    assert model.answer(f"promote/{new}").startswith("promoted")
    model.alone(new)
    assert model.rollout_phase == ""


@pytest.mark.parametrize("way", ["abort", "crash"])
def test_what_soaks_is_sent_home_and_the_old_pods_carry_on(story: Story, way: str) -> None:
    # given: version 2 serves, and version 1 stands by
    model = Model(story, f"soaks-{way}").begin(replicas=2, rollout=_blue_green())
    old, new = _soaks(model)
    blue = model.uids(old)

    # when: version 2 is aborted, or its servers crash
    with model.history() as history:
        if way == "abort":
            model.asks(f"abort/{new}")
            model.refuses("2", "Aborted")
        else:
            model.crash(new)
            model.refuses("2", "CrashLoop")
        model.alone(old)

    # then: traffic goes back once, and the pods that stood by carry on
    assert _selections(history) == [new, old]
    assert (model.uids(), model.kstatus) == (blue, KStatus.FAILED)
    assert model.status["stable"] == {**model.status["stable"], "revision": old, "number": 3}


def test_the_type_may_change_with_the_version_while_an_old_one_stands_by(story: Story) -> None:
    """Scenario 14, from BlueGreen to the type that spans versions."""
    # given: version 2 serves, and version 1 stands by
    model = Model(story, "changes").begin(replicas=2, rollout=_blue_green())
    old, new = _soaks(model)

    # when: version 3 is asked for, with the type RollingUpdate
    with model.history() as history:
        model.moves("3", rollout={"type": "RollingUpdate", "blueGreen": None})
        model.serves("3").alone(model.stable())

    # then: two pods serve at every moment, none of version 1, and version 2 is gone
    assert history.fewest_reached() >= 2, str(history)
    assert all(moment.reached(old) == 0 for moment in history.moments())
    assert new not in model.deployments()


def test_a_third_version_takes_the_place_of_the_one_in_standby(story: Story) -> None:
    """Scenario 16: the newest of the old ones is kept, the others go at once."""
    # given: version 2 serves, and version 1 stands by
    model = Model(story, "third").begin(replicas=1, rollout=_blue_green())
    first, second = _soaks(model)

    # when: version 3 takes over
    _, third = _soaks(model, "3")

    # then: version 2 stands by in version 1's place
    model.until("the first is gone", lambda: model.deployments() == {second, third})
    standby = {known["revision"] for known in model.status["revisions"] if known["state"] == "Standby"}
    assert standby == {second}
    assert first not in standby
