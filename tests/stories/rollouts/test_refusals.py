"""A version that fails is refused with its reason; what serves keeps its pods, and the next edit is tried."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import pytest

from tests.gitops.kstatus import KStatus
from tests.stories.rollouts.model import Model
from tests.stories.rollouts.pool import add_pool, placed_in, remove_pools
from tests.stories.story import Story, model_deployment, verdict

pytestmark = pytest.mark.plane

ROLLING: Final = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}
POOL: Final = "refusal"
WELL: Final = {"annotations": {"testbed/server-says": None, "testbed/by-hand": None}}
"""Takes away what made the pods fail."""
BAD: Final[dict[str, dict[str, Any]]] = {
    "LoadFailed": verdict("LoadFailed", "onnxruntime: 1/model.onnx: invalid protobuf; export the model again"),
    "WrongAnswer": verdict("WrongAnswer", "golden/one.json: y[0] is 8, expected 7 within 0.001"),
    "DeadlineExceeded": {"annotations": {"testbed/by-hand": "never starts"}},
}


@contextmanager
def world(story: Story) -> Iterator[None]:
    """A node with a single GPU, for those that ask for it by its label."""
    add_pool(story, POOL, 1)
    yield
    remove_pools(story, POOL)


@pytest.mark.parametrize("reason", BAD)
def test_a_bad_version_is_refused_for_its_reason_and_what_serves_loses_no_pod(story: Story, reason: str) -> None:
    """Scenario 3: bad, the same again, and then a good one."""
    # given: version 1 serves with three pods
    name, rollout = f"bad-{reason.lower()}", {**ROLLING, "fetchTimeout": "30s"}
    model = Model(story, name).begin(replicas=3, rollout=rollout)
    old, uids = model.stable(), model.uids()

    # when: version 2 is asked for, whose server never gets ready
    with model.history() as history:
        model.apply("2", replicas=3, rollout=rollout, podMetadata=BAD[reason])
        model.refuses("2", reason)
        model.alone(old)

    # then: it is refused for its reason, and version 1 lost no pod
    assert (history.fewest_reached(), history.most_pods()) == (3, 4)
    assert (model.uids(), model.kstatus, model.status["ready"]) == (uids, KStatus.FAILED, "3/3")
    assert model.reason("Stalled") == model.reason() == reason

    # when: the same is applied again, with another count
    with model.history() as history:
        model.apply("2", replicas=3, rollout=rollout, podMetadata=BAD[reason])
        model.edit(replicas=4)  # what is seen after this has seen the apply as well
        model.until("there are four", lambda: model.status["ready"] == "4/4")

    # then: no pod of version 2 is tried, and version 1 has the new count
    assert all(set(moment.counts()) == {old} for moment in history.moments())

    # when: a good version is asked for
    model.apply("3", replicas=3, rollout=rollout)

    # then: it takes over
    model.serves("3").alone(model.stable())
    assert [r["number"] for r in model.status["revisions"]] == [3]


def test_a_bundle_that_is_invalid_never_gets_a_pod(story: Story) -> None:
    # given: version 1 serves with two pods
    model = Model(story, "invalid").begin(replicas=2, rollout=ROLLING)
    uids = model.uids()

    # when: version 2 is asked for, whose bundle is invalid
    model.moves("2", uri="s3://refused/BundleInvalid/invalid")
    model.until("it says so", lambda: model.reason() == "BundleInvalid")

    # then: it has failed, and version 1's pods are the same
    assert (model.kstatus, model.uids()) == (KStatus.FAILED, uids)

    # when: version 3 is asked for
    model.moves("3")

    # then: it serves
    model.serves("3")


def test_a_first_version_that_fails_gives_the_only_gpu_to_its_fix(story: Story) -> None:
    """Scenarios 4 and 5: bad, still bad, good."""
    # given: a node with a single GPU
    placed = placed_in(POOL)
    model = Model(story, "first")

    # when: a bad version, another bad one and a good one are asked for in turn
    with model.history() as history:
        model.apply("1", podMetadata=BAD["LoadFailed"], **placed)
        model.refuses("1", "LoadFailed")
        assert model.kstatus is KStatus.FAILED
        model.apply("2", podMetadata=BAD["WrongAnswer"], **placed)
        model.refuses("2", "WrongAnswer")
        model.apply("3", **placed)
        model.serves("3")

    # then: each had the GPU once the one before had given it up, and the good one serves
    assert history.most_pods() == 1, str(history)
    assert len(model.pods()) == 1


def test_a_version_that_fails_while_it_takes_over_gives_its_share_back(story: Story) -> None:
    # given: version 1 serves with three pods
    model = Model(story, "midway").begin(replicas=3, rollout=ROLLING)
    old = model.stable()

    # when: version 2 has two pods, and they crash
    with model.history() as history:
        model.moves("2")
        new = model.shifts()
        model.until("it has two pods", lambda: model.count(new) == 2)

        def called_off() -> bool:
            model.crash(new)
            return model.rollout_phase == "RollingBack" or "refused" in model.status

        model.until("it is called off", called_off)
        model.refuses("2", "CrashLoop")
        model.alone(old)

    # then: version 2 is refused, and version 1 is back at three pods without having lost one on the way
    assert model.kstatus is KStatus.FAILED
    assert model.status["ready"] == "3/3"
    assert history.most_pods() <= 4, str(history)
    back = [m.counts().get(old, 0) for m in history.moments() if m.rollout().get("phase") == "RollingBack"]
    assert back == sorted(back)  # on the way back nothing is taken from what serves
    assert model.events()[-2:] == ["CrashLoop", "RolledBack"]


def test_with_automatic_rollback_off_a_bad_version_stays_for_a_look_and_goes_when_told(story: Story) -> None:
    # given: version 1 serves with two pods, and nothing is rolled back by itself
    model = Model(story, "manual").begin(replicas=2, rollout={**ROLLING, "automaticRollback": False})
    old, uids = model.stable(), model.uids()

    # when: version 2 is asked for, which answers wrongly
    model.moves("2", podMetadata=BAD["WrongAnswer"])
    new = model.candidate()
    model.until("it is stalled", lambda: model.reason("Stalled") == "WrongAnswer" and model.kstatus is KStatus.FAILED)

    # then: version 1's pods are the same, and one pod of version 2 stays for a look
    assert model.uids(old) == uids
    assert model.count(new) == 1

    # when: somebody aborts it
    model.asks(f"abort/{new}")

    # then: it goes
    model.refuses("2", "Aborted")
    model.alone(old)


def test_a_refused_version_that_is_put_right_in_place_is_another_ask(story: Story) -> None:
    # given: a first version that is refused
    model = Model(story, "fixed")
    story.apply(model_deployment("fixed", podMetadata=BAD["LoadFailed"]))
    model.refuses("1", "LoadFailed")

    # when: the field that made it fail is put right
    model.edit(podMetadata=WELL)

    # then: the same version serves
    model.serves("1")
