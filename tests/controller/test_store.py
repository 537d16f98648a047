"""The store: nothing older than what is known, nothing that is gone, everything under its owner."""

import random
from typing import Any

import pytest

from slipway.controller import buried
from slipway.controller import store as store_module
from slipway.controller.family import LARGEST_STRANGER_BYTES
from slipway.controller.kinds import (
    BY_NAME,
    DEPLOYMENT,
    GATEWAY,
    GATEWAY_CLASS,
    MODEL_DEPLOYMENT,
    NODE,
    POD,
    RESOURCE_CLAIM,
    SCALED_OBJECT,
    SERVICE,
    SHARED_OBJECTS,
    Key,
    Kind,
)
from slipway.controller.kube import ForbiddenError, NotFoundError
from slipway.controller.parsing import DEEPEST
from slipway.controller.store import MOST_STRANGERS, Store
from tests.controller.stored import CHURN, an_object, controlled

CONFIG, AUTOSCALER = BY_NAME["ConfigMap"], BY_NAME["HorizontalPodAutoscaler"]


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


HOLDS = {"allocation": {"devices": {"results": [{"request": "r", "driver": "d", "pool": "p", "device": "0"}]}}}
"""The status of a claim that holds a device."""


def test_claims_count_once_they_hold_devices_and_concern_their_model_and_those_whose_pods_claim_some() -> None:
    store, waits = Store(), {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1"}
    claiming = {"resourceClaims": [{"name": "accelerator"}]}
    store.put(POD, an_object(POD, "churn-1", 1, spec=claiming, status={"conditions": [waits]}))
    store.put(POD, an_object(POD, "other-1", 2, owner="other", status={"conditions": [waits]}))
    asked, held, given_back = ((version, status) for version, status in ((3, {}), (4, HOLDS), (6, {})))

    def put(version: int, status: Any, name: str = "one", owner: str | None = None) -> frozenset[Key]:
        return store.put(RESOURCE_CLAIM, an_object(RESOURCE_CLAIM, name, version, owner=owner, status=status))

    assert put(*asked) == set()
    assert store.count(RESOURCE_CLAIM) == 0
    assert put(*held) == {CHURN}
    assert put(5, HOLDS, "another's", owner="serving") == {CHURN, Key("shop", "serving")}
    assert len(store.observed(CHURN).devices.claims or ()) == 2
    assert put(*given_back) == {CHURN}
    assert [name for _, name in store.observed(CHURN).devices.claims or ()] == ["another's"]


@pytest.mark.parametrize("kind", SHARED_OBJECTS, ids=lambda kind: kind.name)
def test_a_late_word_of_the_end_of_one_that_belongs_to_nobody_does_not_take_its_successor(kind: Kind) -> None:
    store = Store()
    spec = {"gatewayClassName": "envoy", "controllerName": "c"}
    store.put(kind, an_object(kind, "one", 5, uid="first", owner=None, spec=spec, status=HOLDS))
    store.put(kind, an_object(kind, "one", 7, uid="second", owner=None, spec=spec, status=HOLDS))
    store.remove(kind, "first")

    observed = store.observed(CHURN)
    gateways, classes = observed.gateways.gateways or (), observed.gateways.classes or ()

    assert store.count(kind) == 1
    devices = observed.devices
    kept = (observed.nodes, gateways, classes, devices.claims or (), devices.slices or (), devices.classes or ())
    assert [len(each) for each in kept].count(1) == 1


def test_gateways_that_may_not_be_read_are_not_said_to_be_missing() -> None:
    store = Store()
    assert store.observed(CHURN).gateways.gateways == {}
    store.coverage.record_failure(GATEWAY, None, ForbiddenError(403, "Forbidden", ""), now=0)
    store.coverage.record_failure(GATEWAY_CLASS, None, NotFoundError(404, "NotFound", ""), now=0)
    gateways = store.observed(CHURN).gateways
    assert (gateways.gateways, gateways.classes) == (None, None)


def test_our_own_scale_is_seen_at_once_and_its_deployments_status_no_longer_passes_for_current() -> None:
    store = Store()
    deployment = an_object(DEPLOYMENT, "d", 5, spec={"replicas": 1}, status={"observedGeneration": 3})
    deployment["metadata"]["generation"] = 3
    store.put(DEPLOYMENT, deployment)

    store.put_scale(CHURN, {"metadata": {"name": "d", "resourceVersion": "8"}, "spec": {"replicas": 4}})

    child = store.observed(CHURN).child("Deployment", "d")
    assert child
    assert child.resource_version == "8"
    assert (child.body["spec"]["replicas"], child.body["metadata"]["generation"]) == (4, 4)


def test_a_scale_to_zero_is_seen_though_the_answer_leaves_zero_out() -> None:
    store = Store()
    store.put(DEPLOYMENT, an_object(DEPLOYMENT, "d", 5, spec={"replicas": 1}))

    store.put_scale(CHURN, {"metadata": {"name": "d", "resourceVersion": "8"}, "spec": {}})

    child = store.observed(CHURN).child("Deployment", "d")
    assert child
    assert child.body["spec"]["replicas"] == 0


def test_kinds_that_cannot_be_seen_are_told_of() -> None:
    store = Store()
    assert store.observed(CHURN).knows("SecurityPolicy", "HTTPRoute")
    store.coverage.record_failure(BY_NAME["SecurityPolicy"], None, NotFoundError(404, "NotFound", ""), now=0)
    store.coverage.record_failure(BY_NAME["GRPCRoute"], None, ForbiddenError(403, "Forbidden", ""), now=0)
    observed = store.observed(CHURN)
    assert observed.unknown == {"SecurityPolicy"}
    assert observed.unlisted == {"GRPCRoute"}
    assert observed.knows("HTTPRoute")
    assert not observed.knows("HTTPRoute", "SecurityPolicy")
    assert not observed.knows("GRPCRoute")


# -- to whom an object belongs


@pytest.mark.parametrize("kind", [DEPLOYMENT, SERVICE, CONFIG], ids=lambda kind: kind.name)
@pytest.mark.parametrize("label", ["churn", "other", "", None])
def test_an_object_belongs_to_the_model_deployment_that_controls_it_whatever_its_labels_say(
    kind: Kind, label: str | None
) -> None:
    store = Store()
    store.put(kind, controlled(an_object(kind, "churn", 5)))

    store.put(kind, controlled(an_object(kind, "churn", 6, owner=label)))

    child = store.observed(CHURN).child(kind.name, "churn")
    assert child
    assert child.resource_version == "6"
    assert store.observed(Key("shop", "other")).children == {}


@pytest.mark.parametrize("kind", [DEPLOYMENT, SERVICE], ids=lambda kind: kind.name)
def test_an_object_of_ours_that_a_watch_lost_with_its_label_is_there_again_when_it_was_read_live(kind: Kind) -> None:
    store = Store()
    store.put(kind, controlled(an_object(kind, "churn", 5)))
    store.remove(kind, "uid-churn", 6)  # as a watch by that label tells it

    assert store.put(kind, controlled(an_object(kind, "churn", 6, owner=None))) == {CHURN}
    assert store.observed(CHURN).child(kind.name, "churn")


def test_an_older_word_does_not_bring_back_what_is_nobodys_by_now() -> None:
    store = Store()
    store.put(CONFIG, an_object(CONFIG, "c", 5))
    assert store.put(CONFIG, an_object(CONFIG, "c", 7, owner=None)) == {CHURN}

    assert store.put(CONFIG, an_object(CONFIG, "c", 6)) == set()
    assert store.observed(CHURN).children == {}


# -- what strangers may do to it


def test_of_strangers_objects_with_our_label_a_namespace_has_few_and_small_ones() -> None:
    store = Store()
    for number in range(3 * MOST_STRANGERS):
        store.put(CONFIG, an_object(CONFIG, f"c{number}", number, owner=f"o{number}"))
    store.put(CONFIG, an_object(CONFIG, "large", 9999, data={"x": "x" * LARGEST_STRANGER_BYTES}))

    assert store.count(CONFIG) == MOST_STRANGERS
    assert len(store._families) == MOST_STRANGERS
    assert len(store._buried) == 0

    store.put(MODEL_DEPLOYMENT, an_object(MODEL_DEPLOYMENT, "churn", 9_999))
    store.put(CONFIG, controlled(an_object(CONFIG, "ours", 10_000, data={"x": "x" * LARGEST_STRANGER_BYTES})))
    elsewhere = an_object(CONFIG, "c", 10_001)
    elsewhere["metadata"]["namespace"] = "elsewhere"
    store.put(CONFIG, elsewhere)
    assert store.count(CONFIG) == MOST_STRANGERS + 2


@pytest.mark.parametrize("depth", [300, 2000])
def test_a_strangers_object_of_any_depth_is_passed_over(depth: int) -> None:
    nested: Any = 1
    for _ in range(depth):
        nested = [nested]
    store = Store()
    store.put(BY_NAME["ControllerRevision"], an_object(BY_NAME["ControllerRevision"], "deep", 1, data=nested))
    assert not store.observed(CHURN).children


def test_a_stranger_that_changes_and_goes_leaves_its_place_to_another() -> None:
    store = Store()
    for version in range(1, 3 * MOST_STRANGERS):
        store.put(CONFIG, an_object(CONFIG, "c", version))
    store.put(CONFIG, an_object(CONFIG, "c", 1000, owner="other"))
    store.put(CONFIG, controlled(an_object(CONFIG, "c", 1001)))
    store.put(CONFIG, an_object(CONFIG, "c", 1002))
    store.put(CONFIG, an_object(CONFIG, "c", 1003, uid="successor"))
    assert store._strangers["shop"] == 1
    store.put(CONFIG, an_object(CONFIG, "c", 1004, uid="successor", data={"x": "x" * LARGEST_STRANGER_BYTES}))

    assert store._strangers["shop"] == 0
    assert store.count(CONFIG) == 0
    assert store._families == {}


def test_deletions_are_remembered_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buried, "MOST_BURIED", 10)
    store = Store()
    for number in range(100):
        store.remove(CONFIG, f"uid-{number}", number)

    assert len(store._buried) == 10


@pytest.mark.parametrize(
    ("kind", "breaks"),
    [
        (CONFIG, {"annotations": {"more": 2**64}}),  # than JSON is written with here
        (POD, {"creationTimestamp": "0000-01-01T00:00:00Z"}),
    ],
)
def test_an_object_that_cannot_be_read_harms_nobody_and_is_no_news_for_ever(
    kind: Kind, breaks: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    store = Store()
    store.put(MODEL_DEPLOYMENT, an_object(MODEL_DEPLOYMENT, "churn", 1))
    broken = an_object(kind, "c", 5)
    broken["metadata"] |= breaks
    broken = controlled(broken, kind="ReplicaSet" if kind is POD else "ModelDeployment")

    assert store.put(kind, broken) == {CHURN}

    assert store.version(kind, "uid-c") == 5
    assert "c cannot be read" in caplog.text
    assert [(each.kind, each.name) for each in store.unread()] == [(kind, "c")]
    assert store.put(kind, an_object(kind, "c", 6, uid="next")) == {CHURN}
    store.remove(kind, "uid-c")
    assert len(store.observed(CHURN).children) + len(store.observed(CHURN).pods) == 1
    assert list(store.unread()) == []
    store.remove(kind, "next")
    store.remove(MODEL_DEPLOYMENT, "uid-churn")
    assert store._families == {}


def test_one_that_is_written_again_and_again_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    store = Store()
    for version in range(1, 10):
        store.put(POD, controlled(without_a_time(version), kind="ReplicaSet"))
    assert caplog.text.count("cannot be read") == 1
    assert len(list(store.unread())) == 1

    store.put(POD, controlled(an_object(POD, "p", 10), kind="ReplicaSet"))
    assert list(store.unread()) == []
    store.put(POD, controlled(without_a_time(11), kind="ReplicaSet"))
    assert caplog.text.count("cannot be read") == 2


def without_a_time(version: int) -> Any:
    pod = an_object(POD, "p", version)
    pod["metadata"]["creationTimestamp"] = "0000-01-01T00:00:00Z"
    return pod


# -- whose an object is


@pytest.mark.parametrize("claims", [{"uid": "forged"}, {"name": "nobody"}], ids=["another uid", "another name"])
def test_of_what_claims_an_owner_that_there_is_not_no_more_is_kept_than_of_strangers(claims: dict[str, str]) -> None:
    store = Store()
    store.put(MODEL_DEPLOYMENT, an_object(MODEL_DEPLOYMENT, "churn", 1))
    large = {"x": "x" * LARGEST_STRANGER_BYTES}
    for number in range(2, 3 * MOST_STRANGERS):
        store.put(CONFIG, controlled(an_object(CONFIG, f"c{number}", number), **claims))
        store.put(CONFIG, controlled(an_object(CONFIG, f"l{number}", 1000 + number, data=large), **claims))

    assert store.count(CONFIG) == MOST_STRANGERS
    assert store._bytes["shop"] < MOST_STRANGERS * LARGEST_STRANGER_BYTES


def test_a_large_child_is_kept_once_its_owner_is_there() -> None:
    store, large = Store(), {"x": "x" * LARGEST_STRANGER_BYTES}
    child = controlled(an_object(CONFIG, "c", 5, data=large))
    assert not store.keeps(CONFIG, child)
    store.put(CONFIG, child)
    assert not store.observed(CHURN).children

    store.put(MODEL_DEPLOYMENT, an_object(MODEL_DEPLOYMENT, "churn", 6))

    assert store.keeps(CONFIG, child)
    assert store.put(CONFIG, child) == {CHURN}
    assert store.observed(CHURN).child("ConfigMap", "c")


# -- how much there may be


def grown(name: str, version: int, namespace: str = "shop") -> Any:
    manifest = an_object(MODEL_DEPLOYMENT, name, version, spec={"x": random.Random(name).randbytes(50_000).hex()})
    manifest["metadata"]["namespace"], manifest["metadata"]["uid"] = namespace, f"uid-{namespace}-{name}"
    return manifest


def test_a_namespace_takes_so_much_memory_and_no_more_and_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(store_module, "MOST_BYTES", 1024 * 1024)
    store = Store()
    store.put(MODEL_DEPLOYMENT, grown("other", 1, "elsewhere"))
    for number in range(2, 100):
        store.put(MODEL_DEPLOYMENT, grown(f"m{number}", number))

    assert sum(len(owner.packed_spec) for key, owner in store.owners() if key.namespace == "shop") < 1024 * 1024
    assert len(list(store.owners())) == 99, "everybody can be told"
    assert "in namespace shop take more than 1 MiB" in store.observed(Key("shop", "m2")).too_much
    assert store.observed(Key("elsewhere", "other")).too_much == ""
    left_out = [each for each in store.unread() if each.too_much]
    assert 60 < len(left_out) == caplog.text.count("has no room")

    for number in range(2, 90):
        store.remove(MODEL_DEPLOYMENT, f"uid-shop-m{number}")
    for number in range(90, 100):
        store.put(MODEL_DEPLOYMENT, grown(f"m{number}", 100 + number))
    assert store.observed(Key("shop", "m99")).too_much == ""
    assert list(store.unread()) == []


def test_what_goes_is_no_memory_any_more() -> None:
    store = Store()
    for version in range(1, 20):
        store.put(MODEL_DEPLOYMENT, an_object(MODEL_DEPLOYMENT, "churn", version))
        store.put(CONFIG, controlled(an_object(CONFIG, "c", version)))
        store.put(POD, controlled(an_object(POD, "p", version), kind="ReplicaSet"))
    for kind, name in ((CONFIG, "c"), (POD, "p"), (MODEL_DEPLOYMENT, "churn")):
        store.remove(kind, f"uid-{name}")
    assert store._bytes["shop"] == 0


@pytest.mark.parametrize("depth", [DEEPEST + 1, 300, 900])
def test_a_spec_that_is_nested_too_deep_is_kept_without_that(depth: int, caplog: pytest.LogCaptureFixture) -> None:
    nested: Any = 1
    for _ in range(depth):
        nested = [nested]
    store = Store()
    store.put(MODEL_DEPLOYMENT, an_object(MODEL_DEPLOYMENT, "churn", 1, spec={"model": 1, "affinity": nested}))

    owner = store.owner(CHURN)

    assert owner
    assert owner.spec["model"] == 1
    if depth > 254:
        assert "shop/churn cannot be read whole" in caplog.text


def of_scaled_object(name: str, version: int, uid: str) -> Any:
    """An autoscaler as KEDA makes it of a ScaledObject: with its labels, and controlled by it."""
    made = an_object(AUTOSCALER, name, version)
    owner = {"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "name": "churn-1", "uid": uid}
    made["metadata"]["ownerReferences"] = [{**owner, "controller": True}]
    return made


def test_kedas_autoscalers_of_our_scaled_objects_are_all_kept_and_others_as_strangers() -> None:
    store = Store()
    store.put(MODEL_DEPLOYMENT, an_object(MODEL_DEPLOYMENT, "churn", 1))
    scaled = controlled(an_object(SCALED_OBJECT, "churn-1", 2))
    store.put(SCALED_OBJECT, scaled)
    uid = scaled["metadata"]["uid"]
    for number in range(MOST_STRANGERS + 10):
        store.put(AUTOSCALER, of_scaled_object(f"theirs-{number}", 10 + number, "another"))
    assert store.count(AUTOSCALER) == MOST_STRANGERS

    assert store.put(AUTOSCALER, of_scaled_object("keda-hpa-churn-1", 500, uid)) == {CHURN}

    assert store.observed(CHURN).child("HorizontalPodAutoscaler", "keda-hpa-churn-1")
    assert store.count(AUTOSCALER) == MOST_STRANGERS + 1
