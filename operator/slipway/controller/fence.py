"""The API server for one who may write only while the Lease is vouched for."""

from collections.abc import AsyncIterator, Callable, Sequence

from slipway.controller.kinds import Kind
from slipway.controller.kube import Kube, KubeError, Page
from slipway.core.names import Manifest


class FencedKube:
    """`Kube` that refuses to write while `may_write` answers no."""

    def __init__(self, kube: Kube, may_write: Callable[[], bool]) -> None:
        self._kube, self._may_write = kube, may_write

    @property
    def _writer(self) -> Kube:
        if not self._may_write():
            raise KubeError(0, "NotLeading", "the Lease could not be renewed, so that another may lead by now")
        return self._kube

    def list(self, kind: Kind, namespace: str | None) -> AsyncIterator[Page]:
        """See Kube."""
        return self._kube.list(kind, namespace)

    async def get(self, kind: Kind, namespace: str | None, name: str) -> Manifest:
        """See Kube."""
        return await self._kube.get(kind, namespace, name)

    async def events(self, namespace: str, uid: str) -> Sequence[Manifest]:
        """See Kube."""
        return await self._kube.events(namespace, uid)

    async def create(self, kind: Kind, manifest: Manifest) -> Manifest:
        """See Kube."""
        return await self._writer.create(kind, manifest)

    async def replace(self, kind: Kind, manifest: Manifest) -> Manifest:
        """See Kube."""
        return await self._writer.replace(kind, manifest)

    async def apply(
        self, kind: Kind, manifest: Manifest, *, uid: str | None = None, resource_version: str | None = None
    ) -> Manifest:
        """See Kube."""
        return await self._writer.apply(kind, manifest, uid=uid, resource_version=resource_version)

    async def merge(self, kind: Kind, patch: Manifest) -> Manifest:
        """See Kube."""
        return await self._writer.merge(kind, patch)

    async def replace_status(self, kind: Kind, manifest: Manifest) -> Manifest:
        """See Kube."""
        return await self._writer.replace_status(kind, manifest)

    async def scale(self, namespace: str, name: str, replicas: int, resource_version: str) -> Manifest:
        """See Kube."""
        return await self._writer.scale(namespace, name, replicas, resource_version)

    async def delete(self, kind: Kind, namespace: str, name: str, uid: str) -> Manifest:
        """See Kube."""
        return await self._writer.delete(kind, namespace, name, uid)

    async def create_event(self, event: Manifest) -> None:
        """See Kube."""
        await self._writer.create_event(event)
