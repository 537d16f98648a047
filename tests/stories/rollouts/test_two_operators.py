"""V15: two operators both believe that they lead. No step goes back, nothing is scaled twice, and it ends the same."""

import os
import signal
from itertools import groupby

import pytest

from testbed.operating import OperatorProcess
from tests.stories.rollouts.history import History
from tests.stories.rollouts.model import Model
from tests.stories.story import Story

pytestmark = pytest.mark.plane

ROLLING = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
PODS = 3


def _each_step_once(history: History, old: str, new: str) -> None:
    """The old one's pods only went, the new one's only came, and never were there too few or too many. The rollout took
    its steps in order, each once, under one number."""
    gone, come, numbers, steps = [], [], [], []
    for moment in history.moments():
        assert moment.reached() >= PODS, history
        assert sum(moment.counts().values()) <= PODS + 1, history
        gone.append(-moment.counts().get(old, 0))
        come.append(moment.counts().get(new, 0))
        numbers.append(moment.model["status"]["lastNumber"])
        steps.append(moment.model["status"].get("rollout", {}).get("phase", ""))
    assert gone == sorted(gone), history
    assert come == sorted(come), history
    assert [step for step, _ in groupby(steps)][-4:] == ["Resolving", "Starting", "Shifting", ""], history
    assert {*numbers} == {1, 2}
    assert numbers == sorted(numbers)


def _ends_as_always(model: Model, new: str) -> None:
    model.serves("2").alone(new)
    model.until("only the new one is listed", lambda: [r["revision"] for r in model.status["revisions"]] == [new])
    assert len(model.pods()) == PODS
    assert model.events().count("Promoted") == 2  # once for each version
    assert model.rollout_phase == ""


def test_two_that_lead_from_beginning_to_end(story: Story) -> None:
    # given: two operators that both believe that they lead
    other = Story(story.plane, story.api).begin()
    model = Model(other, "both")
    with (
        OperatorProcess(story.plane, namespaces=[other.namespace]),
        OperatorProcess(story.plane, namespaces=[other.namespace], user="operator-2"),
    ):
        old = model.begin(replicas=PODS, rollout=ROLLING).stable()

        # when: version 2 is asked for
        with model.history() as history:
            model.moves("2")
            new = model.shifts()
            _ends_as_always(model, new)

        # then: each step was made once, and it ended as always
        _each_step_once(history, old, new)
        other.kubectl("delete", "modeldeployments", "--all", "--wait=false")


def test_a_leader_that_was_paused_until_another_had_taken_over_does_no_harm(story: Story) -> None:
    # given: two operators with one Lease
    other = Story(story.plane, story.api).begin()
    model = Model(other, "paused")
    paused = OperatorProcess(story.plane, namespaces=[other.namespace], lease=other.namespace)
    second = OperatorProcess(story.plane, namespaces=[other.namespace], lease=other.namespace, user="operator-2")
    with paused, second:
        old = model.begin(replicas=PODS, rollout=ROLLING).stable()
        first = next(operator for operator in (paused, second) if operator.leads())
        (next_one,) = {paused, second} - {first}

        # when: the leader is paused in the middle of a rollout until the other has taken over
        with model.history() as history:
            model.moves("2")
            new = model.shifts()
            os.kill(first.pid, signal.SIGSTOP)
            model.until("the other leads", next_one.leads)
            model.until("it goes on", lambda: model.count(new) >= 2)
            os.kill(first.pid, signal.SIGCONT)
            model.until("the first has seen that it does not lead any more", lambda: first.ended() is not None)
            _ends_as_always(model, new)

        # then: the first gives up, each step was made once, and it ended as always
        _each_step_once(history, old, new)
        other.kubectl("delete", "modeldeployments", "--all", "--wait=false")
