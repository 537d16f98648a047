"""A user's node affinity with what we need of it. It comes unchecked, so a wrong shape is refused with its path."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any, Final

from slipway.core.children.accelerator import PRESENT, Expression

_REQUIRED: Final = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED: Final = "preferredDuringSchedulingIgnoredDuringExecution"


def with_required(affinity: Mapping[str, Any], expressions: Sequence[Expression]) -> dict[str, Any]:
    """A user's affinity with our requirements in each of its alternatives; ValueError where it is not one."""
    whole = deepcopy(dict(affinity))
    if not expressions:
        return whole
    node = _object(whole.setdefault("nodeAffinity", {}), "nodeAffinity")
    required = _object(node.setdefault(_REQUIRED, {}), f"nodeAffinity.{_REQUIRED}")
    terms = _list(required.setdefault("nodeSelectorTerms", []), f"nodeAffinity.{_REQUIRED}.nodeSelectorTerms")
    ours = [expression.to_dict() for expression in expressions]
    required["nodeSelectorTerms"] = [_narrowed(term, ours) for term in terms] or [{"matchExpressions": ours}]
    return whole


def away_from_gpus(affinity: Mapping[str, Any]) -> dict[str, Any]:
    """A user's affinity with a wish of ours: a pod without a GPU rather not on a node that has one."""
    whole = deepcopy(dict(affinity))
    node = _object(whole.setdefault("nodeAffinity", {}), "nodeAffinity")
    wishes = _list(node.setdefault(_PREFERRED, []), f"nodeAffinity.{_PREFERRED}")
    apart = Expression(key=PRESENT, operator="DoesNotExist")
    node[_PREFERRED] = [*wishes, {"weight": 100, "preference": {"matchExpressions": [apart.to_dict()]}}]
    return whole


def _narrowed(term: Any, ours: list[dict[str, Any]]) -> dict[str, Any]:
    """An empty term matches no node and must go on doing so."""
    fields = _object(term, f"nodeAffinity.{_REQUIRED}.nodeSelectorTerms[]")
    if not fields.get("matchExpressions") and not fields.get("matchFields"):
        return fields
    theirs = _list(fields.get("matchExpressions") or [], "nodeSelectorTerms[].matchExpressions")
    return {**fields, "matchExpressions": [*theirs, *ours]}


def _object(value: Any, path: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"scheduling.affinity.{path} is {value!r}: it must be an object, as in a pod's affinity")  # noqa: TRY004
    return value


def _list(value: Any, path: str) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError(f"scheduling.affinity.{path} is {value!r}: it must be a list, as in a pod's affinity")  # noqa: TRY004
    return value
