"""Lists that Kubernetes merges by key: which item of a live list is which of the one that was asked for."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

_MERGE_KEYS: Final[Mapping[str, tuple[tuple[str, ...], ...]]] = {
    "containers": (("name",),),
    "initContainers": (("name",),),
    "env": (("name",),),
    "volumes": (("name",),),
    "imagePullSecrets": (("name",),),
    "volumeMounts": (("mountPath",),),
    "ports": (("containerPort", "protocol"), ("port", "protocol")),
    "ownerReferences": (("uid",),),
    "topologySpreadConstraints": (("topologyKey", "whenUnsatisfiable"),),
    "conditions": (("type",),),
}
"""By the name of the list, with the alternatives for its key; every other list is one value, in its order."""

_KEY_DEFAULTS: Final = {"protocol": "TCP"}

Items = dict[tuple[Any, ...], Any]
"""The items of a list by their key."""


def by_key(name: str, live: Sequence[Any], desired: Sequence[Any]) -> tuple[Items, Items] | None:
    """Both lists by the key that tells their items apart; None where they are one value."""
    for keys in _MERGE_KEYS.get(name, ()):
        live_items, wanted = _items(live, keys), _items(desired, keys)
        if wanted is not None and live_items is not None:
            return live_items, wanted
    return None


def _items(items: Sequence[Any], keys: tuple[str, ...]) -> Items | None:
    """None when some have no key, or two have the same."""
    keyed: Items = {}
    for item in items:
        key = tuple(item.get(k, _KEY_DEFAULTS.get(k)) for k in keys) if isinstance(item, dict) else (None,)
        if None in key or key in keyed:
            return None
        keyed[key] = item
    return keyed
