"""The executor carries out a plan: it makes the writes, meets obstacles, and puts their answers into the store.

Every write carries what it was decided from. The first one of a child says that there must be nothing of its name: one
call where the name is free, and a stranger's object is never touched.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

from slipway.controller import logs
from slipway.controller.dependencies import must_wait
from slipway.controller.family import LiveOwner
from slipway.controller.kinds import BY_NAME, MODEL_DEPLOYMENT, Key, Kind
from slipway.controller.kube import ABSENT, ConflictError, ForbiddenError, Kube, KubeError, NotFoundError
from slipway.controller.obstacles import Obstacle, Obstacles, Place
from slipway.controller.resolve_slots import ResolveSlots
from slipway.controller.store import Store
from slipway.core.additions import taking_out
from slipway.core.drift import difference
from slipway.core.names import APPLIED, REVISION, Manifest
from slipway.core.observed.objects import (
    JobQueued,
    NameTaken,
    WriteDenied,
    WriteFailed,
    WriteNotKept,
    controller_of,
    is_orphan,
)
from slipway.core.plan import Action, Apply, Delete, Scale, place_of

log = logging.getLogger(__name__)

BLOCKED_FOR: Final = timedelta(seconds=60)
"""How long a name counts as taken, or a child as refused, before it is tried again."""
PREDECESSOR_FOR: Final = timedelta(seconds=2)
"""The same for a child of a deleted ModelDeployment of our name: garbage collection is about to take it."""
QUEUED_FOR: Final = timedelta(minutes=2)
"""How long a resolve Job waits that nobody wakes for its turn, before it asks again."""

DECIDED_FROM: Final = frozenset({"Deployment", "Service"})
"""Kinds whose state decisions are made from: one that the store has not heard of was decided without."""


class StaleError(Exception):
    """An object is not the one that was decided from."""

    def __init__(self, *, kind: Kind, name: str, fingerprint: str = "", message: str = "") -> None:
        super().__init__(f"{kind.name} {name} is not what it was: {message}")
        self.kind, self.name, self.fingerprint, self.message = kind, name, fingerprint, message


@dataclass(kw_only=True)
class Findings:
    """What the execution of a plan has brought to light."""

    new_obstacles: list[Obstacle] = field(default_factory=list)
    """Obstacles that are new, or differ from before."""
    cleared: bool = False
    """An obstacle has gone."""

    @property
    def news(self) -> bool:
        """Whether the core would decide otherwise now, or say something else."""
        return bool(self.new_obstacles) or self.cleared


class Executor:
    """Carries out the actions of plans."""

    def __init__(
        self,
        *,
        kube: Kube,
        store: Store,
        obstacles: Obstacles,
        resolve_slots: ResolveSlots,
        now: Callable[[], datetime],
    ) -> None:
        self._kube, self._store, self._obstacles, self._now = kube, store, obstacles, now
        self._resolve_slots = resolve_slots

    async def carry_out(self, key: Key, owner: LiveOwner, actions: Sequence[Action]) -> Findings:
        """Try every action of a plan but those that rely on one that failed."""
        try:
            return await self._carry_out(key, owner, actions)
        finally:
            wanted = {place_of(action)[1] for action in actions if _makes_job(action)}
            self._resolve_slots.settle(key, wanted, self._now())

    def take_slots(self, key: Key, actions: Sequence[Action]) -> bool:
        """Ask for the resolve slots that a plan needs, before its status is written, which so says at once who waits.
        Answers whether the core would decide otherwise now, or say something else."""
        news = False
        for action in filter(_makes_job, actions):
            place, obstacle = place_of(action), self._queued(key, action)
            before = self._obstacles.get(key, place)
            if obstacle:
                news |= self._obstacles.add(key, obstacle)
            elif before and isinstance(before.problem, JobQueued):
                news |= self._obstacles.clear(key, place)
        return news

    def forget(self, key: Key) -> None:
        """Forget a ModelDeployment that is gone."""
        self._resolve_slots.settle(key, frozenset(), self._now())

    async def _carry_out(self, key: Key, owner: LiveOwner, actions: Sequence[Action]) -> Findings:
        findings, failed = Findings(), list[Action]()
        for action in actions:
            if must_wait(action, failed, owner=key.name):
                failed.append(action)
                continue
            standing = self._standing_obstacle(key, action) or self._queued(key, action)
            obstacle = standing or await self._try(key, owner, action)
            if obstacle is None:
                findings.cleared |= self._clear_obstacle(key, action)
                continue
            if not isinstance(obstacle.problem, WriteNotKept) or (standing and _is_absent(action, obstacle.problem)):
                failed.append(action)
            if self._obstacles.add(key, obstacle):
                log.warning("%s", obstacle.words)
                findings.new_obstacles.append(obstacle)
        return findings

    def _queued(self, key: Key, action: Action) -> Obstacle | None:
        """The obstacle of a resolve Job whose turn has not come."""
        (kind, name), now = place_of(action), self._now()
        if not _makes_job(action) or self._resolve_slots.take(key, name, now):
            return None
        problem = JobQueued(kind=kind, name=name, limit=self._resolve_slots.limit)
        return Obstacle(problem=problem, until=now + QUEUED_FOR, fingerprint=_fingerprint(action))

    def _clear_obstacle(self, key: Key, action: Action) -> bool:
        """Clear the obstacle of a write that passed. Answers whether one has gone; a write that was undone again and
        again has to stay for a while first."""
        place, now = place_of(action), self._now()
        obstacle = self._obstacles.get(key, place)
        until = self._rewrite_at(key, action, now)
        if obstacle and until and isinstance(obstacle.problem, WriteNotKept):
            self._obstacles.add(key, replace(obstacle, until=until))
            return False
        return self._obstacles.clear(key, place)

    def _standing_obstacle(self, key: Key, action: Action) -> Obstacle | None:
        """The obstacle that makes a try useless now: one that stands, or a write that is undone again and again."""
        place, fingerprint, now = place_of(action), _fingerprint(action), self._now()
        obstacle = self._obstacles.blocks(key, place, fingerprint=fingerprint, now=now)
        if obstacle and not self._changed_since(key, action, obstacle):
            return obstacle
        until = self._rewrite_at(key, action, now)
        if until is None or isinstance(action, Delete):
            return None
        previous = self._obstacles.get(key, place)
        problem = (
            previous.problem if previous and isinstance(previous.problem, WriteNotKept) else self._lack(key, action)
        )
        return Obstacle(problem=problem, until=until, fingerprint=fingerprint) if problem else None

    def _rewrite_at(self, key: Key, action: Action, now: datetime) -> datetime | None:
        absent = isinstance(action, Apply) and action.first
        return self._obstacles.rewrite_at(
            key, place_of(action), fingerprint=_fingerprint(action), now=now, absent=absent
        )

    def _changed_since(self, key: Key, action: Action, obstacle: Obstacle) -> bool:
        """Whether somebody has changed what did not stay as written, so that it may stay now."""
        if not isinstance(obstacle.problem, WriteNotKept) or not isinstance(action, Apply):
            return False
        if action.first and obstacle.problem.field.startswith(_LABELS):
            return False  # without its label it is not seen
        return self._lack(key, action) != obstacle.problem

    def _lack(self, key: Key, action: Action) -> WriteNotKept | None:
        """How the stored object differs from what an action would make of it."""
        kind, name = place_of(action)
        child = self._store.observed(key).child(kind, name)
        if child is None:
            return WriteNotKept(kind=kind, name=name, field="", asked="", got="")
        match action:
            case Apply(manifest=manifest):
                return _unkept(action, child.body, manifest)
            case Scale(replicas=replicas):
                return _unkept(action, child.body, {"spec": {"replicas": replicas}})
        return None

    async def _try(self, key: Key, owner: LiveOwner, action: Action) -> Obstacle | None:
        """Carry out one action. Answers its obstacle, if it met one."""
        place, fingerprint, began = place_of(action), _fingerprint(action), self._now()
        kind, name = BY_NAME[place[0]], place[1]
        meta = action.manifest["metadata"] if isinstance(action, Apply) else {}
        with logs.context(revision=(meta.get("labels") or {}).get(REVISION)):
            try:
                obstacle = await self._write(key, owner, action)
            except (ConflictError, NotFoundError) as error:
                raise StaleError(kind=kind, name=name, fingerprint=fingerprint, message=error.message) from error
            except KubeError as error:
                return self.obstacle_for(key, place, error, fingerprint=fingerprint, began=began)
            self._obstacles.count_write(key, place, fingerprint=fingerprint, now=self._now())
            return obstacle

    def obstacle_for(self, key: Key, place: Place, error: KubeError, *, fingerprint: str, began: datetime) -> Obstacle:
        """The obstacle that an error of the API server means for a child; raises the error when the namespace ends."""
        (kind, name), now = place, self._now()
        if _ENDS in error.message:
            raise error
        if error.status in _REFUSED or (_UNTYPED in error.message and not BY_NAME[kind].optional):
            forbidden = isinstance(error, ForbiddenError)
            denied = WriteDenied(kind=kind, name=name, message=error.message, forbidden=forbidden)
            return Obstacle(problem=denied, until=now + BLOCKED_FOR, fingerprint=fingerprint)
        failed = WriteFailed(kind=kind, name=name, message=_words(error), since=began)
        # A call that took long is not made again before as much time has passed: there are other objects.
        at_least = max(now - began, timedelta(seconds=error.retry_after_seconds))
        return self._obstacles.for_failed_write(key, failed, fingerprint=fingerprint, now=now, at_least=at_least)

    async def _write(self, key: Key, owner: LiveOwner, action: Action) -> Obstacle | None:
        match action:
            case Apply():
                return await self._apply(key, owner, action)
            case Scale():
                return await self._scale(key, action)
            case Delete():
                await self._delete(key, action)
        return None

    async def _apply(self, key: Key, owner: LiveOwner, action: Apply) -> Obstacle | None:
        kind, name = BY_NAME[action.manifest["kind"]], action.manifest["metadata"]["name"]
        version = ABSENT if action.first else action.resource_version
        try:
            live = await self._kube.apply(kind, action.manifest, uid=action.uid, resource_version=version)
        except ConflictError:
            if not action.first:
                raise
            return await self._meet_existing(key, owner, action, kind, name)
        self._store.put(kind, live)
        log.info("Applied %s %s", kind.name, name)
        return await self._keep_as_asked(key, action, live, action.manifest)

    async def _keep_as_asked(self, key: Key, action: Apply, live: Manifest, wanted: Manifest) -> Obstacle | None:
        """Take out what others added to an object and an apply leaves there. Answers the obstacle when it does not hold
        what was written even so."""
        obstacle = self._check_kept(key, action, live, wanted)
        patch = taking_out(live, wanted) if obstacle else None
        if patch is None:
            return obstacle
        kind = BY_NAME[wanted["kind"]]
        live = await self._kube.merge(kind, patch)
        self._store.put(kind, live)
        log.info("Took out of %s %s what was added: %s", kind.name, patch["metadata"]["name"], ", ".join(patch["spec"]))
        return self._check_kept(key, action, live, wanted)

    def _check_kept(self, key: Key, action: Action, live: Manifest, wanted: Mapping[str, Any]) -> Obstacle | None:
        """The obstacle when the answer to a write does not hold what was written."""
        unkept = _unkept(action, live, wanted)
        if unkept is None:
            return None
        return self._obstacles.for_unkept_write(key, unkept, fingerprint=_fingerprint(action), now=self._now())

    async def _scale(self, key: Key, action: Scale) -> Obstacle | None:
        scale = await self._kube.scale(key.namespace, action.name, action.replicas, action.resource_version)
        self._store.put_scale(key, scale)
        log.info("Scaled Deployment %s to %d", action.name, action.replicas)
        return self._check_kept(key, action, scale, {"spec": {"replicas": action.replicas}})

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

    # -- first writes that meet something

    async def _meet_existing(self, key: Key, owner: LiveOwner, action: Apply, kind: Kind, name: str) -> Obstacle | None:
        """Handle an object that a first write met under its name: adopt ours, leave anybody else's alone."""
        live = await self._kube.get(kind, key.namespace, name)
        holder = controller_of(live["metadata"])
        if (holder and holder["uid"] == owner.uid) or is_orphan(live["metadata"], key.name):
            return await self._adopt(key, action, kind, live)
        predecessor = holder is not None and (holder["kind"], holder["name"]) == (MODEL_DEPLOYMENT.name, key.name)
        until = self._now() + (PREDECESSOR_FOR if predecessor else BLOCKED_FOR)
        taken = NameTaken(kind=kind.name, name=name, owned_by=_owned_by(live, holder))
        return Obstacle(problem=taken, until=until, fingerprint="")

    async def _adopt(self, key: Key, action: Apply, kind: Kind, live: Manifest) -> Obstacle | None:
        """Take one of ours into the store, which did not have it, and have it decided from. One that has lost its label
        gets that back first; fields that decisions are made from stay as they are until then."""
        name, version = live["metadata"]["name"], live["metadata"]["resourceVersion"]
        self._store.put(kind, live)
        if self._store.observed(key).child(kind.name, name) is None:
            wanted = _as_it_is(action.manifest, live)
            again = await self._kube.apply(kind, wanted, uid=live["metadata"]["uid"], resource_version=version)
            self._store.put(kind, again)
            log.info("Applied %s %s, which is ours and had lost its label", kind.name, name)
            if obstacle := await self._keep_as_asked(key, action, again, wanted):
                return obstacle
            if kind.name not in DECIDED_FROM:
                return None
        raise StaleError(kind=kind, name=name, fingerprint=_fingerprint(action), message="it was not known of")


_REFUSED: Final = frozenset({400, 403, 413, 422})
"""HTTP statuses that the same write would get again: validation, and what RBAC, a policy or a quota forbids."""
_UNTYPED: Final = "failed to create typed patch object"
"""How it answers, by a 500, what does not fit its schema: of its own kinds that is a field of the user's."""
_LABELS: Final = "metadata.labels"
_ENDS: Final = "because it is being terminated"
"""Said of the namespace: the ModelDeployment goes with it, and nobody is left to read a status."""


def _fingerprint(action: Action) -> str:
    """Identifies what an action writes: the applied hash, the count, or the uid that is deleted."""
    match action:
        case Apply(manifest=manifest):
            return str((manifest["metadata"].get("annotations") or {}).get(APPLIED, ""))
        case Scale(replicas=replicas):
            return f"{replicas} replicas"
        case Delete(uid=uid):
            return f"no {uid}"


def _is_absent(action: Action, unkept: WriteNotKept) -> bool:
    """Whether what did not stay is not there at all; one that lost its label is, but is not seen."""
    return isinstance(action, Apply) and action.first and not unkept.field.startswith(_LABELS)


def _makes_job(action: Action) -> bool:
    return isinstance(action, Apply) and action.first and action.manifest["kind"] == "Job"


def _words(error: KubeError) -> str:
    return error.message if error.status else f"the API server gave no answer ({error.message})"


def _unkept(action: Action, live: Mapping[str, Any], wanted: Mapping[str, Any]) -> WriteNotKept | None:
    kind, name = place_of(action)
    lack = difference(live, wanted)
    if lack is None:
        return None
    return WriteNotKept(kind=kind, name=name, field=lack.field, asked=lack.asked, got=lack.got)


def _as_it_is(manifest: Manifest, live: Manifest) -> Manifest:
    """A manifest with what decisions are made from as it is live: the count, and whom a Service selects."""
    kept = {"Deployment": "replicas", "Service": "selector"}.get(manifest["kind"])
    if kept is None or kept not in live["spec"]:
        return manifest
    return {**manifest, "spec": {**manifest["spec"], kept: live["spec"][kept]}}


def _owned_by(live: Manifest, controller: Mapping[str, Any] | None) -> str:
    if controller:
        return f"{controller['kind']}/{controller['name']}"
    managers = [entry.get("manager") for entry in live["metadata"].get("managedFields") or ()]
    return next((str(manager) for manager in managers if manager), "nobody")
