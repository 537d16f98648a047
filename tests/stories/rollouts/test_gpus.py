"""Auto goes by what the hardware allows, and says which way before it goes it (V7, V8). Nodes and GPUs are kwok's."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import pytest

from testbed.api import Manifest
from tests.stories.rollouts.history import History
from tests.stories.rollouts.model import Model
from tests.stories.rollouts.pool import GPU, add_pool, node_of, placed_in, remove_pools
from tests.stories.story import OWNER, Story

pytestmark = pytest.mark.plane

POOLS: Final = {"four": 4, "five": 5, "shared": 4, "bound": 2, "one": 1, "unfetched": 1, "lost": 1}
GRACE: Final = {"unschedulableGrace": "5s"}
DIGEST: Final = f"sha256:{'1' * 64}"
RESOLVED: Final = {
    "digest": DIGEST,
    "unverified": False,
    "size": 4096,
    "files": 4,
    "golden": 1,
    "model": {
        "backend": "onnxruntime",
        "maxBatchSize": 8,
        "instances": 1,
        "inputs": [["x", "FP32", [1]]],
        "outputs": [["y", "FP32", [1]]],
    },
}


@contextmanager
def world(story: Story) -> Iterator[None]:
    """A node for each story, with so many GPUs."""
    for name, count in POOLS.items():
        add_pool(story, name, count)
    yield
    remove_pools(story, *POOLS)


def _asking(pool: str, replicas: int, **rollout: Any) -> dict[str, Any]:
    return {"replicas": replicas, **placed_in(pool), "rollout": {**GRACE, **rollout}}


def _says_before_it_takes(history: History, old: str, replicas: int) -> str:
    """What status said when the first old pod was told to go, which it must have said before."""
    because = ""
    for moment in history.moments():
        if moment.counts().get(old, 0) < replicas:
            assert because
            return because
        because = str(moment.strategy().get("message") or "")
    raise AssertionError("no old pod was ever told to go")


def test_with_a_free_gpu_it_surges(story: Story) -> None:
    # given: four pods on five GPUs
    # A GPU is free when the old pod on it is gone, and that takes a while on a busy machine.
    model = Model(story, "five").begin(**_asking("five", 4, unschedulableGrace="2m"))

    # when: version 2 is asked for
    with model.history() as history:
        model.moves("2")
        model.serves("2")

    # then: the fifth GPU takes the surge pod: four serve at every moment, and there is nothing to explain
    assert history.fewest_reached() == 4, str(history)
    assert not any(moment.strategy().get("message") for moment in history.moments())


def test_with_all_gpus_taken_one_pod_at_a_time_makes_room_and_status_says_so_first(story: Story) -> None:
    # given: four pods on four GPUs
    model = Model(story, "four").begin(**_asking("four", 4))
    old = model.stable()

    # when: version 2 is asked for
    with model.history() as history:
        model.moves("2")
        model.serves("2")

    # then: status says that one pod makes room, and then one does; never fewer than three serve
    because = _says_before_it_takes(history, old, 4)
    assert because.startswith("no place for a surge pod for 0:00:05, so one pod of 1 at a time makes room")
    assert history.fewest_reached() == 3, str(history)
    assert "MakingRoom" in model.events()
    model.alone(model.stable())
    assert len(model.pods()) == 4


def test_when_a_neighbour_takes_the_freed_gpu_it_stops_at_one_and_says_so(story: Story) -> None:
    # given: four pods on four GPUs, and a neighbour that takes whatever becomes free
    model = Model(story, "shared").begin(**_asking("shared", 4))
    old = model.stable()
    story.api.create("pods", story.namespace, _neighbour("shared"))

    # when: version 2 is asked for
    with model.history() as history:
        model.moves("2")
        new = model.candidate()
        model.until("one old pod is left out", lambda: model.status["ready"] == "3/4")
        model.until("it says so", lambda: model.reason() == "InsufficientCapacity")

        # then: one old pod has made room and no other follows, and status says why
        assert (model.count(old), model.status["phase"]) == (3, "Waiting")
        assert "makes room" in model.status["rollout"]["strategy"]["message"]

        # when: the neighbour goes
        story.api.delete("pods", story.namespace, "neighbour")
        model.serves("2")

    # then: version 2 serves, and never fewer than three did
    assert history.fewest_reached() == 3, str(history)
    assert model.stable() == new


def test_an_explicit_bound_of_none_missing_goes_on_waiting(story: Story) -> None:
    # given: two pods on two GPUs, none of which may be missing, and version 2 waits for a place
    model = Model(story, "bound").begin(**_asking("bound", 2, rollingUpdate={"maxUnavailable": 0}))
    old, uids = model.stable(), model.uids()
    model.moves("2")
    new = model.candidate()
    model.until("its surge pod waits", lambda: model.reason() == "InsufficientCapacity")
    since = model.status["rollout"]["strategy"]["unschedulableSince"]
    assert since

    # when: somebody takes that bound away
    with model.history() as history:
        model.edit(rollout={"rollingUpdate": None})  # the wait was long enough: at once
        model.until("one makes room", lambda: model.count(old) < 2)

    # then: one pod makes room at once, since the wait is not counted anew, and version 2 serves
    # In the moment that it gave way: later the place is taken, and the next pod may wait for another.
    yielded = (moment.strategy() for moment in history.moments() if moment.strategy().get("makingRoom"))
    assert next(yielded)["unschedulableSince"] == since
    model.until("it has gone, and no other came for it", lambda: model.uids(old) < uids)
    model.serves("2").alone(new)


def test_a_single_pod_on_a_single_gpu_stops_before_the_next_starts_and_the_gap_is_announced(story: Story) -> None:
    """V8."""
    # given: one pod on the only GPU
    model = Model(story, "one").begin(**_asking("one", 1))
    old = model.stable()

    # when: version 2 is asked for
    with model.history() as history:
        model.moves("2")
        model.serves("2")

    # then: status announces the gap, and then version 1 stops before version 2 starts
    because = _says_before_it_takes(history, old, 1)
    assert "so 1 stops before the next starts" in because
    assert {moment.strategy().get("type") for moment in history.moments()} >= {"RollingUpdate", "Recreate"}
    model.alone(model.stable())


def test_a_bundle_that_cannot_be_had_never_takes_the_old_one_down(story: Story) -> None:
    """V8."""
    # given: one pod on the only GPU
    model = Model(story, "unfetched").begin(**_asking("unfetched", 1, type="Recreate"))
    uids = model.uids()

    # when: version 2 is asked for, and its bundle is not there
    model.moves("2", uri="s3://refused/SourceNotFound/unfetched")
    model.until(
        "two tries have failed",
        lambda: (model.status.get("rollout") or {}).get("resolve", {}).get("attempts", 0) >= 2,
    )

    # then: after two tries version 1's pod is still the same, and it serves
    assert (model.reason(), model.uids()) == ("SourceNotFound", uids)
    assert model.status["ready"] == "1/1"

    # when: version 3 is asked for
    model.moves("3")

    # then: it serves
    model.serves("3")


def test_while_the_old_bundle_is_gone_from_its_store_the_old_pods_stay(story: Story) -> None:
    """V8: there would be no way back."""
    # given: one pod of version 1 on the only GPU, from a store that answers by hand
    model = Model(story, "lost")
    model.apply("1", **_asking("lost", 1, type="Recreate"))
    model.edit(model={"source": {"uri": "s3://by-hand/lost/1"}})
    _store_answers(model, {"resolved": RESOLVED})
    model.serves("1")
    uids = model.uids()
    for _, job in story.children("lost", ("jobs",)):
        story.kubectl("delete", "job", job)  # as its time to live does, later

    # when: version 2 is asked for, and version 1's bundle is gone from the store
    model.moves("2")
    gone = {"reason": "SourceNotFound", "message": "s3://by-hand/lost/1: nothing is there; put it back"}
    _store_answers(model, gone)

    # then: version 1's pod stays, and status names the bundle
    model.until("it says so", lambda: model.reason() == "SourceNotFound")
    assert "s3://by-hand/lost/1: nothing is there" in story.condition("lost")["message"]
    assert (model.uids(), model.status["ready"]) == (uids, "1/1")

    # when: the bundle is put back
    _store_answers(model, {"resolved": RESOLVED})

    # then: version 2 takes over
    model.serves("2").alone(model.stable())


def _store_answers(model: Model, said: Manifest) -> None:
    """The next resolve Job of a bundle `s3://by-hand/…` ends with that."""
    selector = f"{OWNER}={model.name},app.kubernetes.io/component=resolver"

    found: list[Manifest] = []

    def waits() -> bool:
        pods = model.story.api.list("pods", model.story.namespace, selector)
        found[:] = [pod for pod in pods if pod["status"]["phase"] == "Pending" and "s3://by-hand/" in json.dumps(pod)]
        return bool(found and found[0]["spec"].get("nodeName"))

    model.until("its resolve Job has a pod", waits)
    (pod,) = found
    ended = {"exitCode": 0 if "resolved" in said else 1, "message": json.dumps(said)}
    (container,) = pod["spec"]["containers"]
    ran = {"name": container["name"], "image": container["image"], "imageID": "", "ready": False, "restartCount": 0}
    status = {
        "phase": "Failed" if ended["exitCode"] else "Succeeded",
        "containerStatuses": [{**ran, "state": {"terminated": ended}}],
    }
    model.story.api.patch("pods", model.story.namespace, pod["metadata"]["name"], {"status": status}, "status")


def _neighbour(pool: str) -> Manifest:
    """A pod that is placed by hand: whatever GPU becomes free there is its own."""
    own = {"name": "own", "image": "own", "resources": {"limits": {GPU: "1"}}}
    return {"metadata": {"name": "neighbour"}, "spec": {"nodeName": node_of(pool), "containers": [own]}}
