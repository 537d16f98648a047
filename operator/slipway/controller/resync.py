"""Resync lists everything now and then: watches lose events, and some go deaf.

kopf never reports what was deleted while its watch had expired (reference: nolar/kopf#698), and a watch can hang
without an error (nolar/kopf#1276). So every listing repairs the store, and what it shows that the watch of that kind
then keeps quiet about for a minute is proof that the watch is deaf: liveness goes red and Kubernetes restarts us.

Each kind is listed by itself in each namespace: one that cannot be listed stops no other.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from slipway.controller.coverage import Gap, Place
from slipway.controller.family import belonging_of
from slipway.controller.kinds import CHILDREN, MODEL_DEPLOYMENT, POD, Key, Kind
from slipway.controller.kube import ForbiddenError, Kube, KubeError, NotFoundError
from slipway.controller.queue import WorkQueue
from slipway.controller.store import Store, versions
from slipway.controller.watch_health import DEAF_AFTER_SECONDS, WatchHealth
from slipway.core.names import Manifest

log = logging.getLogger(__name__)

RETRY_SECONDS: Final = 5
TRIES_AT_START: Final = 3
"""How often a kind that can be done without is tried at the start, where that may help."""
ELSEWHERE_SECONDS: Final = 10
"""How soon a change of a Gateway is noticed in a namespace that is not served."""
SECOND_LOOK_SECONDS: Final = 30
"""After the start: what was deleted between our first listing and the watch's own is a ghost until then."""
SPREAD_SECONDS: Final = 60
"""A resync looks at every ModelDeployment again, but not at all of them at once."""


class KindsChangedError(Exception):
    """A kind can be had that could not, or the other way round: the process has to start again."""


class Resync:
    """Brings the store in step with listings."""

    def __init__(
        self,
        *,
        kube: Kube,
        store: Store,
        queue: WorkQueue[Key],
        watch_health: WatchHealth,
        kinds: Sequence[Kind],
        namespaces: Sequence[str],
        clock: Callable[[], float],
    ) -> None:
        self._kube, self._store, self._queue, self._watch_health, self._clock = kube, store, queue, watch_health, clock
        self._coverage = store.coverage
        self.kinds = tuple(kinds)
        """Those that are watched: after the start all but what is done without everywhere."""
        self._namespaces: tuple[Place, ...] = tuple(namespaces) or (None,)

    async def fill_store(self) -> None:
        """Fill the store, waiting until everything that decisions need is listed in one namespace at least."""
        first, others = _parted(self.kinds)
        for kind in first:
            await self._list_everywhere(kind)
        async with asyncio.TaskGroup() as group:  # while we read one kind's page the API server writes another's
            for kind in others:
                group.create_task(self._list_everywhere(kind), name=f"first listing of {kind.plural}")
        while not self._may_begin():
            await asyncio.sleep(RETRY_SECONDS)
            for gap in self._coverage.gaps():
                await self._list_again(gap)
        self.kinds = tuple(kind for kind in self.kinds if kind.without is None or self._is_listed(kind))
        self._store.synced = True
        for key, _ in self._store.owners():
            self._queue.add(key)

    async def run(self, interval_seconds: float) -> None:
        """List again and again, sooner where a watch owes something."""
        delay: float = min(SECOND_LOOK_SECONDS, interval_seconds)
        while True:
            await asyncio.sleep(delay)
            await self.list_all()
            delay = interval_seconds
            if self._watch_health.is_waiting():
                delay = min(interval_seconds, DEAF_AFTER_SECONDS + 1)

    async def list_all(self) -> None:
        """List every kind, and have every ModelDeployment looked at. An optional kind that went ends it all: watches
        are made at the start, and a start costs no pod anything."""
        for kind in self.kinds:
            await self._list_everywhere(kind)
        self._store.forget_the_dead()
        for key, _ in self._store.owners():
            self._queue.add(key, random.uniform(0, SPREAD_SECONDS))  # noqa: S311

    async def close_gaps(self) -> None:
        """Try again, ever more slowly, what could not be listed: a kind that can be had now, a namespace that is back.
        A kind that is not watched yet ends it all, as one that went."""
        while True:
            await asyncio.sleep(self._until_next_try())
            for gap in self._coverage.gaps():
                if gap.next_at <= self._clock() and await self._list_again(gap):
                    self._closed(gap)

    async def look_elsewhere(self) -> None:
        """List often what matters in namespaces that are not served: no watch covers them, and it is little."""
        while elsewhere := [kind for kind in self.kinds if kind.everywhere and None not in self._namespaces]:
            await asyncio.sleep(ELSEWHERE_SECONDS)
            for kind in elsewhere:
                await self._list_everywhere(kind)

    # -- one listing

    async def _list_everywhere(self, kind: Kind) -> None:
        for place in self._places(kind):
            if not self._coverage.has_gap(kind, place):
                await self._list(kind, place)

    async def _list_again(self, gap: Gap) -> bool:
        """Try a gap again. ModelDeployments are listed first, since of what is listed before them little is kept, and
        their gap is closed last: until then nothing is decided of them."""
        if not self._coverage.has_gap(gap.kind, gap.namespace):
            return False  # it was closed with another
        children = (*CHILDREN, POD) if gap.kind is MODEL_DEPLOYMENT else ()
        return await self._list(gap.kind, gap.namespace, then=[kind for kind in self.kinds if kind in children])

    async def _list(self, kind: Kind, place: Place, then: Iterable[Kind] = ()) -> bool:
        """Bring the store in step with one listing, which counts once other kinds are listed as well. Answers whether
        there was one."""
        concerned: set[Key] = set()
        try:
            await self._read(kind, place, concerned)
        except KubeError as error:
            self._failed(kind, place, error)
        else:
            for each in then:
                await self._list(each, place)
            if self._coverage.record_listing(kind, place):
                log.info("%s can be listed%s now", kind.plural, _in(place))
        for key in concerned:
            self._queue.notice(key)
        return not self._coverage.has_gap(kind, place)

    async def _read(self, kind: Kind, place: Place, concerned: set[Key]) -> None:
        listed: dict[str, int] = {}
        ours: dict[str, int] = {}
        news: dict[str, int] = {}
        version = 0
        async for page in self._kube.list(kind, place):
            version = int(page.resource_version)
            listed |= versions(page.items)
            owed = versions(m for m in page.items if self._is_owed(kind, m))
            news |= {uid: v for uid, v in owed.items() if self._store.version(kind, uid) < v}
            ours |= owed
            for manifest in page.items:
                concerned |= self._store.put(kind, manifest)
            del page  # other kinds are listed meanwhile: their pages need the memory
        concerned |= self._store.evict(kind, place, listed, version)
        self._watch_health.record_listing(kind, ours, news, self._clock(), namespace=place)

    def _is_owed(self, kind: Kind, manifest: Manifest) -> bool:
        """Whether a watch owes word of an object: in namespaces that are watched, of all that is kept and no
        stranger makes."""
        meta = manifest["metadata"]
        namespace = meta.get("namespace")
        watched = namespace is None or None in self._namespaces or namespace in self._namespaces
        return watched and not belonging_of(kind, meta).stranger and self._store.keeps(kind, manifest)

    def _places(self, kind: Kind) -> tuple[Place, ...]:
        return self._namespaces if kind.namespaced and not kind.everywhere else (None,)

    # -- what cannot be listed

    def _failed(self, kind: Kind, place: Place, error: KubeError) -> None:
        gap = self._coverage.record_failure(kind, place, error, self._clock())
        if gap and gap.was_listed and kind.optional and isinstance(error, NotFoundError):
            raise KindsChangedError(f"The cluster knows no {kind.plural} any more") from error
        if gap:
            log.log(logging.INFO if gap.missing else logging.WARNING, "%s", _advice(gap))
        if gap and gap.kind.without is None:
            self._notice_all_in(place)  # their status says so

    def _closed(self, gap: Gap) -> None:
        if gap.kind not in self.kinds:
            raise KindsChangedError(f"{gap.kind.plural} can be had now")
        self._notice_all_in(gap.namespace)

    def _notice_all_in(self, place: Place) -> None:
        for key, _ in self._store.owners():
            if place in (None, key.namespace):
                self._queue.notice(key)

    def _may_begin(self) -> bool:
        hasty = (gap for gap in self._coverage.gaps() if not gap.lasting and gap.tries < TRIES_AT_START)
        return any(not self._coverage.is_blind(place) for place in self._namespaces) and not any(hasty)

    def _is_listed(self, kind: Kind) -> bool:
        return any(not self._coverage.has_gap(kind, place) for place in self._places(kind))

    def _until_next_try(self) -> float:
        soonest = min((gap.next_at for gap in self._coverage.gaps()), default=self._clock() + RETRY_SECONDS)
        return min(RETRY_SECONDS, max(0.1, soonest - self._clock()))


def _parted(kinds: Sequence[Kind]) -> tuple[list[Kind], list[Kind]]:
    """ModelDeployments first: of what is no child of theirs little is kept."""
    return [k for k in kinds if k is MODEL_DEPLOYMENT], [k for k in kinds if k is not MODEL_DEPLOYMENT]


def _in(place: Place) -> str:
    return f" in namespace {place}" if place else ""


def _advice(gap: Gap) -> str:
    kind, where, error = gap.kind, _in(gap.namespace), gap.error
    if gap.missing:
        return f"The cluster knows no {kind.plural}: nothing is done with them until it does"
    if gap.was_listed:
        return f"{kind.plural} cannot be listed{where} any more and are kept as they were last seen: {error}"
    if kind is MODEL_DEPLOYMENT and isinstance(error, NotFoundError):
        return "The cluster knows no ModelDeployment yet: install the chart slipway-crds. Waiting for it."
    if kind.without:
        may = "may not" if isinstance(error, ForbiddenError) else "cannot"
        return f"{kind.plural} {may} be listed{where}: {kind.without} ({error})"
    waits = f"No ModelDeployment is looked after{where} until they can be"
    if isinstance(error, ForbiddenError):
        return f"Not allowed to list {kind.plural}{where}: the chart's roles grant it. {waits}. {error}"
    return f"Cannot list {kind.plural}{where} yet. {waits}. {error}"
