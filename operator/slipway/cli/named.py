"""Objects that somebody has a right to by their names, where they may list none: what a SelfSubjectRulesReview says.

RBAC tells; an authorizer that is asked over the network may leave rules out. Pure.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from slipway.core.body import mappings, within

REVIEWS: Final = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews"
_MOST: Final = 100
"""Each is asked for by itself."""
_ALL: Final = "*"


def review(namespace: str) -> dict[str, Any]:
    """To be posted to `REVIEWS`: what may I do there?"""
    return {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectRulesReview",
        "spec": {"namespace": namespace},
    }


def names(answer: Mapping[str, Any], group: str, plural: str, verb: str = "get") -> list[str]:
    """Those that the verb is allowed for, of one kind."""
    rules = mappings(within(answer, "status").get("resourceRules"))
    allowing = [rule for rule in rules if _allows(rule, group, plural, verb)]
    return sorted({name for rule in allowing for name in _texts(rule, "resourceNames")})[:_MOST]


def _allows(rule: Mapping[str, Any], group: str, plural: str, verb: str) -> bool:
    wanted = {"apiGroups": group, "resources": plural, "verbs": verb}
    return all({value, _ALL} & set(_texts(rule, field)) for field, value in wanted.items())


def _texts(rule: Mapping[str, Any], field: str) -> Iterator[str]:
    values = rule.get(field)
    yield from (each for each in values if isinstance(each, str)) if isinstance(values, list) else ()
