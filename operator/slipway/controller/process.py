"""One operator process from start to end: it stands by, leads, works, and gives the Lease back."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Final

import aiohttp

from slipway.controller import health
from slipway.controller.cataloguing import Cataloguing
from slipway.controller.election import Election
from slipway.controller.fair_shares import Shares
from slipway.controller.fence import FencedKube
from slipway.controller.handlers import EventSink, registry_for
from slipway.controller.http import client
from slipway.controller.kinds import MODEL_DEPLOYMENT, WATCHED, Key
from slipway.controller.kube import Kube, connect
from slipway.controller.prometheus_addresses import PrometheusAddresses
from slipway.controller.queue import WorkQueue
from slipway.controller.reconcile import Decide, Reconciler
from slipway.controller.resolve_slots import ResolveSlots
from slipway.controller.resync import Resync
from slipway.controller.sampling import Sampling
from slipway.controller.settings import Settings
from slipway.controller.store import Store
from slipway.controller.telemetry import Telemetry
from slipway.controller.watch_health import WatchHealth
from slipway.controller.watching import watch
from slipway.controller.working import work

log = logging.getLogger(__name__)

GRACE_SECONDS: Final = 5
"""How long passes in progress may take to end before the Lease is given back."""
FIRST_PASS_SECONDS: Final = 5
"""How long watches wait for the first pass over everything: both want the one CPU, and kopf lists it all again."""


async def run(settings: Settings, decide: Decide, stop: asyncio.Event) -> None:
    """Run until `stop` is set. Raises when it must end for another reason; Kubernetes starts it again."""
    telemetry, store, watch_health = Telemetry(), Store(), WatchHealth()
    telemetry.watch(store, watch_health, platform_version=settings.platform.version)
    async with (
        client() as session,
        connect(telemetry.count_call, f"slipway/{settings.platform.version}") as kube,
        health.serve(
            health_port=settings.health_port,
            metrics_port=settings.metrics_port,
            alive=lambda: liveness(watch_health),
            ready=lambda: _readiness(store, telemetry),
            metrics=telemetry.registry,
        ),
    ):
        operator = Operator(
            settings,
            decide=decide,
            kube=kube,
            session=session,
            telemetry=telemetry,
            store=store,
            watch_health=watch_health,
        )
        await operator.run(stop)


def _election(settings: Settings, kube: Kube) -> Election:
    return Election(
        kube=kube,
        namespace=settings.lease_namespace,
        name=settings.lease_name,
        identity=settings.identity,
        clock=asyncio.get_running_loop().time,
    )


class Operator:
    """What one replica does."""

    def __init__(
        self,
        settings: Settings,
        *,
        decide: Decide,
        kube: Kube,
        session: aiohttp.ClientSession,
        telemetry: Telemetry,
        store: Store,
        watch_health: WatchHealth,
    ) -> None:
        self._settings, self._kube, self._telemetry = settings, kube, telemetry
        self._store, self._watch_health = store, watch_health
        self._queue: WorkQueue[Key] = WorkQueue(shares=Shares(settings.workers), namespace_of=lambda key: key.namespace)
        telemetry.queue_depth.set_function(lambda: len(self._queue))
        self._election = _election(settings, kube)
        telemetry.leading = lambda: self._election.vouched
        self._sampling = Sampling(
            session,
            self._queue_after_look,
            kube=kube,
            prometheuses=PrometheusAddresses(
                addresses=settings.prometheus_addresses, cluster_domain=settings.platform.cluster_domain
            ),
        )
        fenced = FencedKube(kube, lambda: self._election.vouched)
        self._cataloguing = Cataloguing(kube=fenced, store=store)
        self._reconciler = Reconciler(
            kube=fenced,
            store=store,
            decide=decide,
            platform=settings.platform,
            telemetry=telemetry,
            sampling=self._sampling,
            resolve_slots=ResolveSlots(settings.resolve_jobs, running=store.resolving, wake=self._queue.add),
        )
        self._resync = Resync(
            kube=kube,
            store=store,
            queue=self._queue,
            watch_health=watch_health,
            kinds=WATCHED,
            namespaces=settings.namespaces,
            clock=asyncio.get_running_loop().time,
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Stand by, lead, and give the Lease back."""
        if not await _run_unless(stop, self._election.acquire()):
            return
        try:
            await _run_unless(stop, self._lead(stop))
        finally:
            await self._election.release()
        log.info("Ended, and the Lease is free")

    async def _lead(self, stop: asyncio.Event) -> None:
        """Everything that only the leader does. When one part of it ends, all do."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._election.hold(), name="lease")
            await self._resync.fill_store()
            log.info("Everything is listed: %d ModelDeployments", self._store.count(MODEL_DEPLOYMENT))
            async with self._workers():
                await self._first_pass()
                group.create_task(self._resync.run(self._settings.resync_seconds), name="resync")
                group.create_task(self._resync.close_gaps(), name="gaps")
                group.create_task(self._resync.look_elsewhere(), name="elsewhere")
                group.create_task(self._cataloguing.run(), name="catalogue")
                kinds = self._resync.kinds
                event_sink = EventSink(store=self._store, queue=self._queue, watch_health=self._watch_health)
                await watch(
                    registry_for(kinds, event_sink),
                    kinds,
                    self._settings.namespaces,
                    kube=self._kube,
                    on_listed=event_sink.take_listed,
                    on_listing=event_sink.take_listing,
                    stop=stop,
                )

    async def _pass(self, key: Key) -> datetime | None:
        """Make one pass, as the leader, where everything that it decides from is listed, or where its status has to say
        that it cannot be."""
        coverage = self._store.coverage
        if coverage.is_blind(key.namespace) and not coverage.why_blind(key.namespace):
            return None  # it is wanted again when that is over
        await self._election.until_vouched()
        return await self._reconciler.reconcile(key)

    def _queue_after_look(self, key: Key) -> None:
        """Queue a ModelDeployment whose look has ended. Its evidence on a candidate may send a share back."""
        owner = self._store.owner(key)
        self._queue.add(key, urgent=owner is not None and owner.moves)

    async def _first_pass(self) -> None:
        try:
            async with asyncio.timeout(FIRST_PASS_SECONDS):
                await self._queue.until_settled()
            log.info("Everything was looked at once")
        except TimeoutError:
            log.info("The first pass goes on while watches start")

    @asynccontextmanager
    async def _workers(self) -> AsyncIterator[None]:
        """Workers for as long as the context lasts; passes in progress may end in peace."""
        tasks = [
            asyncio.create_task(work(self._queue, self._pass, self._telemetry), name=f"worker {number}")
            for number in range(self._settings.workers)
        ]
        try:
            yield
        finally:
            self._queue.close()
            await asyncio.wait(tasks, timeout=GRACE_SECONDS)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._sampling.close()


async def _run_unless(stop: asyncio.Event, work: Awaitable[None]) -> bool:
    """Do the work until it ends or `stop` is set. Answers whether it ended by itself; its failure is raised."""
    task = asyncio.ensure_future(work)
    stopping = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait((task, stopping), return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in (task, stopping):
            each.cancel()
        # The work may fail while it is being cancelled: that counts.
        outcome, _ = await asyncio.gather(task, stopping, return_exceptions=True)
    if isinstance(outcome, Exception):
        raise outcome
    return outcome is None


def liveness(watch_health: WatchHealth) -> str | None:
    """Why the process is to be restarted: only that cures a deaf watch."""
    deaf = watch_health.deaf_kinds()
    return f"The watch of {', '.join(deaf)} has gone deaf" if deaf else None


def _readiness(store: Store, telemetry: Telemetry) -> str | None:
    """Why the process is not ready. A standby is: it can take over at any time."""
    return "The first listing is not in yet" if telemetry.leading() and not store.synced else None
