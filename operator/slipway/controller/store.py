"""What the cluster looks like, as far as watches, listings and the answers to our own writes have told.

Objects are projected on the way in (thousands of pods in tens of megabytes) and grouped by the ModelDeployment that
their label names. Nothing older than what is known ever comes in, whoever brings it.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from math import inf
from types import MappingProxyType
from typing import Any

from slipway.controller.kinds import (
    DEPLOYMENT,
    MODEL_DEPLOYMENT,
    POD,
    SURROUNDINGS,
    Key,
    Kind,
)
from slipway.controller.surroundings import Surroundings
from slipway.core.facts import Child, NodeFacts, Observed, PodFacts, pod_facts
from slipway.core.names import MODEL_DEPLOYMENT as OWNER_LABEL
from slipway.core.names import REQUEST, Manifest


@dataclass(frozen=True, kw_only=True, slots=True)
class LiveOwner:
    """A ModelDeployment as it was last seen: `spec` and `status` as stored, whatever they hold."""

    uid: str
    generation: int
    resource_version: str
    deleting: bool
    spec: Mapping[str, Any]
    status: Mapping[str, Any] | None
    request: str | None
    """The annotation by which people ask for something."""


@dataclass(slots=True)
class _Family:
    """A ModelDeployment and everything that carries its label."""

    owner: LiveOwner | None = None
    children: dict[tuple[str, str], Child] = field(default_factory=dict)
    pods: dict[str, PodFacts] = field(default_factory=dict)

    @property
    def empty(self) -> bool:
        return self.owner is None and not self.children and not self.pods


@dataclass(frozen=True, slots=True)
class _Place:
    """Where an object is kept, and which version of it."""

    namespace: str | None
    key: Key | None
    name: str
    version: int


class Store:
    """Slim copies of every object that concerns us."""

    def __init__(self) -> None:
        self.synced = False
        """Whether the first full listing is in. Before that absence means nothing."""
        self.unknown_kinds: frozenset[str] = frozenset()
        """Kinds that the cluster does not know."""
        self.refused_kinds: frozenset[str] = frozenset()
        """Kinds that RBAC does not let us read."""
        self._families: dict[Key, _Family] = {}
        self._surroundings = Surroundings()
        self._places: dict[str, dict[str, _Place]] = {}
        self._buried: dict[str, float] = {}
        self._buried_before: dict[str, float] = {}

    # -- looking

    def owner(self, key: Key) -> LiveOwner | None:
        """The ModelDeployment, if there is one."""
        family = self._families.get(key)
        return family.owner if family else None

    def owners(self) -> Iterator[tuple[Key, LiveOwner]]:
        """Every ModelDeployment."""
        return ((key, family.owner) for key, family in self._families.items() if family.owner is not None)

    def observed(self, key: Key) -> Observed:
        """What there is around one ModelDeployment. The mapping is live: use it before the next await."""
        family = self._families.get(key) or _Family()
        return Observed(
            children=MappingProxyType(family.children),
            pods=tuple(family.pods.values()),
            nodes=self._surroundings.nodes,
            unknown=self.unknown_kinds,
            unlisted=self.refused_kinds,
            gateways=self._surroundings.gateways(self.unknown_kinds | self.refused_kinds),
        )

    def count(self, kind: Kind) -> int:
        """How many objects of a kind are known."""
        return len(self._places.get(kind.name, ()))

    def version(self, kind: Kind, uid: str) -> int:
        """Which version of an object is known; -1 when none is."""
        place = self._places.get(kind.name, {}).get(uid)
        return place.version if place else -1

    # -- learning

    def put(self, kind: Kind, manifest: Manifest) -> frozenset[Key]:
        """Take in an object as it is now. Answers whom it concerns; nobody when it is no news."""
        meta = manifest["metadata"]
        uid, version = meta["uid"], int(meta["resourceVersion"])
        places = self._places.setdefault(kind.name, {})
        known = places.get(uid)
        # The version at which an object lost the label that a watch selects by is one that it still has.
        if version < self._gone_at(uid) or (known and known.version >= version):
            return frozenset()
        key = _owner_of(kind, meta)
        concerned = frozenset({key} if key else ())
        if known and known.key != key:  # somebody took our label off, or gave it to another
            concerned |= self._take_out(kind, uid)
        if key is None and kind not in SURROUNDINGS:
            return concerned
        incumbent = self._incumbent(kind, key, meta)
        if incumbent not in (None, uid):  # of two objects of one name the newer is the successor
            if places[str(incumbent)].version > version:
                return frozenset()
            del places[str(incumbent)]
        places[uid] = _Place(meta.get("namespace"), key, meta["name"], version)
        return concerned | self._keep(kind, key, manifest)

    def remove(self, kind: Kind, uid: str, version: float = inf) -> frozenset[Key]:
        """An object is gone, and news of it that is not newer than `version` will not bring it back.

        Watches say the same of an object that only lost the label that they select by: that one may come back.
        """
        self._buried[uid] = max(version, self._gone_at(uid))
        return self._take_out(kind, uid)

    def evict(self, kind: Kind, namespace: str | None, listed: Mapping[str, int], version: int) -> frozenset[Key]:
        """Drop what a listing of that moment no longer has. What is newer than the listing stays."""
        ghosts = [
            uid
            for uid, place in self._places.get(kind.name, {}).items()
            if uid not in listed and place.version <= version and namespace in (None, place.namespace)
        ]
        return frozenset().union(*(self.remove(kind, uid, version) for uid in ghosts))

    def forget_the_dead(self) -> None:
        """Once per resync: news does not travel for longer than that."""
        self._buried_before, self._buried = self._buried, {}

    def scaled(self, key: Key, scale: Manifest) -> None:
        """Our own write through /scale answers with a Scale; carry it over to the Deployment that we know."""
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

    def _gone_at(self, uid: str) -> float:
        return max(self._buried.get(uid, -1), self._buried_before.get(uid, -1))

    def _keep(self, kind: Kind, key: Key | None, manifest: Manifest) -> frozenset[Key]:
        """Project it. Answers who is concerned beside the ModelDeployment that its label names."""
        name = manifest["metadata"]["name"]
        if key is None:
            nodes = self._surroundings.nodes
            return self._surroundings.keep(kind, manifest, self._specs()) | self._wait_for_a_node(nodes)
        family = self._families.setdefault(key, _Family())
        if kind is MODEL_DEPLOYMENT:
            family.owner = _live_owner(manifest)
        elif kind is POD:
            family.pods[name] = pod_facts(manifest)
        else:
            family.children[kind.name, name] = Child.of(manifest)
        return frozenset()

    def _wait_for_a_node(self, before: tuple[NodeFacts, ...]) -> frozenset[Key]:
        """Those with a pod that no node fits, where nodes have changed: their message says what the nodes have."""
        if self._surroundings.nodes is before:
            return frozenset()
        waiting = ((key, family.pods.values()) for key, family in self._families.items())
        return frozenset(key for key, pods in waiting if any(pod.unschedulable is not None for pod in pods))

    def _specs(self) -> Iterator[tuple[Key, Mapping[str, Any]]]:
        return ((key, owner.spec) for key, owner in self.owners())

    def _incumbent(self, kind: Kind, key: Key | None, meta: Mapping[str, Any]) -> str | None:
        """The uid of the object that has this name now."""
        name = meta["name"]
        if key is None:
            return self._surroundings.uid(kind, meta.get("namespace"), name)
        family = self._families.get(key) or _Family()
        if kind is MODEL_DEPLOYMENT:
            return family.owner.uid if family.owner else None
        if kind is POD:
            pod = family.pods.get(name)
            return pod.uid if pod else None
        child = family.children.get((kind.name, name))
        return child.uid if child else None

    def _take_out(self, kind: Kind, uid: str) -> frozenset[Key]:
        place = self._places.get(kind.name, {}).pop(uid, None)
        if place is None:
            return frozenset()
        if place.key is None:
            nodes = self._surroundings.nodes
            return self._surroundings.drop(kind, place.namespace, place.name, self._specs()) | self._wait_for_a_node(
                nodes
            )
        family = self._families[place.key]
        if kind is MODEL_DEPLOYMENT:
            family.owner = None
        elif kind is POD:
            family.pods.pop(place.name, None)
        else:
            family.children.pop((kind.name, place.name), None)
        if family.empty:
            del self._families[place.key]
        return frozenset({place.key})


def versions(manifests: Iterable[Manifest]) -> dict[str, int]:
    """Version by uid."""
    return {m["metadata"]["uid"]: int(m["metadata"]["resourceVersion"]) for m in manifests}


def _owner_of(kind: Kind, meta: Mapping[str, Any]) -> Key | None:
    if kind in SURROUNDINGS:
        return None
    name = meta["name"] if kind is MODEL_DEPLOYMENT else (meta.get("labels") or {}).get(OWNER_LABEL)
    return Key(meta["namespace"], name) if name else None


def _live_owner(manifest: Manifest) -> LiveOwner:
    meta = manifest["metadata"]
    return LiveOwner(
        uid=meta["uid"],
        generation=meta.get("generation", 1),
        resource_version=meta["resourceVersion"],
        deleting="deletionTimestamp" in meta,
        spec=manifest.get("spec") or {},
        status=manifest.get("status"),
        request=(meta.get("annotations") or {}).get(REQUEST),
    )
