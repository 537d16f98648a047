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
    other = Story(story.plane, story.api).begin()
    model = Model(other, "outlives")
    with OperatorProcess(story.plane, namespaces=[other.namespace]) as operator:
        model.begin(replicas=2, rollout=ROLLING)
        model.moves("2")
        new = model.shifts()
        model.asks(f"pause/{new}")
        held = model.count(new)
        before = model.status
        operator.kill()
        operator.start()
        model.edit(replicas=3)
        model.until("the next life has looked", lambda: model.status["replicas"] == 3)
        assert (model.status["phase"], model.count(new)) == ("Paused", held)
        assert model.status["requests"] == before["requests"]
        assert model.status["rollout"]["clock"]["pausedAt"] == before["rollout"]["clock"]["pausedAt"]
        model.asks(f"resume/{new}")
        operator.kill()
        operator.start()
        model.serves("2").alone(new)
        assert [known["outcome"] for known in model.status["requests"]] == ["paused", "resumed"]
    other.kubectl("delete", "modeldeployment", "outlives", "--wait=false")


def test_abort_sends_home_and_retry_tries_again(story: Story) -> None:
    model = Model(story, "aborts").begin(replicas=2, rollout=ROLLING)
    old = model.stable()
    model.moves("2")
    new = model.shifts()
    model.asks(f"abort/{new}")
    model.refuses("2", "Aborted")
    model.alone(old)
    assert (model.kstatus, model.status["ready"]) == (KStatus.FAILED, "2/2")
    model.edit(replicas=1)  # scenario 22
    model.until("there is one", lambda: (model.status["ready"], model.count(old)) == ("1/1", 1))
    assert (story.selected(model.name), model.deployments()) == (old, {old})
    model.asks(f"retry/{new}")
    model.serves("2").alone(new)
    assert (model.kstatus, model.status["stable"]["revision"]) == (KStatus.CURRENT, new)


def test_a_version_that_failed_is_tried_again_when_asked_and_fails_again(story: Story) -> None:
    model = Model(story, "retries").begin(rollout=ROLLING)
    bad = verdict("LoadFailed", "no")
    model.moves("2", podMetadata=bad)
    model.refuses("2", "LoadFailed")
    first = model.status["refused"]
    model.asks(f"retry/{first['revision']}")
    model.until("it was refused anew", lambda: (model.status.get("refused") or first) != first)
    model.refuses("2", "LoadFailed")
    assert model.status["lastNumber"] == 3


def test_promote_goes_on_past_a_pause(story: Story) -> None:
    model = Model(story, "goes-on").begin(rollout=ROLLING)
    model.moves("2")
    new = model.candidate()
    model.asks(f"pause/{new}")
    model.asks(f"promote/{new}")
    model.serves("2")


def test_a_pause_that_is_longer_than_the_deadline_is_nobodys_fault(story: Story) -> None:
    """Scenario 7. The deadline is the time that the server may take to start, and half a minute."""
    model = Model(story, "long").begin(server={"startupTimeout": "1s"}, rollout={**ROLLING, "progressDeadline": "1s"})
    model.moves("2")
    new = model.candidate()
    model.asks(f"pause/{new}")
    paused = datetime.fromisoformat(model.status["rollout"]["clock"]["pausedAt"])
    model.until("the deadline has passed", lambda: datetime.now(UTC) > paused + timedelta(seconds=40))
    model.edit(replicas=2)
    model.until("it was looked at", lambda: model.status["replicas"] == 2)
    assert (model.status["phase"], model.kstatus) == ("Paused", KStatus.IN_PROGRESS)
    model.asks(f"resume/{new}")
    model.serves("2")


def test_rollback_goes_to_the_version_before_and_retry_undoes_it(story: Story) -> None:
    model = Model(story, "rolls-back").begin(replicas=2, rollout=ROLLING)
    old = model.stable()
    model.moves("2")
    model.serves("2")
    new = model.stable()
    model.asks(f"rollback/{new}")
    model.until("the first serves again", lambda: model.stable() == old and model.rollout_phase == "")
    assert (model.reason(), model.kstatus) == ("RolledBack", KStatus.FAILED)
    assert model.story.selected(model.name) == old
    assert model.status["stable"]["number"] == 3
    model.asks(f"retry/{new}")
    model.serves("2").alone(new)


def test_restart_makes_new_pods_of_the_same_ask(story: Story) -> None:
    model = Model(story, "restarts").begin(replicas=2, rollout=ROLLING)
    old, uids, ask = model.stable(), model.uids(), model.status["stable"]["ask"]
    with model.history() as history:
        model.asks(f"restart/{old}@monday")
        model.until("another revision serves", lambda: model.stable() not in ("", old))
        new = model.stable()
        model.alone(new)
    assert model.status["stable"]["ask"] == ask
    assert model.uids().isdisjoint(uids)
    assert history.fewest_reached() == 2, str(history)
    assert model.kstatus is KStatus.CURRENT
    model.asks(f"restart/{new}@tuesday")
    model.until("and another", lambda: model.status["stable"]["number"] == 3)


def test_a_request_that_does_not_fit_is_named_and_does_nothing(story: Story) -> None:
    model = Model(story, "stale").begin(replicas=2, rollout=ROLLING)
    uids, revision = model.uids(), model.stable()
    for verb in VERBS:
        request = f"{verb}/{STALE}"
        model.asks(request)
        assert model.answer(request).startswith(f"stale, nothing done: {verb} does not fit {STALE}")
        assert f"stable {revision}" in model.answer(request)
    model.asks("jump/over")
    assert model.answer("jump/over").startswith("not a request: write VERB/REVISION[@nonce]")
    assert (model.uids(), model.status["phase"], model.kstatus) == (uids, "Ready", KStatus.CURRENT)
    assert model.status["lastNumber"] == 1


def test_a_request_about_one_version_never_hits_the_next(story: Story) -> None:
    model = Model(story, "next").begin(rollout=ROLLING)
    old = model.stable()
    model.moves("2")
    second = model.candidate()
    model.moves("3")
    model.until("the third is on its way", lambda: (model.status.get("candidate") or {}).get("version") == "3")
    model.asks(f"abort/{second}")
    assert model.answer(f"abort/{second}").startswith("stale")
    model.serves("3")
    assert model.stable() not in (old, second)
