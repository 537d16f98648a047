"""The store: objects of the cluster, from watches, listings and the answers to our own writes.

Objects are projected on the way in (thousands of pods in tens of megabytes) and grouped by the ModelDeployment that
they belong to. No version older than the stored one ever comes in, whoever brings it. Anybody may make objects that
carry our label: of those that no ModelDeployment owns only a few small ones are kept in a namespace, and of the others
so many bytes. Of what is not kept or cannot be read the version is: it is no news, and the watch owes nothing of it.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from math import inf
from types import MappingProxyType
from typing import Any, Final

from slipway.controller.buried import Buried
from slipway.controller.catalogue import Catalogue
from slipway.controller.coverage import Coverage
from slipway.controller.family import (
    Belonging,
    Family,
    LiveOwner,
    belonging_of,
    is_controlled_by,
    is_cut,
    is_small,
    member_of,
    size_of,
    without_spec,
)
from slipway.controller.followers import Alias
from slipway.controller.kinds import (
    CATALOGUE,
    CHILDREN,
    DEPLOYMENT,
    MODEL_DEPLOYMENT,
    RESOURCE_CLAIM,
    SCALED_OBJECT,
    Key,
    Kind,
)
from slipway.controller.running_jobs import RunningJob, RunningJobs
from slipway.controller.shared_objects import Room, SharedObjects
from slipway.controller.unread import Unread, UnreadObjects
from slipway.core.body import instant
from slipway.core.catalogue.facts import Followed
from slipway.core.names import MODEL_DEPLOYMENT as OWNER_LABEL
from slipway.core.names import Manifest
from slipway.core.observed.devices import holds_devices
from slipway.core.observed.objects import Child, Observed
from slipway.core.observed.revision import is_running
from slipway.core.reasons import NOT_GRANTED

CATALOGUE_NAMES: Final = frozenset(kind.name for kind in CATALOGUE)
MOST_STRANGERS: Final = 100
"""Objects kept in a namespace that carry our label and that no ModelDeployment controls."""
MOST_BYTES: Final = 96 * 1024 * 1024
"""Kept of a namespace. A thousand ModelDeployments with all their children and histories have 60 MB."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where an object is kept, and which version of it."""

    namespace: str | None
    belonging: Belonging
    name: str
    version: int
    size: int = 0


class Store:
    """Keeps slim copies of every object that concerns us."""

    def __init__(self) -> None:
        self.synced = False
        """Whether the first full listing is in. Before that absence means nothing."""
        self.coverage = Coverage()
        self.catalogue = Catalogue()
        self._families: dict[Key, Family] = {}
        self._shared_objects = SharedObjects()
        self._places: dict[str, dict[str, _Place]] = {}
        self._strangers: Counter[str | None] = Counter()
        self._bytes: Counter[str | None] = Counter()
        self._unread = UnreadObjects()
        self._running_jobs = RunningJobs()
        self._buried = Buried()

    # -- looking

    def owner(self, key: Key) -> LiveOwner | None:
        """The ModelDeployment, if there is one."""
        family = self._families.get(key)
        return family.owner if family else None

    def owners(self) -> Iterator[tuple[Key, LiveOwner]]:
        """Every ModelDeployment."""
        return ((key, family.owner) for key, family in self._families.items() if family.owner is not None)

    def resolving(self, most: int) -> Iterator[tuple[tuple[Key, str], datetime | None]]:
        """The resolve Jobs that run, at most so many of a namespace, with whose they are, and since when."""
        for jobs in self._running_jobs.by_namespace():
            for job in islice(filter(self._is_owned, jobs), most):
                yield (job.key, job.name), job.begun

    def _is_owned(self, job: RunningJob) -> bool:
        owner = self.owner(job.key)
        return owner is not None and owner.uid == job.owner_uid

    def observed(self, key: Key) -> Observed:
        """The objects around one ModelDeployment. The mapping is live: use it before the next await."""
        family = self._families.get(key) or Family()
        alias = family.owner.follows if family.owner else None
        unknown, unlisted = self.coverage.unknown_kinds, self.coverage.unlisted_kinds(key.namespace)
        return Observed(
            children=MappingProxyType(family.children),
            pods=tuple(family.pods.values()),
            nodes=self._shared_objects.nodes,
            devices=self._shared_objects.devices(unknown | unlisted),
            unknown=unknown,
            unlisted=unlisted,
            blind=self.coverage.why_blind(key.namespace),
            gateways=self._shared_objects.gateways(unknown | unlisted),
            too_much=_too_much(key.namespace) if self._unread.lacks_room(key.namespace) else "",
            withdrawals=self.catalogue.withdrawals_for(key.namespace, alias),
            followed=self._followed(alias) if alias else None,
        )

    def _followed(self, alias: Alias) -> Followed:
        """What the catalogue shows of an alias; where a kind of it was never listed, why."""
        namespace = alias.model.namespace
        if not self.coverage.unknown_kinds.isdisjoint(CATALOGUE_NAMES):
            return Followed(unseen="the cluster has no catalogue: install the CRDs of RegisteredModel and ModelVersion")
        if not self.coverage.unlisted_kinds(namespace).isdisjoint(CATALOGUE_NAMES):
            return Followed(unseen=f"the operator cannot list the catalogue in namespace {namespace}; {NOT_GRANTED}")
        return self.catalogue.followed(alias)

    def vital_state(self, kind: Kind, uid: str) -> tuple[Any, ...] | None:
        """The state of an object whose changes are urgent; None where none are."""
        place = self._places.get(kind.name, {}).get(uid)
        family = self._families.get(place.belonging.key) if place and place.belonging.key else None
        return family.vital_state(kind, place.name) if family and place else None

    def count(self, kind: Kind) -> int:
        """How many objects of a kind are stored."""
        return len(self._places.get(kind.name, ()))

    def version(self, kind: Kind, uid: str) -> int:
        """The stored version of an object; -1 when none is."""
        place = self._places.get(kind.name, {}).get(uid)
        return place.version if place else -1

    def unread(self) -> Iterable[Unread]:
        """Objects of which nothing, or not all, is kept."""
        return self._unread.all()

    def keeps(self, kind: Kind, manifest: Manifest) -> bool:
        """Whether the object is kept, or would be."""
        meta = manifest["metadata"]
        is_kept = meta["uid"] in self._places.get(kind.name, {})
        return self._has_room(kind, self._belonging(kind, meta), manifest, is_kept=is_kept)

    # -- learning

    def put(self, kind: Kind, manifest: Manifest) -> frozenset[Key]:
        """Keep an object as it is now. Answers the ModelDeployments that it concerns; none when it is not newer."""
        meta = manifest["metadata"]
        uid, version = meta["uid"], int(meta["resourceVersion"])
        places = self._places.setdefault(kind.name, {})
        kept = places.get(uid)
        # The version at which an object lost the label that a watch selects by is one that it still has.
        if version < self._buried.gone_at(uid) or (kept and kept.version >= version):
            return frozenset()
        belonging = self._belonging(kind, meta)
        moved = kept is not None and kept.belonging != belonging  # somebody changed our label, or whose it is
        concerned = self._take_out(kind, uid) if moved else frozenset()
        if not self._has_room(kind, belonging, manifest, is_kept=kept is not None and not moved):
            return concerned | (self.remove(kind, uid, version) if kept else frozenset())
        incumbent = self._incumbent(kind, belonging.key, meta)
        if incumbent not in (None, uid):  # of two objects of one name the newer is the successor
            if places[str(incumbent)].version > version:
                return concerned
            self._forget(kind, str(incumbent))
        self._remember(kind, uid, _Place(meta.get("namespace"), belonging, meta["name"], version))
        return concerned | self._keep(kind, belonging.key, manifest)

    def remove(self, kind: Kind, uid: str, version: float = inf) -> frozenset[Key]:
        """Drop an object that is gone; events of it that are not newer than `version` will not bring it back.

        Watches report the same of an object that only lost the label that they select by: that one may come back.
        """
        self._buried.bury(uid, version)
        return self._take_out(kind, uid)

    def evict(self, kind: Kind, namespace: str | None, listed: Mapping[str, int], version: int) -> frozenset[Key]:
        """Drop objects that a listing of that version no longer has. Newer ones stay."""
        ghosts = [
            uid
            for uid, place in self._places.get(kind.name, {}).items()
            if uid not in listed and place.version <= version and namespace in (None, place.namespace)
        ]
        return frozenset().union(*(self.remove(kind, uid, version) for uid in ghosts))

    def forget_the_dead(self) -> None:
        """Forget old deletions, once per resync: no event is on its way for longer than that."""
        self._buried.age()

    def put_scale(self, key: Key, scale: Manifest) -> None:
        """Carry the Scale that answers our write through /scale over to the stored Deployment."""
        family = self._families.get(key)
        child = family.children.get(("Deployment", scale["metadata"]["name"])) if family else None
        if child is None:
            return
        body = child.body
        meta, spec = body["metadata"], body["spec"]
        replicas = scale["spec"].get("replicas", 0)
        if spec.get("replicas") != replicas:
            spec["replicas"] = replicas
            meta["generation"] = meta.get("generation", 0) + 1  # else its status would pass for the new count's
        meta["resourceVersion"] = scale["metadata"]["resourceVersion"]
        self.put(DEPLOYMENT, body)

    # -- bookkeeping

    def _has_room(self, kind: Kind, belonging: Belonging, manifest: Manifest, *, is_kept: bool) -> bool:
        """Whether an object is kept: what is ours always, a stranger's while it is small and one of few. Of claims,
        which anybody makes, those that hold devices."""
        if kind is RESOURCE_CLAIM:
            return holds_devices(manifest)
        if kind in CATALOGUE:
            return is_kept or self.catalogue.has_room(manifest["metadata"].get("namespace"))
        if not belonging.stranger:
            return True
        few = is_kept or self._strangers[manifest["metadata"].get("namespace")] < MOST_STRANGERS
        return belonging.key is not None and few and is_small(manifest)

    def _belonging(self, kind: Kind, meta: Mapping[str, Any]) -> Belonging:
        belonging = belonging_of(kind, meta)
        if belonging.stranger or belonging.key is None or kind not in CHILDREN:
            return belonging
        owner = self.owner(belonging.key)
        owned = owner is not None and (is_controlled_by(meta, owner.uid) or self._is_kedas(belonging.key, owner, meta))
        return belonging._replace(stranger=not owned)

    def _is_kedas(self, key: Key, owner: LiveOwner, meta: Mapping[str, Any]) -> bool:
        """Whether KEDA made an object of a ScaledObject that is a child of this ModelDeployment."""
        children = self._families[key].children.values()
        scaled = (child for child in children if child.kind == SCALED_OBJECT.name and child.owner_uid == owner.uid)
        return any(is_controlled_by(meta, child.uid) for child in scaled)

    def _keep(self, kind: Kind, key: Key | None, manifest: Manifest) -> frozenset[Key]:
        """Project an object. Answers whom it concerns. What cannot be read is left out: anybody may write it."""
        before, uid = self._shared_objects.room, manifest["metadata"]["uid"]
        try:
            if key is None:
                concerned = self._keeper(kind).keep(kind, manifest, self._gateways())
                self._unread.drop(uid)
                return concerned | self._wait_for_room(before)
            self._keep_member(kind, key, manifest)
        # The boundary to whatever an API server may store.
        except Exception as error:  # noqa: BLE001
            self._unread.add(kind, manifest, f"cannot be read: {error!r}")
        return frozenset({key} if key else ())

    def _keep_member(self, kind: Kind, key: Key, manifest: Manifest) -> None:
        meta, family = manifest["metadata"], self._families.setdefault(key, Family())
        uid, name = meta["uid"], meta["name"]
        member = member_of(kind, manifest)
        if size_of(member) > MOST_BYTES - self._bytes[key.namespace]:
            self._unread.add(kind, manifest, f"has no room: {_too_much(key.namespace)}", too_much=True)
            least = without_spec(member)
            if least is None:
                return
            member = least
        elif is_cut(member):
            self._unread.add(kind, manifest, "cannot be read whole: its spec is nested too deep")
        else:
            self._unread.drop(uid)
        family.keep(kind, name, member)
        if isinstance(member, LiveOwner):
            self.catalogue.followers.keep(key, member.follows)
        if isinstance(member, Child) and member.kind == "Job" and is_running(member):
            job = RunningJob(key, name, instant(meta.get("creationTimestamp")), member.owner_uid)
            self._running_jobs.add(uid, job)
        self._places[kind.name][uid] = replace(self._places[kind.name][uid], size=size_of(member))
        self._bytes[key.namespace] += size_of(member)

    def _wait_for_room(self, before: Room) -> frozenset[Key]:
        """Those with a pod that no node fits, where what it may find has changed: their message says what there is."""
        room = self._shared_objects.room
        if room == before:
            return frozenset()
        waiting = ((key, family.pods.values()) for key, family in self._families.items())
        return frozenset(key for key, pods in waiting if any(room.is_news_to(pod, before) for pod in pods))

    def _keeper(self, kind: Kind) -> SharedObjects | Catalogue:
        """Where objects of a kind are kept that belong to no ModelDeployment."""
        return self.catalogue if kind in CATALOGUE else self._shared_objects

    def _gateways(self) -> Iterator[tuple[Key, tuple[str, str] | None]]:
        return ((key, owner.gateway) for key, owner in self.owners())

    def _incumbent(self, kind: Kind, key: Key | None, meta: Mapping[str, Any]) -> str | None:
        """The uid of the object that has this name now."""
        if key is None:
            return self._keeper(kind).uid(kind, meta.get("namespace"), meta["name"])
        family = self._families.get(key)
        return family.uid(kind, meta["name"]) if family else None

    def _remember(self, kind: Kind, uid: str, place: _Place) -> None:
        self._forget(kind, uid)
        self._places[kind.name][uid] = place
        self._strangers[place.namespace] += place.belonging.stranger

    def _forget(self, kind: Kind, uid: str) -> _Place | None:
        place = self._places.get(kind.name, {}).pop(uid, None)
        if place:
            self._strangers[place.namespace] -= place.belonging.stranger
            self._bytes[place.namespace] -= place.size
            self._running_jobs.drop(place.namespace, uid)
        return place

    def _take_out(self, kind: Kind, uid: str) -> frozenset[Key]:
        place = self._forget(kind, uid)
        self._unread.drop(uid)
        if place is None:
            return frozenset()
        key = place.belonging.key
        if key is None:
            before = self._shared_objects.room
            concerned = self._keeper(kind).drop(kind, place.namespace, place.name, self._gateways())
            return concerned | self._wait_for_room(before)
        family = self._families[key]
        if family.uid(kind, place.name) == uid:  # not where it could not be read and another has its name
            family.drop(kind, place.name)
            if kind is MODEL_DEPLOYMENT:
                self.catalogue.followers.keep(key, None)
        if family.empty:
            del self._families[key]
        return frozenset({key})


def versions(manifests: Iterable[Manifest]) -> dict[str, int]:
    """Version by uid."""
    return {m["metadata"]["uid"]: int(m["metadata"]["resourceVersion"]) for m in manifests}


def _too_much(namespace: str) -> str:
    return (
        f"the objects with the label {OWNER_LABEL} in namespace {namespace} take more than "
        f"{MOST_BYTES // 1024**2} MiB of the operator's memory"
    )
