"""What anybody may do who can create a ConfigMap: it makes no watch deaf, and the operator no larger."""

from typing import Any, cast

import pytest

from slipway.controller.family import LARGEST_STRANGER_BYTES
from slipway.controller.kinds import BY_NAME, Key
from slipway.controller.kube import ApiKube
from slipway.controller.watch_health import DEAF_AFTER_SECONDS
from slipway.core.names import FIELD_MANAGER, MANAGED_BY
from slipway.core.names import MODEL_DEPLOYMENT as OWNER_LABEL
from testbed.plane import Plane
from tests.controller.watcher import Watcher, a_child

pytestmark = pytest.mark.plane
CONFIG = BY_NAME["ConfigMap"]
LARGE = {"x": "x" * LARGEST_STRANGER_BYTES}
MARKED = {MANAGED_BY: FIELD_MANAGER}


def a_strangers(namespace: str, name: str, data: dict[str, str], labels: dict[str, str]) -> dict[str, Any]:
    meta = {"name": name, "namespace": namespace, "labels": labels}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data}


@pytest.mark.parametrize(
    "labels",
    [MARKED, MARKED | {OWNER_LABEL: ""}, {OWNER_LABEL: "churn"}, MARKED | {OWNER_LABEL: "other"}],
    ids=["ours without a name", "an empty name", "a name", "another name"],
)
@pytest.mark.parametrize("data", [{}, LARGE], ids=["small", "large"])
async def test_no_watch_owes_word_of_what_strangers_label(
    kube: ApiKube, namespace: str, labels: dict[str, str], data: dict[str, str]
) -> None:
    watcher = Watcher(kube, namespace)
    await watcher.resync.fill_store()
    made = await kube.apply(CONFIG, a_strangers(namespace, "x", data, labels))
    watcher.event_sink.take(CONFIG, {"type": "ADDED", "object": cast("Any", made)})

    for _ in range(4):
        assert await watcher.listed_after(DEAF_AFTER_SECONDS) == []
        assert not watcher.watch_health.is_waiting()
        await kube.apply(CONFIG, a_strangers(namespace, "y", data, labels))  # the watch has not told of this one


async def test_a_label_that_comes_and_goes_makes_no_watch_deaf(kube: ApiKube, namespace: str, plane: Plane) -> None:
    watcher = Watcher(kube, namespace)
    await watcher.resync.fill_store()
    kubectl = plane.kubectl().within(namespace)
    ours = await kube.apply(CONFIG, a_child(namespace))
    watcher.event_sink.take(CONFIG, {"type": "ADDED", "object": cast("Any", ours)})
    await watcher.listed_after(1)
    for _ in range(3):
        kubectl("label", "configmap", "c", f"{OWNER_LABEL}-")
        bare = await kube.get(CONFIG, namespace, "c")
        watcher.event_sink.take(CONFIG, {"type": "DELETED", "object": cast("Any", bare)})
        assert await watcher.listed_after(DEAF_AFTER_SECONDS) == []
        kubectl("label", "configmap", "c", f"{OWNER_LABEL}=churn")
        assert await watcher.listed_after(1) == []
        back = await kube.get(CONFIG, namespace, "c")
        watcher.event_sink.take(CONFIG, {"type": "ADDED", "object": cast("Any", back)})
        assert await watcher.listed_after(DEAF_AFTER_SECONDS) == []

    assert watcher.store.observed(Key(namespace, "churn")).child("ConfigMap", "c")


@pytest.mark.parametrize("data", [{}, LARGE], ids=["small", "large"])
async def test_no_watch_owes_word_of_what_claims_an_owner_that_there_is_not(
    kube: ApiKube, namespace: str, data: dict[str, str]
) -> None:
    watcher = Watcher(kube, namespace)
    await watcher.resync.fill_store()
    forged = a_child(namespace, **data)
    made = await kube.apply(CONFIG, forged)
    watcher.event_sink.take(CONFIG, {"type": "ADDED", "object": cast("Any", made)})

    for _ in range(4):
        assert await watcher.listed_after(DEAF_AFTER_SECONDS) == []
        assert not watcher.watch_health.is_waiting()
