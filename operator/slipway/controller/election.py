"""Leader election by a Lease: of several replicas one works, and another takes over when it ends or hangs.

`kubernetes.aio.leaderelection` never gives a Lease back, so every upgrade would wait for one to expire; hence our own.
A holder vouches for its Lease for less time than the Lease lasts, counted from when the last renewal was sent: so long
nobody else can hold it. When it cannot renew, nothing is written any more (`FencedKube`); when the API server is back
and the Lease is still its own, it goes on. A Lease does not fence by itself: a write that was sent in time may arrive
late. Preconditions on every write make that harmless.
"""

import asyncio
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from slipway.controller.kinds import LEASE
from slipway.controller.kube import ConflictError, Kube, KubeError, NotFoundError
from slipway.core.names import Manifest

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Terms:
    """Times of a Lease, in seconds: a holder that cannot renew stops writing before anybody else may take over.

    Longer than client-go's: a restart of a lone API server should not restart us, and nothing but changes waits for us.
    """

    duration: float = 30
    give_up: float = 20
    renew: float = 5
    poll: float = 1.5


class LeaseLostError(Exception):
    """Somebody else holds the Lease now: stop working at once."""


class Election:
    """One candidate."""

    def __init__(
        self,
        *,
        kube: Kube,
        namespace: str,
        name: str,
        identity: str,
        clock: Callable[[], float],
        terms: Terms | None = None,
    ) -> None:
        self._kube, self._namespace, self._name = kube, namespace, name
        self._identity, self._clock, self._terms = identity, clock, terms or Terms()
        self._held: Manifest | None = None
        self._last_version: tuple[str, float] = ("", 0.0)
        self._sent = 0.0
        """When the last renewal that succeeded was sent."""
        self._renewed = asyncio.Event()

    @property
    def vouched(self) -> bool:
        """Whether nobody else can hold the Lease now."""
        return self._held is not None and self._clock() - self._sent < self._terms.give_up

    async def until_vouched(self) -> None:
        """Wait until the Lease is vouched for."""
        while not self.vouched:
            self._renewed.clear()
            await self._renewed.wait()

    async def acquire(self) -> None:
        """Wait until the Lease is ours."""
        logged_holder = ""
        while True:
            try:
                holder = await self._try()
            except KubeError as error:
                holder = f"unknown, {error}"
            if not holder:
                log.info("Leading as %s", self._identity)
                return
            if logged_holder != (logged_holder := holder):
                log.info("Standing by; the holder of the Lease is %s", holder)
            await asyncio.sleep(self._terms.poll * random.uniform(0.8, 1.2))  # noqa: S311

    async def hold(self) -> None:
        """Renew for ever, also after a time when that was not possible. LeaseLostError once somebody else has it."""
        pause, warned = self._terms.renew, False
        while True:
            await asyncio.sleep(pause)
            try:
                async with asyncio.timeout(self._terms.give_up / 4):
                    await self._renew()
            except (KubeError, TimeoutError) as error:
                pause = self._terms.poll
                if not self.vouched and not warned:
                    log.warning("The Lease cannot be renewed, and nothing is written until it is: %r", error)
                    warned = True
            else:
                if warned:
                    log.info("The Lease is still ours: leading again")
                pause, warned = self._terms.renew, False

    async def release(self) -> None:
        """Give the Lease back, so that a standby need not wait for it to expire."""
        if self._held is None:
            return
        lease = self._lease(self._held)
        lease["spec"] |= {"holderIdentity": "", "leaseDurationSeconds": 1}
        self._held = None
        try:
            await self._kube.replace(LEASE, lease)
        except KubeError as error:
            log.warning("The Lease was not given back and will expire: %s", error)

    async def _try(self) -> str:
        """One attempt. Answers who holds the Lease, or nothing when we do."""
        live = await self._live()
        holder = self._holder(live)
        if holder not in ("", self._identity) and not self._expired(live):
            return holder
        try:
            await self._write(self._lease(live, taking=True))
        except ConflictError:
            return holder or "another candidate"
        return ""

    async def _write(self, lease: Manifest) -> None:
        exists, sent_at = "resourceVersion" in lease["metadata"], self._clock()
        self._held = await (self._kube.replace(LEASE, lease) if exists else self._kube.create(LEASE, lease))
        self._sent = sent_at
        self._renewed.set()

    async def _renew(self) -> None:
        """Write the Lease again. A conflict alone does not say that it is lost: a person may have annotated or deleted
        it. Others count from what they see, so only a write of our own makes it last longer."""
        try:
            await self._write(self._lease(self._held))
        except (ConflictError, NotFoundError):
            live = await self._live()
            if live and (holder := self._holder(live)) != self._identity:
                self._held = None
                raise LeaseLostError(f"Somebody else holds the Lease: {holder or 'nobody now'}") from None
            await self._write(self._lease(live, taking=live is None))

    async def _live(self) -> Manifest | None:
        try:
            return await self._kube.get(LEASE, self._namespace, self._name)
        except NotFoundError:
            return None

    def _expired(self, live: Manifest | None) -> bool:
        """Whether its holder has let a whole duration pass, by our own clock: clocks of machines differ."""
        if live is None:
            return True
        version = live["metadata"]["resourceVersion"]
        if version != self._last_version[0]:
            self._last_version = (version, self._clock())
        duration = live["spec"].get("leaseDurationSeconds") or self._terms.duration
        return self._clock() - self._last_version[1] > duration

    def _lease(self, live: Manifest | None, *, taking: bool = False) -> Manifest:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        spec: dict[str, Any] = dict((live or {}).get("spec") or {})
        spec |= {"holderIdentity": self._identity, "leaseDurationSeconds": int(self._terms.duration), "renewTime": now}
        if taking:
            spec |= {
                "acquireTime": now,
                "leaseTransitions": int(spec.get("leaseTransitions") or 0) + (live is not None),
            }
        meta = (live or {}).get("metadata") or {"name": self._name, "namespace": self._namespace}
        meta = {field: value for field, value in meta.items() if field != "managedFields"}
        return {"apiVersion": LEASE.api_version, "kind": LEASE.name, "metadata": meta, "spec": spec}

    @staticmethod
    def _holder(live: Manifest | None) -> str:
        return str(((live or {}).get("spec") or {}).get("holderIdentity") or "")
