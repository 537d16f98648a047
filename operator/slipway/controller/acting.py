"""Carrying out one action: the write itself, what may stand in its way, and what its answer teaches the store.

Every write carries what it was decided from; a first one looks first whether the name is free.
"""

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from slipway.controller import logs
from slipway.controller.family import LiveOwner
from slipway.controller.kinds import BY_NAME, DEPLOYMENT, MODEL_DEPLOYMENT, Key, Kind
from slipway.controller.kube import ConflictError, ForbiddenError, Kube, KubeError, NotFoundError
from slipway.controller.obstacles import Obstacle, Obstacles
from slipway.controller.store import Store
from slipway.core.facts import Foreign, Rejected
from slipway.core.names import APPLIED, REVISION, Manifest
from slipway.core.plan import Action, Apply, Delete, Scale

log = logging.getLogger(__name__)

HINDERED_FOR: Final = timedelta(seconds=60)
"""How long a name counts as taken, or a child as refused, before it is tried again."""
PREDECESSOR_FOR: Final = timedelta(seconds=2)
"""The same for a child of a deleted ModelDeployment of our name: garbage collection is about to take it."""


DECIDED_FROM: Final = frozenset({"Deployment", "Service"})
"""Kinds whose state decisions are made from: one that the store has not heard of was decided without."""


class StaleError(Exception):
    """What was decided from is not what is there."""

    def __init__(self, *, kind: Kind, name: str) -> None:
        super().__init__(f"{kind.name} {name} is not what it was")
        self.kind, self.name = kind, name


class Actor:
    """Carries out what was planned."""

    def __init__(self, *, kube: Kube, store: Store, obstacles: Obstacles) -> None:
        self._kube, self._store, self._obstacles = kube, store, obstacles

    async def act(self, key: Key, owner: LiveOwner, action: Action, now: datetime) -> bool:
        """Carry out one action. Answers False when it met, or no longer met, an obstacle other than the core thinks."""
        kind, name, meta = _object_of(action)
        with logs.about(revision=(meta.get("labels") or {}).get(REVISION)):
            try:
                match action:
                    case Apply():
                        return await self._apply(key, owner, action, now)
                    case Scale():
                        await self._scale(key, action)
                    case Delete():
                        await self._delete(key, action)
            except (ConflictError, NotFoundError) as error:
                raise StaleError(kind=kind, name=name) from error
            except KubeError as error:
                if error.status not in _REFUSED or _ENDS in error.message:
                    raise
                log.warning("%s %s is refused: %s", kind.name, name, error)
                forbidden = isinstance(error, ForbiddenError)
                found = Rejected(kind=kind.name, name=name, message=error.message, forbidden=forbidden)
                return not self._obstacles.add(key, Obstacle(found=found, until=now + HINDERED_FOR, asked=_asked(meta)))
        return True

    async def _apply(self, key: Key, owner: LiveOwner, action: Apply, now: datetime) -> bool:
        kind, name, meta = _object_of(action)
        if self._obstacles.hinders(key, kind.name, name, asked=_asked(meta), now=now):
            return True  # known and said already
        if action.first and (taken := await self._taken(key, owner, kind, name, now=now)):
            return not self._obstacles.add(key, taken)
        live = await self._kube.apply(kind, action.manifest, resource_version=action.resource_version)
        self._store.put(kind, live)
        log.info("Applied %s %s", kind.name, name)
        return not self._obstacles.clear(key, kind.name, name)

    async def _scale(self, key: Key, action: Scale) -> None:
        scale = await self._kube.scale(key.namespace, action.name, action.replicas, action.resource_version)
        self._store.scaled(key, scale)
        log.info("Scaled Deployment %s to %d", action.name, action.replicas)

    async def _taken(self, key: Key, owner: LiveOwner, kind: Kind, name: str, *, now: datetime) -> Obstacle | None:
        """The live read before a first write: server-side apply with force would take a stranger's object over."""
        try:
            live = await self._kube.get(kind, key.namespace, name)
        except NotFoundError:
            return None
        holder = next((o for o in live["metadata"].get("ownerReferences") or () if o.get("controller")), None)
        if holder and holder["uid"] == owner.uid:
            if kind.name in DECIDED_FROM:
                raise StaleError(kind=kind, name=name)
            return None
        predecessor = holder is not None and (holder["kind"], holder["name"]) == (MODEL_DEPLOYMENT.name, key.name)
        until = now + (PREDECESSOR_FOR if predecessor else HINDERED_FOR)
        found = Foreign(kind=kind.name, name=name, owned_by=_owned_by(live, holder))
        log.warning("%s %s is owned by %s and stays as it is", kind.name, name, found.owned_by)
        return Obstacle(found=found, until=until, asked="")

    async def _delete(self, key: Key, action: Delete) -> None:
        kind = BY_NAME[action.kind]
        try:
            answer = await self._kube.delete(kind, key.namespace, action.name, action.uid)
        except NotFoundError:
            self._store.remove(kind, action.uid)
            return
        log.info("Deleted %s %s", action.kind, action.name)
        if answer.get("kind") == "Status":  # gone at once; else it lingers and the answer is the object
            self._store.remove(kind, action.uid)
        else:
            self._store.put(kind, answer)


_REFUSED: Final = frozenset({400, 403, 422})
"""HTTP statuses that the same write would get again: validation, and what RBAC, a policy or a quota forbids."""
_ENDS: Final = "because it is being terminated"
"""Of the namespace: the ModelDeployment goes with it, and there is nobody left to be told."""


def _object_of(action: Action) -> tuple[Kind, str, Mapping[str, Any]]:
    """What an action writes to, with the metadata that it brings."""
    match action:
        case Apply(manifest=manifest):
            return BY_NAME[manifest["kind"]], manifest["metadata"]["name"], manifest["metadata"]
        case Scale(name=name):
            return DEPLOYMENT, name, {}
        case Delete(kind=kind, name=name):
            return BY_NAME[kind], name, {}


def _asked(meta: Mapping[str, Any]) -> str:
    return str((meta.get("annotations") or {}).get(APPLIED, ""))


def _owned_by(live: Manifest, controller: Mapping[str, Any] | None) -> str:
    if controller:
        return f"{controller['kind']}/{controller['name']}"
    managers = [entry.get("manager") for entry in live["metadata"].get("managedFields") or ()]
    return next((str(manager) for manager in managers if manager), "nobody")
