"""A store that is kept by listings alone, on a real API server."""

from slipway.controller.handlers import Intake
from slipway.controller.kinds import BY_NAME, MODEL_DEPLOYMENT, Key, Kind
from slipway.controller.kube import ApiKube
from slipway.controller.queue import WorkQueue
from slipway.controller.resync import Hearing, Resync
from slipway.controller.store import Store

CONFIG = BY_NAME["ConfigMap"]


class Watcher:
    """A store with its resync on a real API server, and no watch but what a test says."""

    def __init__(self, kube: ApiKube, *namespaces: str, kinds: tuple[Kind, ...] = (MODEL_DEPLOYMENT, CONFIG)) -> None:
        self.store, self.queue, self.hearing, self.now = Store(), WorkQueue[Key](coalesce_seconds=0), Hearing(), 0.0
        self.intake = Intake(store=self.store, queue=self.queue, hearing=self.hearing)
        self.resync = Resync(
            kube=kube,
            store=self.store,
            queue=self.queue,
            hearing=self.hearing,
            kinds=kinds,
            namespaces=namespaces,
            clock=lambda: self.now,
        )

    async def listed_after(self, seconds: float) -> list[str]:
        self.now += seconds
        await self.resync.once()
        return self.hearing.deaf()

    async def due(self) -> Key:
        taken = await self.queue.get()
        assert taken
        self.queue.done(taken.key)
        return taken.key
