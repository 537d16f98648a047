"""The catalogue as it was last seen: of each version its digest, its name and its withdrawal; of its status a hash.

There may be tens of thousands of versions, whose cards are hostile text of up to 8 KiB that nobody decides by. Where
the cluster does not know the kinds, all of this stays empty.
"""

import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Generic, TypeVar

import orjson

from slipway.controller.kinds import MODEL_VERSION, Key, Kind
from slipway.core.catalogue.facts import RegisteredModelFacts, VersionFacts, Withdrawal
from slipway.core.catalogue.withdrawal import withdrawals_by_digest
from slipway.core.names import Manifest

log = logging.getLogger(__name__)

MOST_OBJECTS: Final = 30_000
"""Of both kinds kept in a namespace, at up to a kilobyte each. Anybody who may publish may make them."""

Facts = TypeVar("Facts", RegisteredModelFacts, VersionFacts)
Named = Iterable[tuple[Key, object]]
"""Every ModelDeployment."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry(Generic[Facts]):
    """An object of the catalogue."""

    uid: str
    resource_version: str
    facts: Facts
    status: int | None
    """Hash of the status that it has; None for none."""


def status_hash(status: Mapping[str, Any] | None) -> int | None:
    """A hash of a status, for this process alone."""
    return hash(orjson.dumps(status, option=orjson.OPT_SORT_KEYS)) if status else None


class Catalogue:
    """Keeps projections of RegisteredModels and ModelVersions, and which of them are to be looked at again."""

    def __init__(self, platform_namespaces: frozenset[str] = frozenset()) -> None:
        self.platform_namespaces = platform_namespaces
        """Withdrawals of versions that these have published hold in every namespace."""
        self.models: dict[Key, Entry[RegisteredModelFacts]] = {}
        self.versions: dict[Key, Entry[VersionFacts]] = {}
        self.changed_models: set[Key] = set()
        self.changed_versions: set[Key] = set()
        self._of_model: defaultdict[Key, set[Key]] = defaultdict(set)
        self._of_digest: defaultdict[str, set[Key]] = defaultdict(set)
        self._withdrawn: dict[Key, VersionFacts] = {}
        self._in_force: dict[str, Mapping[str, Withdrawal]] = {}
        self._count: defaultdict[str, int] = defaultdict(int)
        self._full: set[str] = set()

    # -- looking

    def uid(self, kind: Kind, namespace: str | None, name: str) -> str | None:
        """The uid of the object that has this name now."""
        entry = self.entry(kind, Key(namespace or "", name))
        return entry.uid if entry else None

    def entry(self, kind: Kind, key: Key) -> Entry[Any] | None:
        """An object as it is kept."""
        return self.versions.get(key) if kind is MODEL_VERSION else self.models.get(key)

    def has_room(self, namespace: str | None) -> bool:
        """Whether one more object of a namespace is kept. That one is not is logged once."""
        if self._count[namespace or ""] < MOST_OBJECTS:
            self._full.discard(namespace or "")
            return True
        if namespace not in self._full:
            self._full.add(namespace or "")
            log.warning(
                "Namespace %s has more than %d objects of the catalogue: not all are read", namespace, MOST_OBJECTS
            )
        return False

    def withdrawals(self, namespace: str) -> Mapping[str, Withdrawal]:
        """The withdrawals that hold in a namespace, by digest."""
        if not self._withdrawn:
            return _NONE
        if namespace not in self._in_force:
            versions = ((key.namespace, facts) for key, facts in self._withdrawn.items())
            self._in_force[namespace] = withdrawals_by_digest(
                versions, namespace=namespace, everywhere=self.platform_namespaces
            )
        return self._in_force[namespace]

    def versions_of(self, model: Key) -> dict[str, VersionFacts]:
        """The published versions of a model."""
        found = map(self.version, self._of_model.get(model, ()))
        return {facts.version: facts for facts in found if facts}

    def with_digest(self, digest: str) -> Iterator[Key]:
        """The versions that have a digest."""
        return iter(tuple(self._of_digest.get(digest, ())))

    def version(self, key: Key) -> VersionFacts | None:
        """A version's facts."""
        entry = self.versions.get(key)
        return entry.facts if entry else None

    def model(self, key: Key) -> RegisteredModelFacts | None:
        """A model's facts."""
        entry = self.models.get(key)
        return entry.facts if entry else None

    # -- learning

    def keep(self, kind: Kind, manifest: Manifest, named: Named) -> frozenset[Key]:
        """Keep an object as it is now. Answers the ModelDeployments that it concerns."""
        meta = manifest["metadata"]
        key = Key(meta["namespace"], meta["name"])
        if kind is MODEL_VERSION:
            version = VersionFacts.of(manifest)
            before = self._replace(self.versions, key, _entry(manifest, version))
            return self._version_changed(key, before, version, named)
        model = RegisteredModelFacts.of(manifest)
        self._model_changed(key, self._replace(self.models, key, _entry(manifest, model)), model)
        return frozenset()

    def drop(self, kind: Kind, namespace: str | None, name: str, named: Named) -> frozenset[Key]:
        """Drop an object that is gone. Answers the ModelDeployments that it concerns."""
        key = Key(namespace or "", name)
        if kind is MODEL_VERSION:
            version = self._replace(self.versions, key, None)
            return self._version_changed(key, version, None, named) if version else frozenset()
        if model := self._replace(self.models, key, None):
            self._model_changed(key, model, None)
        return frozenset()

    def _replace(self, kept: dict[Key, Entry[Facts]], key: Key, entry: Entry[Facts] | None) -> Facts | None:
        """Keep an object in the place of what had its name, or nothing. Answers the facts of what was there."""
        before = kept.get(key)
        if entry is not None:
            kept[key] = entry
        elif before is not None:
            del kept[key]
        self._count[key.namespace] += (entry is not None) - (before is not None)
        return before.facts if before else None

    def _model_changed(self, key: Key, before: RegisteredModelFacts | None, now: RegisteredModelFacts | None) -> None:
        if now is None:
            self.changed_models.discard(key)
        else:
            self.changed_models.add(key)
        if _shared_with(before) != _shared_with(now):
            self.changed_versions |= self._of_model.get(key, set())

    def _version_changed(
        self, key: Key, before: VersionFacts | None, now: VersionFacts | None, named: Named
    ) -> frozenset[Key]:
        for facts, add in ((before, False), (now, True)):
            if facts is not None and before != now:
                self.changed_models.add(model := Key(key.namespace, facts.model))
                _index(self._of_model, model, key, add=add)
                _index(self._of_digest, facts.digest, key, add=add)
        if now is None:
            self.changed_versions.discard(key)
        else:
            self.changed_versions.add(key)
        was, withdrawal = before and before.withdrawal, now and now.withdrawal
        if was == withdrawal and (withdrawal is None or (before and now and before.digest == now.digest)):
            return frozenset()
        if withdrawal and now:
            self._withdrawn[key] = now
        else:
            self._withdrawn.pop(key, None)
        self._in_force.clear()
        everywhere = key.namespace in self.platform_namespaces
        return frozenset(each for each, _ in named if everywhere or each.namespace == key.namespace)


_NONE: Final[Mapping[str, Withdrawal]] = MappingProxyType({})


def _entry(manifest: Manifest, facts: Facts) -> Entry[Facts]:
    meta = manifest["metadata"]
    status = status_hash(manifest.get("status"))
    return Entry(uid=meta["uid"], resource_version=meta["resourceVersion"], facts=facts, status=status)


def _shared_with(facts: RegisteredModelFacts | None) -> frozenset[str]:
    return facts.shared_with if facts else frozenset()


def _index(index: defaultdict[Any, set[Key]], at: Any, key: Key, *, add: bool) -> None:
    if add:
        index[at].add(key)
        return
    index[at].discard(key)
    if not index[at]:
        del index[at]
