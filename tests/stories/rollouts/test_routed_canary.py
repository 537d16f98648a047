"""A canary through a gateway, while its operators die after every write, or two lead: what clients get is bounded at
every moment, and all ends as it does undisturbed.

The gateway is a fake (fake_gateway.py). That a real one follows what it is told is shown in e2e.
"""

from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from typing import Any, Final

import pytest

from tests.stories.rollouts.cell import PODS, Cell, Disturbance, Ended, changed
from tests.stories.rollouts.fake_gateway import FakeGateway, behind
from tests.stories.rollouts.history import History
from tests.stories.rollouts.model import Model
from tests.stories.story import Story

pytestmark = pytest.mark.plane

FEW: Final = 33
"""As much as one of three pods can carry."""
TO_THE_END: Final = [{"weight": 10}, {"weight": 50}]
HALF: Final = [{"weight": 10}, {"weight": 50}, {"pause": {}}]
LIVES: Final = 20
"""A canary that dies after every write has more than so many; one that is aborted more than a third."""


world: Final = FakeGateway
"""One gateway for all stories of this file."""


def test_killed_after_every_write_a_canary_goes_on_from_where_it_was_and_ends_the_same(story: Story) -> None:
    # given: a canary with two steps behind a gateway
    # when: version 2 is asked for, and the operator dies after every write
    history, lives = _told(story, TO_THE_END, _nothing, _moves, _has_moved, k=1, again=True)

    # then: each step is made once, no client is let down, and it ends as undisturbed
    assert lives > LIVES
    assert _only_grew(_shares(history))[-1] == 100
    assert _steps(history) == [0, 1, 2]


def test_two_that_lead_take_a_canary_to_each_step_once(story: Story) -> None:
    # given: a canary with two steps behind a gateway
    # when: version 2 is asked for, and two operators lead
    history, _ = _told(story, TO_THE_END, _nothing, _moves, _has_moved, leaders=2)

    # then: each step is made once, under one number, and it ends as undisturbed
    assert _only_grew(_shares(history))[-1] == 100
    assert _steps(history) == [0, 1, 2]
    numbers = [moment.model["status"]["lastNumber"] for moment in history.moments()]
    assert numbers == sorted(numbers)
    assert {*numbers} == {1, 2}


def test_killed_after_every_write_an_aborted_canary_gives_its_share_back_once_and_for_all(story: Story) -> None:
    # given: a canary that pauses at half
    # when: it is aborted, and the operator dies after every write
    history, lives = _told(story, HALF, _half_way, _aborts, _is_back, k=1, again=True)

    # then: the share goes back once, no client is let down, and it ends as undisturbed
    assert lives > LIVES // 3
    *shares, last = _shares(history)
    assert (_only_grew(shares)[-1], last) == (50, 0)


def test_two_that_lead_take_an_aborted_canary_back_once(story: Story) -> None:
    # given: a canary that pauses at half
    # when: it is aborted, and two operators lead
    history, _ = _told(story, HALF, _half_way, _aborts, _is_back, leaders=2)

    # then: the share goes back once, and it ends as undisturbed
    *shares, last = _shares(history)
    assert (_only_grew(shares)[-1], last) == (50, 0)
    assert _steps(history) == [0, 1, 2]


# -- what is told


def _nothing(_: Model) -> None:
    pass


def _moves(model: Model) -> None:
    model.moves("2")


def _has_moved(model: Model) -> bool:
    return model.story.is_ready(model.name, "2")


def _half_way(model: Model) -> None:
    model.moves("2")
    model.until("it pauses at half", lambda: model.reason() == "Paused")


def _aborts(model: Model) -> None:
    model.annotates(f"abort/{model.candidate()}")


def _is_back(model: Model) -> bool:
    status = model.status
    return (status.get("refused") or {}).get("reason") == "Aborted" and status["ready"] == f"{PODS}/{PODS}"


def _told(
    story: Story, steps: list[Any], before: Disturbance, what: Disturbance, done: Ended, **operators: Any
) -> tuple[History, int]:
    """Tell it twice, side by side: undisturbed, and with these operators. Both keep their promises to clients and end
    the same. Answers what became of the other one, and how many lives its operators had."""
    rollout = {"type": "Canary", "canary": {"steps": steps, "standbyDuration": "0s"}}

    def tell(cell: Cell) -> tuple[History, dict[str, Any]]:
        cell.begin()
        with cell.model.history() as history:
            before(cell.model)
            end = cell.comes_to(what, done)
        cell.leave()
        return history, end

    undisturbed, disturbed = (Cell(story, rollout=rollout, traffic=behind(story), **o) for o in ({}, operators))
    with ThreadPoolExecutor(2) as pool:
        (first, as_always), (second, end) = pool.map(tell, (undisturbed, disturbed))
    for history in (first, second):
        _clients_are_served(history)
    assert not (differs := changed(as_always, end)), str(differs)
    return second, disturbed.lives


def _clients_are_served(history: History) -> None:
    """Nobody got more than its available pods can carry, all requests went somewhere, and callers in the cluster had
    all pods that are asked for."""
    for moment in history.moments():
        shares, available = moment.shares(), moment.available()
        assert sum(shares.values()) == 100, shares
        assert all(share * PODS <= 100 * available.get(revision, 0) for revision, share in shares.items()), (
            shares,
            available,
        )
        assert moment.reached() >= PODS
        assert sum(moment.counts().values()) <= 2 * PODS
        assert not _unresolved(moment.route), moment.route


def _unresolved(route: dict[str, Any]) -> bool:
    """The gateway has found that it names what is not there: those requests would be answered 500."""
    said = [c for parent in route.get("status", {}).get("parents", ()) for c in parent["conditions"]]
    return any(c["status"] == "False" for c in said)


def _shares(history: History) -> list[int]:
    """Percent of the newest revision, each once for as long as it was so."""
    stable = next(history.moments()).model["status"]["stable"]["revision"]
    return [share for share, _ in groupby(100 - moment.shares().get(stable, 0) for moment in history.moments())]


def _only_grew(shares: list[int]) -> list[int]:
    """Nothing, then each step's; between them what one pod can carry, unless the next came in the meantime."""
    assert [share for share in shares if share not in (FEW, 100)] == [0, 10, 50], shares
    assert shares == sorted(shares)
    return shares


def _steps(history: History) -> list[int]:
    """The canary's steps, each once for as long as it was made."""
    canaries = (moment.rollout().get("canary") for moment in history.moments())
    return [step for step, _ in groupby(canary["step"] for canary in canaries if canary)]
