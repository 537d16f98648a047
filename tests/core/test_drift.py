from copy import deepcopy
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from slipway.core.children.budget import budget
from slipway.core.children.manifest import applied_hash, finished
from slipway.core.drift import as_asked
from slipway.core.names import APPLIED
from tests.core.gen import owner

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["name", "ports", "env", "selector", "limits", "key", "a"]), inner, max_size=4
        )
    ),
    max_leaves=20,
)


@given(st.dictionaries(st.text(max_size=4), JSON))
@example({"kind": []})
def test_every_object_contains_itself(value: dict[str, Any]) -> None:
    assert as_asked(deepcopy(value), value)


def container(**fields: Any) -> dict[str, Any]:
    return {"spec": {"containers": [{"name": "triton", **fields}]}}


def limits(**amounts: Any) -> dict[str, Any]:
    return container(resources={"limits": amounts})


AS_ASKED: dict[str, tuple[Any, Any]] = {
    "a field that the API server added": ({"a": 1, "b": 2}, {"a": 1}),
    "a label that somebody added": (
        {"metadata": {"labels": {"a": "1", "b": "2"}}},
        {"metadata": {"labels": {"a": "1"}}},
    ),
    "a container that somebody injected": (
        {"containers": [{"name": "mesh"}, {"name": "triton"}]},
        {"containers": [{"name": "triton"}]},
    ),
    "keyed lists in another order": (
        container(env=[{"name": "B", "value": "2"}, {"name": "A", "value": "1"}]),
        container(env=[{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]),
    ),
    "one volume mounted twice": (
        container(volumeMounts=[{"name": "v", "mountPath": "/a"}, {"name": "v", "mountPath": "/b"}]),
        container(volumeMounts=[{"name": "v", "mountPath": "/b"}, {"name": "v", "mountPath": "/a"}]),
    ),
    "a protocol that goes without saying": (
        {"ports": [{"port": 8000, "protocol": "TCP", "nodePort": 31000}]},
        {"ports": [{"port": 8000}]},
    ),
    "a quantity in its canonical spelling": (limits(cpu="1"), limits(cpu="1000m")),
    "a quantity that was an integer": (limits(cpu="1"), limits(cpu=1)),
    "a quantity with a fraction": (limits(memory="1536Mi"), limits(memory="1.5Gi")),
    "a quantity with an exponent": (
        {"metrics": [{"pods": {"target": {"averageValue": "1k"}}}]},
        {"metrics": [{"pods": {"target": {"averageValue": "1e3"}}}]},
    ),
    "an empty value that the API server drops": ({}, {"a": {}, "b": [], "c": "", "d": 0, "e": False, "f": None}),
    "a selector that says nothing in two ways": (
        {"from": [{"podSelector": {}}]},
        {"from": [{"podSelector": {"matchLabels": {}, "matchExpressions": []}}]},
    ),
    "an object of nothing but empty values": ({"a": {}}, {"a": {"b": {}}}),
    "a selector in another order": ({"selector": {"b": "2", "a": "1"}}, {"selector": {"a": "1", "b": "2"}}),
}

DRIFTED: dict[str, tuple[Any, Any]] = {
    "a value that was changed": ({"a": 2}, {"a": 1}),
    "a value that was taken out": ({}, {"a": 1}),
    "a false that was turned": ({"a": True}, {"a": False}),
    "a false that matters when it is gone": ({}, {"automountServiceAccountToken": False}),
    "a peer whose namespaces were all and are now its own": (
        {"from": [{"podSelector": {"matchLabels": {"a": "b"}}}]},
        {"from": [{"namespaceSelector": {}, "podSelector": {"matchLabels": {"a": "b"}}}]},
    ),
    "a spread that was among all pods and is now among none": (
        {"topologySpreadConstraints": [{"topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}]},
        {
            "topologySpreadConstraints": [
                {"topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule", "labelSelector": {}}
            ]
        },
    ),
    "a container that was taken out": ({"containers": [{"name": "mesh"}]}, {"containers": [{"name": "triton"}]}),
    "another quantity": (limits(cpu="2"), limits(cpu="1000m")),
    "what looks like a quantity and is none": (
        container(env=[{"name": "A", "value": "1"}]),
        container(env=[{"name": "A", "value": "1000m"}]),
    ),
    "a quantity that cannot be read": (limits(cpu="a lot"), limits(cpu="1")),
    "one more argument": ({"args": ["fetch", "--now"]}, {"args": ["fetch"]}),
    "arguments in another order": ({"args": ["b", "a"]}, {"args": ["a", "b"]}),
    "a selector that became narrower": ({"selector": {"a": "1", "b": "2"}}, {"selector": {"a": "1"}}),
    "an inner selector that became narrower": (
        {"selector": {"matchLabels": {"a": "1", "b": "2"}}},
        {"selector": {"matchLabels": {"a": "1"}}},
    ),
    "one more toleration": (
        {"tolerations": [{"key": "a"}, {"key": "b"}]},
        {"tolerations": [{"key": "a"}]},
    ),
    "an expression where a key stands twice": (
        {"matchExpressions": [{"key": "m", "operator": "Gt"}, {"key": "m", "operator": "Exists"}]},
        {"matchExpressions": [{"key": "m", "operator": "Gt"}, {"key": "m", "operator": "Lt"}]},
    ),
    "an object where a value was": ({"a": {"b": 1}}, {"a": "b"}),
    "a value where a list was": ({"a": 1}, {"a": [1]}),
}


@pytest.mark.parametrize("case", AS_ASKED)
def test_a_live_object_is_as_asked_with(case: str) -> None:
    live, desired = AS_ASKED[case]

    assert as_asked(live, desired)


@pytest.mark.parametrize("case", DRIFTED)
def test_a_live_object_has_drifted_with(case: str) -> None:
    live, desired = DRIFTED[case]

    assert not as_asked(live, desired)


def test_a_finished_manifest_is_owned_and_marked_and_leaves_the_stored_one_alone() -> None:
    stored = budget(owner=owner(), revision="3f2a91bc")
    before = deepcopy(stored)

    whole = finished(stored, owner=owner(), api_version="serving.slipway.dev/v1alpha1", kind="ModelDeployment")

    assert whole["metadata"]["namespace"] == "shop"
    assert whole["metadata"]["annotations"] == {APPLIED: applied_hash(stored)}
    assert whole["metadata"]["ownerReferences"] == [
        {
            "apiVersion": "serving.slipway.dev/v1alpha1",
            "kind": "ModelDeployment",
            "name": "churn",
            "uid": owner().uid,
            "controller": True,
            "blockOwnerDeletion": True,
        }
    ]
    assert stored == before


def test_the_hash_is_the_same_before_and_after_finishing_and_another_for_another_ask() -> None:
    stored = budget(owner=owner(), revision="3f2a91bc")
    whole = finished(stored, owner=owner(), api_version="serving.slipway.dev/v1alpha1", kind="ModelDeployment")

    assert applied_hash(whole) == applied_hash(stored)
    assert applied_hash(budget(owner=owner(), revision="90be11d2")) != applied_hash(stored)


def test_an_annotation_of_the_manifest_itself_is_in_its_hash_and_survives_finishing() -> None:
    stored = budget(owner=owner(), revision="3f2a91bc")
    noted = deepcopy(stored)
    noted["metadata"]["annotations"] = {"note": "x"}

    whole = finished(noted, owner=owner(), api_version="v", kind="k")

    assert applied_hash(noted) != applied_hash(stored)
    assert whole["metadata"]["annotations"]["note"] == "x"
