"""Handlers put the events of watches into the store, and the ModelDeployments that they concern into the queue."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import kopf

from slipway.controller.kinds import MODEL_DEPLOYMENT, Key, Kind
from slipway.controller.queue import WorkQueue
from slipway.controller.store import Store
from slipway.controller.watch_health import WatchHealth
from slipway.core.names import Manifest


@dataclass(frozen=True, kw_only=True)
class EventSink:
    """Takes the events of watches."""

    store: Store
    queue: WorkQueue[Key]
    watch_health: WatchHealth

    def take(self, kind: Kind, event: kopf.RawEvent) -> None:
        """Take one raw event of a watch."""
        self._take(kind, dict(event["object"]), is_gone=event["type"] == "DELETED")

    def take_listed(self, kind: Kind, manifest: Manifest) -> None:
        """Take one object of the listing with which a watch begins."""
        self._take(kind, manifest, is_gone=False)

    def _take(self, kind: Kind, manifest: Manifest, *, is_gone: bool) -> None:
        uid, version = manifest["metadata"]["uid"], int(manifest["metadata"]["resourceVersion"])
        before = self.store.vital_state(kind, uid)
        if is_gone:
            self.watch_health.record_deletion(kind, uid)
            concerned = self.store.remove(kind, uid, version)
        else:
            self.watch_health.record_event(kind, uid, version)
            concerned = self.store.put(kind, manifest)
        urgent = before is not None and before != self.store.vital_state(kind, uid)
        for key in concerned:
            if urgent and kind is MODEL_DEPLOYMENT:
                self.queue.notice_request(key)
            else:
                self.queue.notice(key, urgent=urgent)

    def take_listing(self, kind: Kind, namespace: str | None, listed: Mapping[str, int], version: int) -> None:
        """Take the listing with which a watch begins anew: it reports no object that went in between."""
        if self.store.coverage.has_gap(kind, namespace):
            self.store.coverage.retry_soon(namespace)
        for key in self.store.evict(kind, namespace, listed, version):
            self.queue.notice(key)


def registry_for(kinds: Sequence[Kind], event_sink: EventSink) -> kopf.OperatorRegistry:
    """kopf's registry: one event handler a kind, and the login."""
    registry = kopf.OperatorRegistry()
    kopf.on.login(registry=registry, errors=kopf.ErrorsMode.TEMPORARY, backoff=1.0)(kopf.login_via_client)
    for kind in kinds:
        _watch(registry, kind, event_sink)
    return registry


def _watch(registry: kopf.OperatorRegistry, kind: Kind, event_sink: EventSink) -> None:
    @kopf.on.event(kind.group, kind.version, kind.plural, registry=registry)
    async def changed(event: kopf.RawEvent, **_: object) -> None:
        event_sink.take(kind, event)
