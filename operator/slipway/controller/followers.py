"""Followers: which ModelDeployments follow which alias of a registered model, so that a change of it wakes them, and
a change of another alias does not."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from slipway.controller.kinds import Key


class Alias(NamedTuple):
    """An alias of a registered model."""

    model: Key
    name: str


def alias_named(namespace: str, spec: Mapping[str, Any]) -> Alias | None:
    """The alias that a ModelDeployment's spec names in place of a version."""
    match spec.get("model"):
        case {"follow": {"model": str(model), "alias": str(alias), **rest}}:
            return Alias(Key(str(rest.get("namespace") or namespace), model), alias)
    return None


class Followers:
    """Keeps them by the alias that they follow."""

    def __init__(self) -> None:
        self._of_model: defaultdict[Key, defaultdict[str, set[Key]]] = defaultdict(lambda: defaultdict(set))
        self._follows: dict[Key, Alias] = {}

    def of(self, model: Key) -> frozenset[Key]:
        """Those that follow a model, by whatever alias."""
        return self.of_aliases(model, self._of_model.get(model, ()))

    def of_aliases(self, model: Key, names: Iterable[str]) -> frozenset[Key]:
        """Those that follow one of some aliases of a model."""
        by_name: Mapping[str, set[Key]] = self._of_model.get(model, {})
        return frozenset().union(*(by_name.get(name, ()) for name in names))

    def keep(self, follower: Key, alias: Alias | None) -> None:
        """Keep what a ModelDeployment follows by now; None for nothing."""
        before = self._follows.pop(follower, None)
        if before is not None:
            self._drop(follower, before)
        if alias is not None:
            self._follows[follower] = alias
            self._of_model[alias.model][alias.name].add(follower)

    def _drop(self, follower: Key, alias: Alias) -> None:
        by_name = self._of_model[alias.model]
        by_name[alias.name].discard(follower)
        if not by_name[alias.name]:
            del by_name[alias.name]
        if not by_name:
            del self._of_model[alias.model]
