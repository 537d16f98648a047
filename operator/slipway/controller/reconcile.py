"""One pass over one ModelDeployment: gather, decide, persist the status, act, tell.

State is persisted before any effect that it permits, and every write carries what it was decided from. A pass may be
cut off between any two writes: the next one starts from what is there.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, Protocol

from pydantic import ValidationError

from slipway.api.v1alpha1.status import ModelDeploymentStatus
from slipway.controller.events import event_of
from slipway.controller.executor import Executor, Findings, StaleError
from slipway.controller.family import LiveOwner
from slipway.controller.kinds import BY_NAME, DEPLOYMENT, MODEL_DEPLOYMENT, Key
from slipway.controller.kube import ConflictError, Kube, KubeError, NotFoundError
from slipway.controller.obstacles import Obstacles
from slipway.controller.resolve_slots import ResolveSlots
from slipway.controller.sampling import Sampling
from slipway.controller.store import Store
from slipway.controller.telemetry import Telemetry
from slipway.controller.unwritten import FOR_PEOPLE, NOT_KEPT, Unwritten, changed_fields
from slipway.core.names import Manifest
from slipway.core.observed.blocked_writes import matters, not_kept
from slipway.core.observed.objects import JobQueued, NameTaken, Observed, WriteDenied, WriteFailed, WriteNotKept
from slipway.core.owner import Owner
from slipway.core.plan import Note, Plan
from slipway.core.platform import Platform
from slipway.core.reasons import Reason

log = logging.getLogger(__name__)

TRIES: Final = 4
"""Decisions in one pass: each after the first because the world had moved on. Then the queue's backoff takes over."""


class Decide(Protocol):
    """The core's decision. It is pure, and never raises on what a user may have written."""

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
        """Answer the plan for now."""
        ...


class LearntError(Exception):
    """An action brought to light a fact that the core should have decided from."""


class Reconciler:
    """Brings ModelDeployments to what their specs ask for, one pass at a time.

    Between passes it keeps, in memory alone: the obstacles of writes (names that are taken, writes that were refused,
    that failed or did not stay) and how often each write was repeated, the statuses that could not be written, and when
    its first pass began.
    """

    def __init__(
        self,
        *,
        kube: Kube,
        store: Store,
        decide: Decide,
        platform: Platform,
        telemetry: Telemetry,
        sampling: Sampling,
        resolve_slots: ResolveSlots,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._kube, self._store, self._decide, self._platform = kube, store, decide, platform
        self._telemetry, self._sampling, self._now = telemetry, sampling, now
        self._obstacles, self._unwritten = Obstacles(), Unwritten(telemetry)
        self._watched_since: datetime | None = None
        self._executor = Executor(
            kube=kube, store=store, obstacles=self._obstacles, resolve_slots=resolve_slots, now=self._second
        )

    async def reconcile(self, key: Key) -> datetime | None:
        """Bring one ModelDeployment closer to what it asks for. Answers when to look again at the latest."""
        began, last = self._second(), None
        for _ in range(TRIES):
            owner = self._store.owner(key)
            if owner is None or owner.deleting:  # its children go by their owner references
                self._forget(key)
                return None
            try:
                return await self._once(key, owner)
            except StaleError as stale:
                await self._look_again(key, last := stale)
            except LearntError:
                last = None
        cause = f": {last.kind.name} {last.name}: {last.message}" if last else ""
        error = KubeError(409, "Conflict", f"{key} kept changing under {TRIES} decisions{cause}")
        if last:
            await self._kept_changing(key, last, began, error)
        raise error

    async def _once(self, key: Key, owner: LiveOwner) -> datetime | None:
        now = self._second()
        self._watched_since = self._watched_since or now
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
        if until := self._unwritten.retry_at(key, plan.status, now):
            return until
        if self._executor.take_slots(key, plan.actions):
            raise LearntError
        notes = await self._persist(key, owner, plan)
        self._sampling.want(key, plan.looks)
        findings = Findings()
        try:
            findings = await self._carry_out(key, owner, plan)
        finally:
            await self._tell(key, owner, (*notes, *_notes(findings)), now)
        if self._obstacles.drop_expired(key, now) or findings.news:
            raise LearntError
        retries = (obstacle.until for obstacle in self._obstacles.all_for(key))
        return min((at for at in (plan.wake_at, *retries) if at), default=None)

    def _second(self) -> datetime:
        """Now, as times are stored."""
        return self._now().replace(microsecond=0)

    def _forget(self, key: Key) -> None:
        self._obstacles.forget(key)
        self._unwritten.forget(key)
        self._sampling.forget(key)
        self._executor.forget(key)

    def _observed(self, key: Key) -> Observed:
        problems = [obstacle.problem for obstacle in self._obstacles.all_for(key)]
        return replace(
            self._store.observed(key),
            foreign=tuple(each for each in problems if isinstance(each, NameTaken)),
            rejected=tuple(each for each in problems if isinstance(each, WriteDenied)),
            failed=tuple(each for each in problems if isinstance(each, WriteFailed)),
            unkept=tuple(each for each in problems if isinstance(each, WriteNotKept)),
            queued=tuple(each for each in problems if isinstance(each, JobQueued)),
            evidence=self._sampling.evidence(key),
            watched_since=self._watched_since,
        )

    async def _carry_out(self, key: Key, owner: LiveOwner, plan: Plan) -> Findings:
        """Act, after reading live what the actions rely on, since the watch may be behind: the capacity that stays
        before any is taken away, and the guards of a route before it opens."""
        for place, holds in _relied_on(plan):
            began = self._second()
            try:
                live = await self._read_live(key, place)
            except KubeError as error:
                obstacle = self._executor.obstacle_for(key, place, error, fingerprint="", began=began)
                return Findings(new_obstacles=[obstacle] if self._obstacles.add(key, obstacle) else [])
            if not holds(live):
                log.info("%s %s is not by now what the plan relies on: deciding again", *place)
                raise LearntError
        return await self._executor.carry_out(key, owner, plan.actions)

    async def _read_live(self, key: Key, place: tuple[str, str]) -> Manifest:
        kind, name = BY_NAME[place[0]], place[1]
        try:
            live = await self._kube.get(kind, key.namespace, name)
        except NotFoundError as error:
            raise StaleError(kind=kind, name=name, message=error.message) from error
        self._store.put(kind, live)
        return live

    # -- status

    async def _persist(self, key: Key, owner: LiveOwner, plan: Plan) -> tuple[Note, ...]:
        """Write the status if it says anything new. Answers the notes to record: they speak of a change of status."""
        if _stored(owner.status) == plan.status:
            self._unwritten.forget(key)
            return ()
        if self._unwritten.rests(key, plan.status, self._second()):
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
            live = await self._kube.replace_status(MODEL_DEPLOYMENT, manifest)
        except (ConflictError, NotFoundError) as error:
            raise StaleError(kind=MODEL_DEPLOYMENT, name=key.name, message=error.message) from error
        except KubeError as error:
            await self._not_written(key, owner, error, self._second(), status=plan.status)
            raise
        self._store.put(MODEL_DEPLOYMENT, live)
        await self._check_kept(key, owner, plan.status, live)
        return plan.notes

    async def _check_kept(self, key: Key, owner: LiveOwner, asked: ModelDeploymentStatus, live: Manifest) -> None:
        """Report a status that was taken and is not what was written; raises where the operator remembers by it."""
        kept = ModelDeploymentStatus.of_readable(live.get("status") or {})
        changed = changed_fields(asked, kept)
        if not changed:
            self._unwritten.forget(key)
            return
        names = ", ".join(f"status.{name}" for name in sorted(changed))
        message = (
            f"the status does not keep what is written: {names} differs; a webhook, a policy or another controller "
            "changes it: let it leave modeldeployments/status out"
        )
        error = KubeError(NOT_KEPT, "NotKept", message)
        await self._not_written(key, owner, error, self._second(), status=asked, changed=changed)
        if not changed <= FOR_PEOPLE:
            raise error

    async def _not_written(
        self,
        key: Key,
        owner: LiveOwner,
        error: KubeError,
        began: datetime,
        *,
        status: ModelDeploymentStatus | None,
        changed: frozenset[str] = frozenset(),
    ) -> None:
        """Record an Event in the status's place: nothing may be done that the status does not permit."""
        now = self._second()
        message = self._unwritten.record_failure(key, error, began=began, now=now, status=status, changed=changed)
        if message:
            log.error("%s", message)
            note = Note(reason=Reason.STATUS_NOT_WRITTEN, message=message, warning=True)
            await self._tell(key, owner, (note,), self._second())

    async def _tell(self, key: Key, owner: LiveOwner, notes: tuple[Note, ...], now: datetime) -> None:
        """Record notes as Kubernetes Events. Status says the same already: one that is lost is not worth a retry."""
        for note in notes:
            self._telemetry.count_note(note)
            log.log(logging.WARNING if note.warning else logging.INFO, "%s: %s", note.reason, note.message)
            try:
                await self._kube.create_event(event_of(key, owner.uid, note, now))
            except KubeError as error:
                log.warning("The Event %s was not recorded: %s", note.reason, error)

    # -- when the world has moved on

    async def _kept_changing(self, key: Key, stale: StaleError, began: datetime, error: KubeError) -> None:
        """Report an object that somebody changes all the time: as an obstacle, or as a status that is not written."""
        cause = KubeError(409, "Conflict", f"it kept changing under {TRIES} decisions: {stale.message}")
        owner = self._store.owner(key)
        if stale.kind is not MODEL_DEPLOYMENT:
            place = stale.kind.name, stale.name
            self._obstacles.add(
                key, self._executor.obstacle_for(key, place, cause, fingerprint=stale.fingerprint, began=began)
            )
        elif owner:
            await self._not_written(key, owner, cause, began, status=None)

    async def _look_again(self, key: Key, stale: StaleError) -> None:
        """Read live what was stale: the watch will bring it too, but when?"""
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


def _relied_on(plan: Plan) -> Iterator[tuple[tuple[str, str], Callable[[Manifest], bool]]]:
    """What must be there for the actions to be right: kind and name, and a test of the live object."""
    for name, count in plan.relies_on.items():
        yield (DEPLOYMENT.name, name), partial(_has_available, count)
    for place, version in plan.relies_on_guards.items():
        yield place, partial(_is_at, version)


def _has_available(count: int, live: Manifest) -> bool:
    return int((live.get("status") or {}).get("availableReplicas", 0)) >= count


def _is_at(version: str, live: Manifest) -> bool:
    return str(live["metadata"]["resourceVersion"]) == version


def _notes(findings: Findings) -> tuple[Note, ...]:
    """An Event, once, for each write that does not stay and that matters to nothing: no condition mentions those."""
    unkept = (obstacle.problem for obstacle in findings.new_obstacles if isinstance(obstacle.problem, WriteNotKept))
    return tuple(
        Note(reason=Reason.WRITE_NOT_KEPT, message=not_kept(each), warning=True) for each in unkept if not matters(each)
    )


def _stored(status: Mapping[str, Any] | None) -> ModelDeploymentStatus | None:
    """The status that is there; None when there is none or another version wrote what we cannot read."""
    try:
        return ModelDeploymentStatus.model_validate(status) if status else None
    except ValidationError:
        return None
