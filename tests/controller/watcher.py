"""A store that is kept by listings alone, on a real API server."""

import asyncio
from typing import Any

import pytest

from slipway.controller import coverage
from slipway.controller.handlers import EventSink
from slipway.controller.kinds import BY_NAME, MODEL_DEPLOYMENT, Key, Kind
from slipway.controller.kube import ApiKube
from slipway.controller.queue import WorkQueue
from slipway.controller.resync import Resync
from slipway.controller.store import Store
from slipway.controller.watch_health import WatchHealth
from slipway.core.names import FIELD_MANAGER, MANAGED_BY
from slipway.core.names import MODEL_DEPLOYMENT as OWNER_LABEL

CONFIG = BY_NAME["ConfigMap"]


class Watcher:
    """A store with its resync on a real API server, and no watch but what a test says."""

    def __init__(self, kube: ApiKube, *namespaces: str, kinds: tuple[Kind, ...] = (MODEL_DEPLOYMENT, CONFIG)) -> None:
        self.store, self.queue, self.watch_health, self.now = (
            Store(),
            WorkQueue[Key](coalesce_seconds=0),
            WatchHealth(),
            0.0,
        )
        self.started = 0.0
        self.event_sink = EventSink(store=self.store, queue=self.queue, watch_health=self.watch_health)
        self.resync = Resync(
            kube=kube,
            store=self.store,
            queue=self.queue,
            watch_health=self.watch_health,
            kinds=kinds,
            namespaces=namespaces,
            clock=self.clock,
        )

    async def listed_after(self, seconds: float) -> list[str]:
        self.now += seconds
        await self.resync.list_all()
        return self.watch_health.deaf_kinds()

    def in_real_time(self, monkeypatch: pytest.MonkeyPatch) -> "Watcher":
        """What cannot be listed is tried again soon."""
        self.started = asyncio.get_running_loop().time()
        monkeypatch.setattr(coverage, "NEW_KINDS_SECONDS", 0.05)
        monkeypatch.setattr(coverage, "FIRST_RETRY_SECONDS", 0.05)
        return self

    def clock(self) -> float:
        return asyncio.get_running_loop().time() - self.started if self.started else self.now

    async def due(self) -> Key:
        taken = await self.queue.get()
        assert taken
        self.queue.done(taken.key)
        return taken.key


def a_child(namespace: str, name: str = "c", **data: str) -> dict[str, Any]:
    labels = {MANAGED_BY: FIELD_MANAGER, OWNER_LABEL: "churn"}
    owner = {"apiVersion": MODEL_DEPLOYMENT.api_version, "kind": MODEL_DEPLOYMENT.name, "name": "churn"}
    owners = [owner | {"uid": "00000000-0000-0000-0000-000000000001", "controller": True}]
    meta = {"name": name, "namespace": namespace, "labels": labels, "ownerReferences": owners}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data}
