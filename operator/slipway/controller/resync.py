"""Listing everything now and then: watches lose things, and some go deaf.

kopf never tells of what was deleted while its watch had expired (reference: nolar/kopf#698), and a watch can hang
without an error (nolar/kopf#1276). So every listing repairs the store, and what it shows that the watch of that kind
then keeps quiet about for a minute is proof that the watch is deaf: liveness goes red and Kubernetes restarts us.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from slipway.controller.kinds import MODEL_DEPLOYMENT, Key, Kind
from slipway.controller.kube import ForbiddenError, Kube, KubeError, NotFoundError
from slipway.controller.queue import WorkQueue
from slipway.controller.store import Store, versions

log = logging.getLogger(__name__)

DEAF_AFTER_SECONDS: Final = 60
RETRY_SECONDS: Final = 5
NEW_KINDS_SECONDS: Final = 15
"""How soon a gateway that is installed later is noticed."""
ELSEWHERE_SECONDS: Final = 10
"""How soon is seen what becomes of a Gateway in a namespace that is not served."""
SECOND_LOOK_SECONDS: Final = 30
"""After the start: what was deleted between our first listing and the watch's own is a ghost until then."""
SPREAD_SECONDS: Final = 60
"""A resync looks at every ModelDeployment again, but not at all of them at once."""


class KindsChangedError(Exception):
    """A kind can be had that could not, or the other way round: the process has to start again."""


class Hearing:
    """What listings showed and watches have not told yet, by kind."""

    def __init__(self) -> None:
        self._missed: dict[str, dict[str, tuple[int, float]]] = {}
        self._lag: dict[str, float] = {}

    def heard(self, kind: Kind, uid: str, version: int) -> None:
        """A watch told of an object."""
        missed = self._missed.get(kind.name)
        if missed and uid in missed and version >= missed[uid][0]:
            del missed[uid]

    def gone(self, kind: Kind, uid: str) -> None:
        """A watch told that an object is gone, whatever version was missed."""
        self._missed.get(kind.name, {}).pop(uid, None)

    def listed(self, kind: Kind, listed: Mapping[str, int], news: Mapping[str, int], now: float) -> None:
        """A listing of all objects of a kind; `news` of it was not in the store. What is gone is owed no more."""
        before = self._missed.get(kind.name, {})
        missed = {uid: entry for uid, entry in before.items() if uid in listed}
        for uid, version in news.items():
            missed.setdefault(uid, (version, now))
        self._missed[kind.name] = missed
        self._lag[kind.name] = max((now - since for _, since in missed.values()), default=0.0)

    def waiting(self) -> bool:
        """Whether a watch owes anything that a second listing could confirm."""
        return any(self._missed.values())

    def lag_seconds(self) -> Mapping[str, float]:
        """By kind, how long its watch had kept quiet at the last listing."""
        return self._lag

    def deaf(self) -> list[str]:
        """Kinds whose watch does not tell."""
        return [kind for kind, lag in self._lag.items() if lag > DEAF_AFTER_SECONDS]


class Resync:
    """Brings the store in step with listings."""

    def __init__(
        self,
        *,
        kube: Kube,
        store: Store,
        queue: WorkQueue[Key],
        hearing: Hearing,
        kinds: Sequence[Kind],
        namespaces: Sequence[str],
        clock: Callable[[], float],
    ) -> None:
        self._kube, self._store, self._queue, self._hearing, self._clock = kube, store, queue, hearing, clock
        self.kinds = self._asked = tuple(kinds)
        self._namespaces: tuple[str | None, ...] = tuple(namespaces) or (None,)

    async def first(self) -> None:
        """Fill the store, waiting for as long as it takes. What RBAC refuses is dropped, if it can be done without."""
        async with asyncio.TaskGroup() as group:  # while we read one kind's page the API server writes another's
            for kind in self.kinds:
                group.create_task(self._insistently(kind), name=f"first listing of {kind.plural}")
        self._store.synced = True
        for key, _ in self._store.owners():
            self._queue.add(key)

    def _without(self, kind: Kind) -> None:
        self.kinds = tuple(other for other in self.kinds if other is not kind)

    async def run(self, interval_seconds: float) -> None:
        """List again and again, sooner where a watch owes something."""
        delay: float = min(SECOND_LOOK_SECONDS, interval_seconds)
        while True:
            await asyncio.sleep(delay)
            try:
                await self.once()
            except KubeError as error:
                log.warning("The periodic listing failed and will be repeated: %s", error)
                delay = RETRY_SECONDS
            else:
                delay = min(interval_seconds, DEAF_AFTER_SECONDS + 1) if self._hearing.waiting() else interval_seconds

    async def once(self) -> None:
        """List every kind, and have every ModelDeployment looked at. An optional kind that came or went ends it all:
        watches are made at the start, and a start costs no pod anything."""
        for kind in self.kinds:
            try:
                concerned = await self._list(kind)
            except NotFoundError as error:
                if kind.optional:
                    raise KindsChangedError(f"The cluster knows no {kind.plural} any more") from error
                raise
            for key in concerned:
                self._queue.notice(key)
        self._store.forget_the_dead()
        for key, _ in self._store.owners():
            self._queue.add(key, random.uniform(0, SPREAD_SECONDS))  # noqa: S311

    async def look_for_new_kinds(self) -> None:
        """Until what the cluster did not know at the start, or RBAC refused, can be had; nothing to do where nothing is
        missing."""
        while missing := self._store.unknown_kinds | self._store.refused_kinds:
            await asyncio.sleep(NEW_KINDS_SECONDS)
            for kind in self._asked:
                if kind.name in missing and await self._has_changed(kind):
                    raise KindsChangedError(f"{kind.plural} can be had now, or for another reason not")

    async def look_elsewhere(self) -> None:
        """Where only some namespaces are served, watches tell of nothing in others. What matters there is listed often:
        it is little."""
        while elsewhere := [kind for kind in self.kinds if kind.everywhere and None not in self._namespaces]:
            await asyncio.sleep(ELSEWHERE_SECONDS)
            for kind in elsewhere:
                try:
                    concerned = await self._list(kind)
                except KubeError as error:
                    log.warning("%s of other namespaces cannot be listed now: %s", kind.plural, error)
                    continue
                for key in concerned:
                    self._queue.notice(key)

    async def _has_changed(self, kind: Kind) -> bool:
        try:
            await self._list(kind)
        except NotFoundError:
            return kind.name not in self._store.unknown_kinds
        except KubeError:
            return False
        return True

    async def _list(self, kind: Kind) -> frozenset[Key]:
        concerned: set[Key] = set()
        everything: dict[str, int] = {}
        news: dict[str, int] = {}
        for namespace in self._namespaces if kind.namespaced and not kind.everywhere else (None,):
            listed: dict[str, int] = {}
            version = 0
            async for page in self._kube.list(kind, namespace):
                version = int(page.resource_version)
                fresh = versions(page.items)
                told = versions(m for m in page.items if self._is_watched(m["metadata"].get("namespace")))
                news |= {uid: v for uid, v in told.items() if self._store.version(kind, uid) < v}
                for manifest in page.items:
                    concerned |= self._store.put(kind, manifest)
                listed |= fresh
                del page  # other kinds are listed meanwhile: their pages need the memory
            concerned |= self._store.evict(kind, namespace, listed, version)
            everything |= listed
        self._hearing.listed(kind, everything, news, self._clock())
        return frozenset(concerned)

    def _is_watched(self, namespace: str | None) -> bool:
        """Whether a watch owes word of what is in there."""
        return namespace is None or None in self._namespaces or namespace in self._namespaces

    async def _insistently(self, kind: Kind) -> None:
        said = ""
        while True:
            try:
                await self._list(kind)
            except KubeError as error:
                if kind.without and isinstance(error, ForbiddenError):
                    log.warning("%s may not be listed: %s (%s)", kind.plural, kind.without, error)
                    self._store.refused_kinds |= {kind.name}
                    self._without(kind)
                    return
                if kind.optional and isinstance(error, NotFoundError):
                    log.info("The cluster knows no %s: nothing is done with them until it does", kind.plural)
                    self._store.unknown_kinds |= {kind.name}
                    self._without(kind)
                    return
                if said != (said := _advice(kind, error)):
                    log.warning("%s", said)
                await asyncio.sleep(RETRY_SECONDS)
            else:
                return


def _advice(kind: Kind, error: KubeError) -> str:
    if kind is MODEL_DEPLOYMENT and isinstance(error, NotFoundError):
        return "The cluster knows no ModelDeployment yet: install the chart slipway-crds. Waiting for it."
    if isinstance(error, ForbiddenError):
        return f"Not allowed to list {kind.plural}: the chart's roles grant it. Waiting for that. {error}"
    return f"Cannot list {kind.plural} yet and will go on trying: {error}"
