"""A version that fails is refused with its reason; what serves keeps its pods, and the next edit is tried."""

from collections.abc import Iterator
from typing import Any, Final

import pytest

from testbed.plane import Plane
from tests.gitops.kstatus import KStatus
from tests.stories.rollouts.model import Model
from tests.stories.story import Story, model_deployment, verdict

pytestmark = pytest.mark.plane

ROLLING: Final = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}
WELL: Final = {"annotations": {"testbed/server-says": None, "testbed/by-hand": None}}
"""Takes away what made the pods fail."""
BAD: Final[dict[str, dict[str, Any]]] = {
    "LoadFailed": verdict("LoadFailed", "onnxruntime: 1/model.onnx: invalid protobuf; export the model again"),
    "WrongAnswer": verdict("WrongAnswer", "golden/one.json: y[0] is 8, expected 7 within 0.001"),
    "DeadlineExceeded": {"annotations": {"testbed/by-hand": "never starts"}},
}


@pytest.fixture(scope="module", autouse=True)
def one_gpu(story_plane: Plane, story: Story) -> Iterator[None]:
    """A node with a single GPU, for those that ask for it by its label."""
    story_plane.add_nodes(1, "refusal", labels={"pool": "refusal"}, allocatable={"nvidia.com/gpu": "1"})
    yield
    story.kubectl("delete", "node", "refusal-0")


@pytest.mark.parametrize("reason", BAD)
def test_a_bad_version_is_refused_for_its_reason_and_what_serves_loses_no_pod(story: Story, reason: str) -> None:
    """Scenario 3: bad, the same again, and then a good one."""
    name, rollout = f"bad-{reason.lower()}", {**ROLLING, "fetchTimeout": "30s"}
    model = Model(story, name).begin(replicas=3, rollout=rollout)
    old, uids = model.stable(), model.uids()
    with model.history() as history:
        model.apply("2", replicas=3, rollout=rollout, podMetadata=BAD[reason])
        model.refuses("2", reason)
        model.alone(old)
    assert (history.fewest_reached(), history.most_pods()) == (3, 4)
    assert (model.uids(), model.kstatus, model.status["ready"]) == (uids, KStatus.FAILED, "3/3")
    assert model.reason("Stalled") == model.reason() == reason
    with model.history() as history:
        model.apply("2", replicas=3, rollout=rollout, podMetadata=BAD[reason])
        model.edit(replicas=4)  # what is seen after this has seen the apply as well
        model.until("there are four", lambda: model.status["ready"] == "4/4")
    assert all(set(moment.counts()) == {old} for moment in history.moments())
    model.apply("3", replicas=3, rollout=rollout)
    model.serves("3").alone(model.stable())
    assert [r["number"] for r in model.status["revisions"]] == [3]


def test_a_bundle_that_is_invalid_never_gets_a_pod(story: Story) -> None:
    model = Model(story, "invalid").begin(replicas=2, rollout=ROLLING)
    uids = model.uids()
    model.moves("2", uri="s3://refused/BundleInvalid/invalid")
    model.until("it says so", lambda: model.reason() == "BundleInvalid")
    assert (model.kstatus, model.uids()) == (KStatus.FAILED, uids)
    model.moves("3")
    model.serves("3")


def test_a_first_version_that_fails_gives_the_only_gpu_to_its_fix(story: Story) -> None:
    """Scenarios 4 and 5: bad, still bad, good."""
    placed = {"accelerator": {}, "scheduling": {"nodeSelector": {"pool": "refusal"}}}
    model = Model(story, "first")
    with model.history() as history:
        model.apply("1", podMetadata=BAD["LoadFailed"], **placed)
        model.refuses("1", "LoadFailed")
        assert model.kstatus is KStatus.FAILED
        model.apply("2", podMetadata=BAD["WrongAnswer"], **placed)
        model.refuses("2", "WrongAnswer")
        model.apply("3", **placed)
        model.serves("3")
    assert history.most_pods() == 1, str(history)
    assert len(model.pods()) == 1


def test_a_version_that_fails_while_it_takes_over_gives_its_share_back(story: Story) -> None:
    model = Model(story, "midway").begin(replicas=3, rollout=ROLLING)
    old = model.stable()
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
    assert model.kstatus is KStatus.FAILED
    assert model.status["ready"] == "3/3"
    assert history.most_pods() <= 4, str(history)
    back = [m.counts().get(old, 0) for m in history.moments() if m.rollout().get("phase") == "RollingBack"]
    assert back == sorted(back)  # on the way back nothing is taken from what serves
    assert model.events()[-2:] == ["CrashLoop", "RolledBack"]


def test_with_automatic_rollback_off_a_bad_version_stays_for_a_look_and_goes_when_told(story: Story) -> None:
    model = Model(story, "manual").begin(replicas=2, rollout={**ROLLING, "automaticRollback": False})
    old, uids = model.stable(), model.uids()
    model.moves("2", podMetadata=BAD["WrongAnswer"])
    new = model.candidate()
    model.until("it is stalled", lambda: model.reason("Stalled") == "WrongAnswer" and model.kstatus is KStatus.FAILED)
    assert model.uids(old) == uids
    assert model.count(new) == 1
    model.asks(f"abort/{new}")
    model.refuses("2", "Aborted")
    model.alone(old)


def test_a_refused_version_that_is_put_right_in_place_is_another_ask(story: Story) -> None:
    model = Model(story, "fixed")
    story.apply(model_deployment("fixed", podMetadata=BAD["LoadFailed"]))
    model.refuses("1", "LoadFailed")
    model.edit(podMetadata=WELL)
    model.serves("1")
