"""Requests by annotation (V12): each does what it says, once, and one that does not fit is named and does nothing."""

from datetime import UTC, datetime, timedelta
from typing import Final

import pytest

from testbed.operating import OperatorProcess
from tests.gitops.kstatus import KStatus
from tests.stories.rollouts.model import Model
from tests.stories.story import Story, verdict

pytestmark = pytest.mark.plane

ROLLING: Final = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
VERBS: Final = ("abort", "pause", "resume", "promote", "retry", "rollback", "restart")
STALE: Final = "0badf00d"


def test_pause_and_resume_outlive_the_operator(story: Story) -> None:
    # given: version 2 is half way there, and paused
    other = Story(story.plane, story.api).begin()
    model = Model(other, "outlives")
    with _life(other) as operator:
        model.begin(replicas=2, rollout=ROLLING)
        model.moves("2")
        new = model.shifts()
        model.asks(f"pause/{new}")
        held = model.count(new)
        before = model.status

        # when: the operator is killed, and the count changes
        operator.kill()
    with _life(other) as operator:
        model.edit(replicas=3)
        model.until("the next life has looked", lambda: model.status["replicas"] == 3)

        # then: the next life keeps the pause as it was
        assert (model.status["phase"], model.count(new)) == ("Paused", held)
        assert model.status["requests"] == before["requests"]
        assert model.status["rollout"]["clock"]["pausedAt"] == before["rollout"]["clock"]["pausedAt"]

        # when: somebody resumes it, and the operator is killed again
        model.asks(f"resume/{new}")
        operator.kill()
    with _life(other):
        # then: version 2 takes over, and both requests have their answer
        model.serves("2").alone(new)
        assert [known["outcome"] for known in model.status["requests"]] == ["paused", "resumed"]
    other.kubectl("delete", "modeldeployment", "outlives", "--wait=false")


def _life(story: Story) -> OperatorProcess:
    """An operator with a Lease of its own: that of one who was killed has half a minute to run."""
    return OperatorProcess(story.plane, namespaces=[story.namespace])


def test_abort_sends_home_and_retry_tries_again(story: Story) -> None:
    # given: version 1 serves, and version 2 shifts
    model = Model(story, "aborts").begin(replicas=2, rollout=ROLLING)
    old = model.stable()
    model.moves("2")
    new = model.shifts()

    # when: somebody aborts version 2
    model.asks(f"abort/{new}")
    model.refuses("2", "Aborted")
    model.alone(old)

    # then: version 1 serves alone, and that is a failure
    assert (model.kstatus, model.status["ready"]) == (KStatus.FAILED, "2/2")

    # when: the count changes
    model.edit(replicas=1)  # scenario 22
    model.until("there is one", lambda: (model.status["ready"], model.count(old)) == ("1/1", 1))

    # then: traffic stays where it is
    assert (story.selected(model.name), model.deployments()) == (old, {old})

    # when: somebody asks for another try
    model.asks(f"retry/{new}")

    # then: version 2 takes over
    model.serves("2").alone(new)
    assert (model.kstatus, model.status["stable"]["revision"]) == (KStatus.CURRENT, new)


def test_a_version_that_failed_is_tried_again_when_asked_and_fails_again(story: Story) -> None:
    # given: version 2 was refused
    model = Model(story, "retries").begin(rollout=ROLLING)
    bad = verdict("LoadFailed", "no")
    model.moves("2", podMetadata=bad)
    model.refuses("2", "LoadFailed")
    first = model.status["refused"]

    # when: somebody asks for another try, and nothing was mended
    model.asks(f"retry/{first['revision']}")

    # then: it is refused anew, under a new number
    model.until("it was refused anew", lambda: (model.status.get("refused") or first) != first)
    model.refuses("2", "LoadFailed")
    assert model.status["lastNumber"] == 3


def test_promote_goes_on_past_a_pause(story: Story) -> None:
    # given: version 2 is on its way, and paused
    model = Model(story, "goes-on").begin(rollout=ROLLING)
    model.moves("2")
    new = model.candidate()
    model.asks(f"pause/{new}")

    # when: somebody promotes it
    model.asks(f"promote/{new}")

    # then: it takes over
    model.serves("2")


def test_a_pause_that_is_longer_than_the_deadline_is_nobodys_fault(story: Story) -> None:
    """Scenario 7. The deadline is the time that the server may take to start, and half a minute."""
    # given: version 2 is on its way, and paused
    model = Model(story, "long").begin(server={"startupTimeout": "1s"}, rollout={**ROLLING, "progressDeadline": "1s"})
    model.moves("2")
    new = model.candidate()
    model.asks(f"pause/{new}")
    paused = datetime.fromisoformat(model.status["rollout"]["clock"]["pausedAt"])

    # when: the deadline passes, and something else changes
    model.until("the deadline has passed", lambda: datetime.now(UTC) > paused + timedelta(seconds=40))
    model.edit(replicas=2)
    model.until("it was looked at", lambda: model.status["replicas"] == 2)

    # then: it is still paused, and nobody calls that a failure
    assert (model.status["phase"], model.kstatus) == ("Paused", KStatus.IN_PROGRESS)

    # when: somebody resumes it
    model.asks(f"resume/{new}")

    # then: it takes over
    model.serves("2")


def test_rollback_goes_to_the_version_before_and_retry_undoes_it(story: Story) -> None:
    # given: version 2 has taken over from version 1
    model = Model(story, "rolls-back").begin(replicas=2, rollout=ROLLING)
    old = model.stable()
    model.moves("2")
    model.serves("2")
    new = model.stable()

    # when: somebody rolls version 2 back
    model.asks(f"rollback/{new}")
    model.until("the first serves again", lambda: model.stable() == old and model.rollout_phase == "")

    # then: version 1 serves under a new number, and that is a failure
    assert (model.reason(), model.kstatus) == ("RolledBack", KStatus.FAILED)
    assert model.story.selected(model.name) == old
    assert model.status["stable"]["number"] == 3

    # when: somebody asks for another try
    model.asks(f"retry/{new}")

    # then: version 2 takes over
    model.serves("2").alone(new)


def test_restart_makes_new_pods_of_the_same_ask(story: Story) -> None:
    # given: version 1 serves with two pods
    model = Model(story, "restarts").begin(replicas=2, rollout=ROLLING)
    old, uids, ask = model.stable(), model.uids(), model.status["stable"]["ask"]

    # when: somebody asks for a restart
    with model.history() as history:
        model.asks(f"restart/{old}@monday")
        model.until("another revision serves", lambda: model.stable() not in ("", old))
        new = model.stable()
        model.alone(new)

    # then: the same ask has new pods, and two served at every moment
    assert model.status["stable"]["ask"] == ask
    assert model.uids().isdisjoint(uids)
    assert history.fewest_reached() == 2, str(history)
    assert model.kstatus is KStatus.CURRENT

    # when: somebody asks once more, with another nonce
    model.asks(f"restart/{new}@tuesday")

    # then: it restarts once more
    model.until("and another", lambda: model.status["stable"]["number"] == 3)


def test_a_request_that_does_not_fit_is_named_and_does_nothing(story: Story) -> None:
    # given: version 1 serves, and nothing is under way
    model = Model(story, "stale").begin(replicas=2, rollout=ROLLING)
    uids, revision = model.uids(), model.stable()

    # when: requests speak of a revision that is not there, or are none at all
    for verb in VERBS:
        request = f"{verb}/{STALE}"
        model.asks(request)
        assert model.answer(request).startswith(f"stale, nothing done: {verb} does not fit {STALE}")
        assert f"stable {revision}" in model.answer(request)
    model.asks("jump/over")
    assert model.answer("jump/over").startswith("not a request: write VERB/REVISION[@nonce]")

    # then: each is named as such, and nothing has changed
    assert (model.uids(), model.status["phase"], model.kstatus) == (uids, "Ready", KStatus.CURRENT)
    assert model.status["lastNumber"] == 1


def test_a_request_about_one_version_never_hits_the_next(story: Story) -> None:
    # given: version 3 took the place of version 2 on the way
    model = Model(story, "next").begin(rollout=ROLLING)
    old = model.stable()
    model.moves("2")
    second = model.candidate()
    model.moves("3")
    model.until("the third is on its way", lambda: (model.status.get("candidate") or {}).get("version") == "3")

    # when: somebody aborts version 2
    model.asks(f"abort/{second}")

    # then: that comes too late, and version 3 takes over
    assert model.answer(f"abort/{second}").startswith("stale")
    model.serves("3")
    assert model.stable() not in (old, second)
