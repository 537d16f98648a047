"""The store: nothing older than what is known, nothing that is gone, everything under its owner."""

from typing import Any

import pytest

from slipway.controller.kinds import (
    BY_NAME,
    DEPLOYMENT,
    GATEWAY,
    GATEWAY_CLASS,
    MODEL_DEPLOYMENT,
    NODE,
    POD,
    SURROUNDINGS,
    Key,
    Kind,
)
from slipway.controller.store import Store
from slipway.core.names import MODEL_DEPLOYMENT as OWNER_LABEL

CHURN = Key("shop", "churn")
CONFIG = BY_NAME["ConfigMap"]


def an_object(kind: Kind, name: str, version: int, *, uid: str = "", owner: str | None = "churn", **rest: Any) -> Any:
    meta: dict[str, Any] = {
        "name": name,
        "namespace": "shop",
        "uid": uid or f"uid-{name}",
        "resourceVersion": str(version),
    }
    meta |= {"creationTimestamp": "2026-01-01T00:00:00Z", "labels": {OWNER_LABEL: owner} if owner else {}}
    if not kind.namespaced:
        del meta["namespace"]
    return {"apiVersion": kind.api_version, "kind": kind.name, "metadata": meta, **rest}


@pytest.mark.parametrize("kind", [CONFIG, POD, MODEL_DEPLOYMENT], ids=lambda kind: kind.name)
def test_news_concerns_the_owner_and_what_is_no_news_concerns_nobody(kind: Kind) -> None:
    store = Store()

    assert store.put(kind, an_object(kind, "churn", 5)) == {CHURN}
    assert store.put(kind, an_object(kind, "churn", 5)) == set()
    assert store.put(kind, an_object(kind, "churn", 4)) == set()
    assert store.put(kind, an_object(kind, "churn", 6)) == {CHURN}
    assert store.version(kind, "uid-churn") == 6


def test_an_older_version_does_not_overwrite_the_answer_to_our_own_write() -> None:
    store = Store()
    store.put(CONFIG, an_object(CONFIG, "c", 10, data={"answer": "ours"}))
    store.put(CONFIG, an_object(CONFIG, "c", 9, data={"answer": "stale"}))

    child = store.observed(CHURN).child("ConfigMap", "c")

    assert child
    assert child.body["data"] == {"answer": "ours"}


def test_versions_are_compared_as_numbers() -> None:
    store = Store()
    store.put(CONFIG, an_object(CONFIG, "c", 9))

    assert store.put(CONFIG, an_object(CONFIG, "c", 10)) == {CHURN}


def test_a_family_is_what_carries_the_label_in_the_namespace() -> None:
    store = Store()
    store.put(MODEL_DEPLOYMENT, an_object(MODEL_DEPLOYMENT, "churn", 1, spec={"replicas": 2}))
    store.put(CONFIG, an_object(CONFIG, "mine", 2))
    store.put(CONFIG, an_object(CONFIG, "yours", 3, owner="other"))
    store.put(CONFIG, an_object(CONFIG, "nobodys", 4, owner=None))
    store.put(POD, an_object(POD, "pod", 5))

    observed, owner = store.observed(CHURN), store.owner(CHURN)

    assert set(observed.children) == {("ConfigMap", "mine")}
    assert [pod.name for pod in observed.pods] == ["pod"]
    assert owner
    assert owner.spec == {"replicas": 2}
    assert store.count(CONFIG) == 2


def test_what_is_gone_is_not_brought_back_by_older_news() -> None:
    store = Store()
    store.put(CONFIG, an_object(CONFIG, "c", 5))

    assert store.remove(CONFIG, "uid-c") == {CHURN}
    assert store.put(CONFIG, an_object(CONFIG, "c", 6)) == set()
    assert store.observed(CHURN).children == {}
    assert store.remove(CONFIG, "uid-c") == set()


def test_what_only_lost_its_label_comes_back_when_it_is_read_live() -> None:
    store = Store()
    store.put(CONFIG, an_object(CONFIG, "c", 5))

    assert store.remove(CONFIG, "uid-c", 7) == {CHURN}  # as a watch by that label tells it
    assert store.put(CONFIG, an_object(CONFIG, "c", 6)) == set()
    assert store.put(CONFIG, an_object(CONFIG, "c", 7)) == {CHURN}


def test_an_object_of_the_same_name_is_another_object() -> None:
    store = Store()
    store.put(CONFIG, an_object(CONFIG, "c", 5, uid="first"))
    store.remove(CONFIG, "first")

    assert store.put(CONFIG, an_object(CONFIG, "c", 7, uid="second")) == {CHURN}
    assert store.count(CONFIG) == 1


def test_a_late_word_of_a_predecessors_end_does_not_take_its_successor() -> None:
    store = Store()
    store.put(CONFIG, an_object(CONFIG, "c", 5, uid="first"))
    store.put(CONFIG, an_object(CONFIG, "c", 7, uid="second"))
    store.remove(CONFIG, "first")

    child = store.observed(CHURN).child("ConfigMap", "c")

    assert child
    assert child.uid == "second"
    assert store.count(CONFIG) == 1


def test_late_news_of_a_predecessor_does_not_oust_its_successor() -> None:
    store = Store()
    store.put(CONFIG, an_object(CONFIG, "c", 7, uid="second"))

    assert store.put(CONFIG, an_object(CONFIG, "c", 6, uid="first")) == set()
    assert store.version(CONFIG, "second") == 7


@pytest.mark.parametrize("label", [None, "other"])
def test_a_child_whose_label_was_changed_by_hand_is_missed_by_its_owner(label: str | None) -> None:
    store = Store()
    store.put(CONFIG, an_object(CONFIG, "c", 5))

    concerned = store.put(CONFIG, an_object(CONFIG, "c", 6, owner=label))

    assert CHURN in concerned
    assert store.observed(CHURN).children == {}


def test_eviction_takes_what_a_listing_no_longer_has_and_leaves_what_is_newer() -> None:
    store = Store()
    for name, version in (("kept", 1), ("ghost", 2), ("newer", 9)):
        store.put(CONFIG, an_object(CONFIG, name, version))

    concerned = store.evict(CONFIG, None, {"uid-kept": 1}, version=5)

    assert concerned == {CHURN}
    assert {name for _, name in store.observed(CHURN).children} == {"kept", "newer"}


def test_eviction_by_a_listing_of_one_namespace_leaves_the_others_alone() -> None:
    store = Store()
    store.put(CONFIG, an_object(CONFIG, "c", 1))

    assert store.evict(CONFIG, "elsewhere", {}, version=5) == set()
    assert store.count(CONFIG) == 1


def test_a_deletion_during_a_listing_outlives_the_listing_and_is_forgotten_two_resyncs_later() -> None:
    store = Store()
    listed = an_object(CONFIG, "c", 5)
    store.put(CONFIG, listed)
    store.remove(CONFIG, "uid-c")
    store.forget_the_dead()
    assert store.put(CONFIG, listed) == set()
    store.forget_the_dead()
    assert store.put(CONFIG, listed) == {CHURN}


def test_a_family_leaves_nothing_behind_when_its_last_member_goes() -> None:
    store = Store()
    for kind, name in ((MODEL_DEPLOYMENT, "churn"), (CONFIG, "c"), (POD, "p")):
        store.put(kind, an_object(kind, name, 1))
    for kind, name in ((MODEL_DEPLOYMENT, "churn"), (CONFIG, "c"), (POD, "p")):
        store.remove(kind, f"uid-{name}")

    assert store._families == {}
    assert list(store.owners()) == []


def test_nodes_are_seen_by_all() -> None:
    store = Store()

    assert store.put(NODE, an_object(NODE, "node-1", 1, status={"allocatable": {"nvidia.com/gpu": "4"}})) == set()
    assert [node.allocatable for node in store.observed(CHURN).nodes] == [{"nvidia.com/gpu": "4"}]
    store.remove(NODE, "uid-node-1")
    assert store.observed(CHURN).nodes == ()


def test_another_node_concerns_those_whose_pods_wait_for_one() -> None:
    store = Store()
    waits = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes"}
    store.put(POD, an_object(POD, "churn-1", 1, status={"conditions": [waits]}))
    store.put(POD, an_object(POD, "other-1", 2, owner="other", status={}))
    offers = {"allocatable": {"nvidia.com/gpu": "4"}}

    assert store.put(NODE, an_object(NODE, "node-1", 3, status=offers)) == {CHURN}
    assert store.put(NODE, an_object(NODE, "node-1", 4, status=offers)) == set()  # the same as before
    assert store.remove(NODE, "uid-node-1") == {CHURN}


def a_gateway(version: int, *, uid: str = "uid-1", class_name: str = "envoy", status: Any = None) -> Any:
    spec = {"gatewayClassName": class_name, "listeners": [{"name": "http"}]}
    return an_object(GATEWAY, "inference", version, uid=uid, owner=None, spec=spec, status=status or {})


def a_class(version: int, status: Any = None) -> Any:
    spec = {"controllerName": "envoy.example/controller"}
    return an_object(GATEWAY_CLASS, "envoy", version, owner=None, spec=spec, status=status or {})


REFUSED = {"conditions": [{"type": "Accepted", "status": "False", "reason": "Invalid", "message": ""}]}
OTHER = Key("elsewhere", "other")


def with_models_behind_gateways() -> Store:
    store = Store()
    for version, (key, traffic) in enumerate(
        {
            CHURN: {"gateway": {"name": "inference"}},
            OTHER: {"gateway": {"name": "inference", "namespace": "shop"}},
            Key("shop", "another"): {"gateway": {"name": "another"}},
            Key("elsewhere", "namesake"): {"gateway": {"name": "inference"}},
            Key("shop", "without"): None,
            Key("shop", "garbled"): {"gateway": ["inference"]},
        }.items()
    ):
        manifest = an_object(MODEL_DEPLOYMENT, key.name, version, uid=f"uid-{key}", spec={"traffic": traffic})
        manifest["metadata"]["namespace"] = key.namespace
        store.put(MODEL_DEPLOYMENT, manifest)
    return store


def test_a_gateway_concerns_those_that_name_it_when_it_comes_changes_or_goes() -> None:
    store = with_models_behind_gateways()

    assert store.put(GATEWAY, a_gateway(10)) == {CHURN, OTHER}
    assert ("shop", "inference") in (store.observed(CHURN).gateways.gateways or {})
    assert store.put(GATEWAY, a_gateway(11, status=REFUSED)) == {CHURN, OTHER}
    assert store.remove(GATEWAY, "uid-1") == {CHURN, OTHER}
    assert store.observed(CHURN).gateways.gateways == {}


def test_a_gateway_concerns_nobody_when_only_the_number_of_its_routes_changes() -> None:
    store = with_models_behind_gateways()
    store.put(GATEWAY, a_gateway(10))

    assert store.put(GATEWAY, a_gateway(11, status={"listeners": [{"name": "http", "attachedRoutes": 3}]})) == set()
    assert store.version(GATEWAY, "uid-1") == 11


def test_a_class_concerns_those_whose_gateways_name_it() -> None:
    store = with_models_behind_gateways()
    store.put(GATEWAY, a_gateway(10))

    assert store.put(GATEWAY_CLASS, a_class(11)) == {CHURN, OTHER}
    assert store.put(GATEWAY_CLASS, a_class(12, status=REFUSED)) == {CHURN, OTHER}
    assert store.remove(GATEWAY_CLASS, "uid-envoy") == {CHURN, OTHER}
    store.put(GATEWAY, a_gateway(13, class_name="other"))
    assert store.put(GATEWAY_CLASS, a_class(14)) == set()


@pytest.mark.parametrize("kind", SURROUNDINGS, ids=lambda kind: kind.name)
def test_a_late_word_of_the_end_of_one_that_belongs_to_nobody_does_not_take_its_successor(kind: Kind) -> None:
    store = Store()
    spec = {"gatewayClassName": "envoy", "controllerName": "c"}
    store.put(kind, an_object(kind, "one", 5, uid="first", owner=None, spec=spec))
    store.put(kind, an_object(kind, "one", 7, uid="second", owner=None, spec=spec))
    store.remove(kind, "first")

    seen = store.observed(CHURN)

    assert store.count(kind) == 1
    assert [len(seen.nodes), len(seen.gateways.gateways or ()), len(seen.gateways.classes or ())].count(1) == 1


def test_gateways_that_may_not_be_read_are_not_said_to_be_missing() -> None:
    store = Store()
    assert store.observed(CHURN).gateways.gateways == {}
    store.refused_kinds = frozenset({GATEWAY.name})
    store.unknown_kinds = frozenset({GATEWAY_CLASS.name})
    seen = store.observed(CHURN).gateways
    assert (seen.gateways, seen.classes) == (None, None)


def test_our_own_scale_is_seen_at_once_and_its_deployments_status_no_longer_passes_for_current() -> None:
    store = Store()
    deployment = an_object(DEPLOYMENT, "d", 5, spec={"replicas": 1}, status={"observedGeneration": 3})
    deployment["metadata"]["generation"] = 3
    store.put(DEPLOYMENT, deployment)

    store.scaled(CHURN, {"metadata": {"name": "d", "resourceVersion": "8"}, "spec": {"replicas": 4}})

    child = store.observed(CHURN).child("Deployment", "d")
    assert child
    assert child.resource_version == "8"
    assert (child.body["spec"]["replicas"], child.body["metadata"]["generation"]) == (4, 4)


def test_a_scale_to_zero_is_seen_though_the_answer_leaves_zero_out() -> None:
    store = Store()
    store.put(DEPLOYMENT, an_object(DEPLOYMENT, "d", 5, spec={"replicas": 1}))

    store.scaled(CHURN, {"metadata": {"name": "d", "resourceVersion": "8"}, "spec": {}})

    child = store.observed(CHURN).child("Deployment", "d")
    assert child
    assert child.body["spec"]["replicas"] == 0


def test_kinds_that_cannot_be_seen_are_told_of() -> None:
    store = Store()
    assert store.observed(CHURN).knows("SecurityPolicy", "HTTPRoute")
    store.unknown_kinds, store.refused_kinds = frozenset({"SecurityPolicy"}), frozenset({"GRPCRoute"})
    seen = store.observed(CHURN)
    assert seen.unknown == {"SecurityPolicy"}
    assert seen.unlisted == {"GRPCRoute"}
    assert seen.knows("HTTPRoute")
    assert not seen.knows("HTTPRoute", "SecurityPolicy")
    assert not seen.knows("GRPCRoute")
