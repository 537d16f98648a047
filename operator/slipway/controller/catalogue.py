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

from slipway.api.v1alpha1.catalogue import WithdrawalAction, object_name
from slipway.controller.followers import Alias, Followers
from slipway.controller.kinds import MODEL_VERSION, Key, Kind
from slipway.core.catalogue.alias import is_shared
from slipway.core.catalogue.facts import Followed, RegisteredModelFacts, VersionFacts, Withdrawal
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
        self.followers = Followers()
        self._withdrawn: defaultdict[str, dict[Key, VersionFacts]] = defaultdict(dict)
        """By namespace: what one withdraws costs a look at another nothing."""
        self._in_force: dict[str, Mapping[str, Withdrawal]] = {}
        self._in_force_of: dict[Key, Mapping[str, Withdrawal]] = {}
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
            reach = {namespace, *self.platform_namespaces}
            versions = ((each, facts) for each in reach for facts in self._withdrawn.get(each, {}).values())
            self._in_force[namespace] = withdrawals_by_digest(
                versions, namespace=namespace, everywhere=self.platform_namespaces
            )
        return self._in_force[namespace]

    def withdrawals_for(self, namespace: str, alias: Alias | None) -> Mapping[str, Withdrawal]:
        """The same, with those of the model whose alias is followed: whoever follows it elsewhere has chosen to go by
        its owner's word."""
        own = self.withdrawals(namespace)
        model = self.model(alias.model) if alias else None
        if alias is None or model is None or alias.model.namespace == namespace or not self._withdrawn:
            return own
        if not is_shared(model, alias.model.namespace, namespace):
            return own
        if alias.model not in self._in_force_of:
            owner, name = alias.model
            of_model = ((owner, each) for each in self._withdrawn.get(owner, {}).values() if each.model == name)
            self._in_force_of[alias.model] = withdrawals_by_digest(of_model, namespace=owner)
        theirs = self._in_force_of[alias.model]
        return {**theirs, **{digest: each for digest, each in own.items() if not _warns_less(each, theirs.get(digest))}}

    def followed(self, alias: Alias) -> Followed:
        """What an alias that is followed shows."""
        model = self.model(alias.model)
        means = model.aliases.get(alias.name) if model else None
        if means is None:
            return Followed(model=model)
        version = self.version(Key(alias.model.namespace, object_name(alias.model.name, means.version)))
        return Followed(model=model, version=version if version and version.model == alias.model.name else None)

    def versions_of(self, model: Key) -> dict[str, VersionFacts]:
        """The published versions of a model."""
        versions = map(self.version, self._of_model.get(model, ()))
        return {facts.version: facts for facts in versions if facts}

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
        return self._model_changed(key, self._replace(self.models, key, _entry(manifest, model)), model)

    def drop(self, kind: Kind, namespace: str | None, name: str, named: Named) -> frozenset[Key]:
        """Drop an object that is gone. Answers the ModelDeployments that it concerns."""
        key = Key(namespace or "", name)
        if kind is MODEL_VERSION:
            version = self._replace(self.versions, key, None)
            return self._version_changed(key, version, None, named) if version else frozenset()
        if model := self._replace(self.models, key, None):
            return self._model_changed(key, model, None)
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

    def _model_changed(
        self, key: Key, before: RegisteredModelFacts | None, now: RegisteredModelFacts | None
    ) -> frozenset[Key]:
        if now is None:
            self.changed_models.discard(key)
        else:
            self.changed_models.add(key)
        if _shared_with(before) != _shared_with(now):
            self.changed_versions |= self._of_model.get(key, set())
        if before is None or now is None or before.shared_with != now.shared_with:
            return self.followers.of(key)
        return self.followers.of_aliases(key, _moved(before, now))

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
        models = {Key(key.namespace, facts.model) for facts in (before, now) if facts and before != now}
        was, withdrawal = before and before.withdrawal, now and now.withdrawal
        if was == withdrawal and (withdrawal is None or (before and now and before.digest == now.digest)):
            return frozenset().union(*(self.followers.of_aliases(each, self._meaning(each, key)) for each in models))
        self._withdrawal_changed(key, now if withdrawal else None)
        everywhere = key.namespace in self.platform_namespaces
        followers = frozenset().union(*map(self.followers.of, models))
        return followers | frozenset(each for each, _ in named if everywhere or each.namespace == key.namespace)

    def _withdrawal_changed(self, key: Key, withdrawn: VersionFacts | None) -> None:
        if withdrawn:
            self._withdrawn[key.namespace][key] = withdrawn
        else:
            self._withdrawn[key.namespace].pop(key, None)
        if not self._withdrawn[key.namespace]:
            del self._withdrawn[key.namespace]
        if key.namespace in self.platform_namespaces:
            self._in_force.clear()
        self._in_force.pop(key.namespace, None)
        for model in [each for each in self._in_force_of if each.namespace == key.namespace]:
            del self._in_force_of[model]

    def _meaning(self, model: Key, version: Key) -> Iterator[str]:
        """The aliases of a model that mean a version."""
        aliases = facts.aliases if (facts := self.model(model)) else {}
        return (name for name, each in aliases.items() if object_name(model.name, each.version) == version.name)


_NONE: Final[Mapping[str, Withdrawal]] = MappingProxyType({})


def _entry(manifest: Manifest, facts: Facts) -> Entry[Facts]:
    meta = manifest["metadata"]
    status = status_hash(manifest.get("status"))
    return Entry(uid=meta["uid"], resource_version=meta["resourceVersion"], facts=facts, status=status)


def _shared_with(facts: RegisteredModelFacts | None) -> frozenset[str]:
    return facts.shared_with if facts else frozenset()


def _moved(before: RegisteredModelFacts, now: RegisteredModelFacts) -> Iterator[str]:
    """The aliases that were given another version, or taken away."""
    was, means = ({name: each.version for name, each in facts.aliases.items()} for facts in (before, now))
    return (name for name in was.keys() | means.keys() if was.get(name) != means.get(name))


def _warns_less(own: Withdrawal, other: Withdrawal | None) -> bool:
    """Whether the other one bars what this one only warns of."""
    return other is not None and own.action is WithdrawalAction.WARN and other.action is WithdrawalAction.BLOCK


def _index(index: defaultdict[Any, set[Key]], at: Any, key: Key, *, add: bool) -> None:
    if add:
        index[at].add(key)
        return
    index[at].discard(key)
    if not index[at]:
        del index[at]
