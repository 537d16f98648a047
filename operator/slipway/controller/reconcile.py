"""One pass over one ModelDeployment: gather, decide, persist the status, act, tell.

State is persisted before any effect that it permits, and every write carries what it was decided from. A pass may be
cut off between any two writes: the next one starts from what is there.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final, Protocol

from pydantic import ValidationError

from slipway.api.v1alpha1.status import ModelDeploymentStatus
from slipway.controller.acting import Actor, StaleError
from slipway.controller.events import event_of
from slipway.controller.family import LiveOwner
from slipway.controller.kinds import BY_NAME, DEPLOYMENT, MODEL_DEPLOYMENT, Key
from slipway.controller.kube import ConflictError, Kube, KubeError, NotFoundError
from slipway.controller.obstacles import Obstacles
from slipway.controller.sampling import Sampling
from slipway.controller.store import Store
from slipway.controller.telemetry import Telemetry
from slipway.core.facts import Foreign, Observed, Owner, Rejected
from slipway.core.plan import Note, Plan
from slipway.core.platform import Platform

log = logging.getLogger(__name__)

TRIES: Final = 4
"""Decisions in one pass: each after the first because the world had moved on. Then the queue's backoff takes over."""


class Decide(Protocol):
    """The core. Pure, and it never raises on what a user may have written."""

    def __call__(
        self,
        *,
        owner: Owner,
        spec: Mapping[str, Any],
        status: Mapping[str, Any] | None,
        observed: Observed,
        platform: Platform,
        now: datetime,
    ) -> Plan:
        """What is to be done now."""
        ...


class LearntError(Exception):
    """An action found out something that the core should have decided from."""


class Reconciler:
    """Makes one ModelDeployment so. Keeps nothing between passes but which names were found taken."""

    def __init__(
        self,
        *,
        kube: Kube,
        store: Store,
        decide: Decide,
        platform: Platform,
        telemetry: Telemetry,
        sampling: Sampling,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._kube, self._store, self._decide, self._platform = kube, store, decide, platform
        self._telemetry, self._sampling, self._now = telemetry, sampling, now
        self._obstacles = Obstacles()
        self._actor = Actor(kube=kube, store=store, obstacles=self._obstacles)

    async def reconcile(self, key: Key) -> datetime | None:
        """Bring one ModelDeployment closer to what it asks for. Answers when to look again at the latest."""
        for _ in range(TRIES):
            owner = self._store.owner(key)
            if owner is None or owner.deleting:  # its children go by their owner references
                self._obstacles.forget(key)
                self._sampling.forget(key)
                return None
            try:
                return await self._once(key, owner)
            except StaleError as stale:
                await self._look_again(key, stale)
            except LearntError:
                continue
        raise KubeError(409, "Conflict", f"{key} kept changing under {TRIES} decisions")

    async def _once(self, key: Key, owner: LiveOwner) -> datetime | None:
        now = self._now().replace(microsecond=0)  # as times are stored
        plan = self._decide(
            owner=Owner(
                namespace=key.namespace,
                name=key.name,
                uid=owner.uid,
                generation=owner.generation,
                request=owner.request,
            ),
            spec=owner.spec,
            status=owner.status,
            observed=self._observed(key),
            platform=self._platform,
            now=now,
        )
        told = await self._persist(key, owner, plan)
        self._sampling.want(key, plan.looks)
        try:
            await self._look_live(key, plan)
            expected = [await self._actor.act(key, owner, action, now) for action in plan.actions]
        finally:
            await self._tell(key, owner, told, now)
        if self._obstacles.drop_expired(key, now) or not all(expected):
            raise LearntError
        retries = (obstacle.until for obstacle in self._obstacles.standing(key))
        return min((at for at in (plan.wake_at, *retries) if at), default=None)

    def _observed(self, key: Key) -> Observed:
        found = [obstacle.found for obstacle in self._obstacles.standing(key)]
        return replace(
            self._store.observed(key),
            foreign=tuple(each for each in found if isinstance(each, Foreign)),
            rejected=tuple(each for each in found if isinstance(each, Rejected)),
            evidence=self._sampling.evidence(key),
        )

    async def _look_live(self, key: Key, plan: Plan) -> None:
        """Before capacity is taken away, what stays in its place is read live, and what guards a route before that
        opens: the watch may be behind."""
        for name, available in plan.relies_on.items():
            try:
                live = await self._kube.get(DEPLOYMENT, key.namespace, name)
            except NotFoundError as error:
                raise StaleError(kind=DEPLOYMENT, name=name) from error
            self._store.put(DEPLOYMENT, live)
            if (live.get("status") or {}).get("availableReplicas", 0) < available:
                log.info("Deployment %s has less than %d available pods by now: deciding again", name, available)
                raise LearntError
        for (kind_name, name), version in plan.relies_on_guards.items():
            kind = BY_NAME[kind_name]
            try:
                live = await self._kube.get(kind, key.namespace, name)
            except NotFoundError as error:
                raise StaleError(kind=kind, name=name) from error
            self._store.put(kind, live)
            if live["metadata"]["resourceVersion"] != version:
                log.info("%s %s has changed by now: deciding again before a route opens", kind_name, name)
                raise LearntError

    # -- status

    async def _persist(self, key: Key, owner: LiveOwner, plan: Plan) -> tuple[Note, ...]:
        """Write the status if it says anything new. Answers what to tell: notes speak of a change of status."""
        if _stored(owner.status) == plan.status:
            return ()
        manifest = {
            "apiVersion": MODEL_DEPLOYMENT.api_version,
            "kind": MODEL_DEPLOYMENT.name,
            "metadata": {
                "name": key.name,
                "namespace": key.namespace,
                "uid": owner.uid,
                "resourceVersion": owner.resource_version,
            },
            "status": plan.status.to_dict(),
        }
        try:
            self._store.put(MODEL_DEPLOYMENT, await self._kube.apply_status(MODEL_DEPLOYMENT, manifest))
        except (ConflictError, NotFoundError) as error:
            raise StaleError(kind=MODEL_DEPLOYMENT, name=key.name) from error
        return plan.notes

    async def _tell(self, key: Key, owner: LiveOwner, notes: tuple[Note, ...], now: datetime) -> None:
        """Kubernetes Events. The status has said it already: one that is lost is not worth a retry."""
        for note in notes:
            self._telemetry.told(note)
            log.log(logging.WARNING if note.warning else logging.INFO, "%s: %s", note.reason, note.message)
            try:
                await self._kube.create_event(event_of(key, owner.uid, note, now))
            except KubeError as error:
                log.warning("The Event %s was not recorded: %s", note.reason, error)

    # -- when the world has moved on

    async def _look_again(self, key: Key, stale: StaleError) -> None:
        """Read live what was stale: the watch will tell too, but when?"""
        try:
            self._store.put(stale.kind, await self._kube.get(stale.kind, key.namespace, stale.name))
        except NotFoundError:
            uid = self._uid(key, stale)
            if uid is not None:
                self._store.remove(stale.kind, uid)

    def _uid(self, key: Key, stale: StaleError) -> str | None:
        if stale.kind is MODEL_DEPLOYMENT:
            owner = self._store.owner(key)
            return owner.uid if owner else None
        child = self._store.observed(key).child(stale.kind.name, stale.name)
        return child.uid if child else None


def _stored(status: Mapping[str, Any] | None) -> ModelDeploymentStatus | None:
    """The status that is there; None when there is none or another version wrote what we cannot read."""
    try:
        return ModelDeploymentStatus.model_validate(status) if status else None
    except ValidationError:
        return None
