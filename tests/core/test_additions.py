"""A child that says who gets traffic holds what was asked for and what the API server fills in, and nothing else."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest

from slipway.core.additions import addition, taking_out
from slipway.core.drift import as_asked
from slipway.core.names import Manifest
from tests.core.children.every import TRAFFIC, around, of_keda, of_spec, of_traffic
from tests.core.cluster.scenario import GATEWAY, KEYS, LIMIT, answered, ready

STRICT: list[Manifest] = [
    *around(),
    *of_keda(),
    *(child for child in of_spec("the least") if child["kind"] == "Service"),
    *(child for traffic in TRAFFIC for child in of_traffic(traffic)),
]
KINDS = {
    "HTTPRoute",
    "GRPCRoute",
    "SecurityPolicy",
    "BackendTrafficPolicy",
    "Service",
    "NetworkPolicy",
    "HorizontalPodAutoscaler",
    "PodDisruptionBudget",
    "ScaledObject",
}
UNKNOWN: list[Any] = ["x", 1, 0, True, False, {}, {"a": "b"}, [], ["x"]]
"""An empty value can mean something: an empty namespaceSelector means every namespace."""


def alive(manifest: Manifest) -> Manifest:
    whole = deepcopy(manifest)
    whole["metadata"] |= {"namespace": "shop", "resourceVersion": "7"}
    return whole


def maps(value: Any, where: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every map at or in a value, and its path."""
    if isinstance(value, dict):
        yield where, value
        for key, each in value.items():
            yield from maps(each, f"{where}.{key}")
    elif isinstance(value, list):
        for each in value:
            yield from maps(each, f"{where}[]")


def merged(target: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result


def test_every_kind_that_says_who_gets_traffic_is_looked_at() -> None:
    assert {manifest["kind"] for manifest in STRICT} == KINDS


@pytest.mark.parametrize("number", range(len(STRICT)), ids=[f"{m['kind']}-{n}" for n, m in enumerate(STRICT)])
def test_a_field_more_in_any_map_is_an_addition_and_is_taken_out(number: int) -> None:
    asked = STRICT[number]
    assert as_asked(alive(asked), asked)
    for place in range(len(list(maps(asked["spec"], "spec")))):
        for value in UNKNOWN:
            live = alive(asked)
            where, found = list(maps(live["spec"], "spec"))[place]
            found["added"] = value

            assert not as_asked(live, asked), (where, value)
            more = addition(live, asked)
            assert more
            assert more.field.endswith(".added")
            patch = taking_out(live, asked)
            assert patch
            assert merged(live, patch)["spec"] == asked["spec"]
            meta = {"name": asked["metadata"]["name"], "namespace": "shop", "resourceVersion": "7"}
            assert patch["metadata"] == meta


@pytest.mark.parametrize(
    ("kind", "field", "value", "added"),
    [
        ("Service", "clusterIP", "10.0.0.1", False),
        ("Service", "ipFamilyPolicy", "PreferDualStack", False),
        ("Service", "sessionAffinity", "None", False),
        ("Service", "sessionAffinity", "ClientIP", True),
        ("Service", "internalTrafficPolicy", "Cluster", False),
        ("Service", "internalTrafficPolicy", "Local", True),
        ("Service", "externalIPs", ["192.0.2.1"], True),
        ("HorizontalPodAutoscaler", "behavior", {"scaleUp": {"selectPolicy": "Disabled"}}, True),
        ("Deployment", "paused", True, False),
        ("ConfigMap", "immutable", True, False),
    ],
)
def test_only_what_the_api_server_fills_in_is_none(kind: str, field: str, value: Any, added: bool) -> None:
    asked: Manifest = {"kind": kind, "spec": {"a": 1}}
    live: Manifest = {"kind": kind, "spec": {"a": 1, field: value}}
    assert (addition(live, asked) is not None) is added
    assert as_asked(live, asked) is not added


@pytest.mark.parametrize("traffic", [{}, {**KEYS, **LIMIT}], ids=["open", "guarded"])
def test_a_steady_model_takes_out_what_was_added_to_any_of_its_children_and_then_rests(traffic: Manifest) -> None:
    cluster = answered(ready(replicas=2, traffic={**GATEWAY, **traffic}))
    places = [place for place in cluster.objects if place[0] in KINDS]
    assert {"HTTPRoute", "Service", "PodDisruptionBudget"} <= {kind for kind, _ in places}
    for place in places:
        before = deepcopy(cluster.objects[place]["spec"])
        cluster.serial += 1
        cluster.objects[place]["metadata"]["resourceVersion"] = str(cluster.serial)
        cluster.objects[place]["spec"]["added"] = {}
        cluster.reconcile()
        assert cluster.objects[place]["spec"] == before, place
        answered(cluster)
        assert cluster.status["phase"] == "Ready"
    assert cluster.reconcile().actions == ()
