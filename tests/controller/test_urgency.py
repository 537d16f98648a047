"""Whose pass may not wait behind a crowd that starts: what somebody asks for, and what happens to what serves."""

from typing import Any, cast

import pytest

from slipway.controller.handlers import EventSink
from slipway.controller.kinds import BY_NAME, DEPLOYMENT, HTTP_ROUTE, MODEL_DEPLOYMENT, POD, SERVICE, Key, Kind
from slipway.controller.queue import Taken, WorkQueue
from slipway.controller.store import Store
from slipway.controller.watch_health import WatchHealth
from slipway.core.names import REQUEST
from tests.controller.stored import CHURN, an_object, controlled

CONFIG = BY_NAME["ConfigMap"]
STARTS: dict[str, Any] = {"phase": "Starting"}
SERVES: dict[str, Any] = {"phase": "Ready", "stable": {"revision": "1"}}
READY = {"conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}]}
ENDED = {"name": "triton", "restartCount": 1, "state": {"running": {}}, "lastState": {}}


def a_model(version: int, status: Any, *, generation: int = 1, request: str = "") -> Any:
    manifest = an_object(MODEL_DEPLOYMENT, "churn", version, spec={}, status=status)
    manifest["metadata"] |= {"generation": generation, "annotations": {REQUEST: request} if request else {}}
    return manifest


def a_pod(version: int, **status: Any) -> Any:
    return controlled(an_object(POD, "p", version, status={"phase": "Running", **status}), kind="ReplicaSet")


def a_child(kind: Kind, version: int, **rest: Any) -> Any:
    return controlled(an_object(kind, "churn", version, **rest))


class Watched:
    """What a watch tells goes in, and the next pass comes out."""

    def __init__(self, *before: tuple[Kind, Any], status: Any) -> None:
        self.store, self.queue = Store(), WorkQueue[Key](coalesce_seconds=0)
        self.event_sink = EventSink(store=self.store, queue=self.queue, watch_health=WatchHealth())
        for kind, manifest in ((MODEL_DEPLOYMENT, a_model(1, status)), *before):
            self.store.put(kind, manifest)

    async def pass_after(self, kind: Kind, manifest: Any, event: str = "MODIFIED") -> Taken[Key]:
        self.event_sink.take(kind, cast("Any", {"type": event, "object": manifest}))
        taken = await self.queue.get()
        assert taken
        assert taken.key == CHURN
        return taken


CHANGES: dict[str, tuple[Kind, Any, Any, str]] = {
    "a pod is ready": (POD, a_pod(2), a_pod(3, **READY), "MODIFIED"),
    "a pod is not ready any more": (POD, a_pod(2, **READY), a_pod(3), "MODIFIED"),
    "its server has ended": (POD, a_pod(2), a_pod(3, containerStatuses=[ENDED]), "MODIFIED"),
    "a pod is gone": (POD, a_pod(2), a_pod(3), "DELETED"),
    "a Deployment has fewer available": (
        DEPLOYMENT,
        a_child(DEPLOYMENT, 2, status={"availableReplicas": 2}),
        a_child(DEPLOYMENT, 3, status={"availableReplicas": 1}),
        "MODIFIED",
    ),
    "a Deployment is gone": (DEPLOYMENT, a_child(DEPLOYMENT, 2), a_child(DEPLOYMENT, 3), "DELETED"),
    "a Service was edited": (SERVICE, a_child(SERVICE, 2), a_child(SERVICE, 3, spec={}), "MODIFIED"),
    "a route was answered": (HTTP_ROUTE, a_child(HTTP_ROUTE, 2), a_child(HTTP_ROUTE, 3, status={}), "MODIFIED"),
}


@pytest.mark.parametrize("status", [SERVES, STARTS], ids=["serves", "starts"])
@pytest.mark.parametrize("change", CHANGES)
async def test_what_happens_to_pods_and_traffic_is_urgent_for_what_serves_and_not_for_a_first_start(
    change: str, status: Any
) -> None:
    kind, before, after, event = CHANGES[change]
    watched = Watched((kind, before), status=status)

    assert (await watched.pass_after(kind, after, event)).urgent == (status is SERVES)


@pytest.mark.parametrize(
    ("kind", "before", "after"),
    [
        (POD, a_pod(2, **READY), a_pod(3, **READY, podIP="10.0.0.1")),
        (DEPLOYMENT, a_child(DEPLOYMENT, 2, status={}), a_child(DEPLOYMENT, 3, status={"observedGeneration": 2})),
        (CONFIG, a_child(CONFIG, 2), a_child(CONFIG, 3, data={"a": "1"})),
    ],
)
async def test_what_changes_nothing_about_that_is_not_urgent(kind: Kind, before: Any, after: Any) -> None:
    assert not (await Watched((kind, before), status=SERVES).pass_after(kind, after)).urgent


@pytest.mark.parametrize("status", [SERVES, STARTS, None], ids=["serves", "starts", "new"])
@pytest.mark.parametrize("change", [{"generation": 2}, {"request": "abort/1"}], ids=["spec", "annotation"])
async def test_what_somebody_asks_for_is_urgent_and_ends_the_back_off(change: dict[str, Any], status: Any) -> None:
    watched = Watched(status=status)
    watched.queue.add(CHURN)
    await watched.queue.get()
    watched.queue.retry(CHURN)
    watched.queue.done(CHURN)

    assert (await watched.pass_after(MODEL_DEPLOYMENT, a_model(2, status, **change))).urgent
    assert watched.queue.backoff.attempt(CHURN) == 1


async def test_a_status_that_we_wrote_ourselves_is_not_urgent() -> None:
    assert not (await Watched(status=STARTS).pass_after(MODEL_DEPLOYMENT, a_model(2, SERVES))).urgent


async def test_a_model_deployment_that_is_new_stands_in_line_with_the_crowd() -> None:
    watched = Watched(status=SERVES)
    watched.store.remove(MODEL_DEPLOYMENT, "uid-churn", 1)

    assert not (await watched.pass_after(MODEL_DEPLOYMENT, a_model(2, None), "ADDED")).urgent


@pytest.mark.parametrize(
    ("status", "moves"), [(STARTS, False), (SERVES, False), (SERVES | {"candidate": {"revision": "2"}}, True)]
)
def test_a_version_on_its_way_beside_one_that_serves_moves(status: Any, moves: bool) -> None:
    owner = Watched(status=status).store.owner(CHURN)

    assert owner
    assert owner.moves == moves
