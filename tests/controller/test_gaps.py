"""Kinds and namespaces that cannot be listed: each is left out by itself, said once, and tried again."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from slipway.controller import resync
from slipway.controller.kinds import BY_NAME, MODEL_DEPLOYMENT, NODE, Key, Kind
from slipway.controller.kube import ApiKube, ForbiddenError
from slipway.controller.resync import TRIES_AT_START, KindsChangedError
from testbed.operating import until
from testbed.plane import Plane
from tests.conftest import fresh_namespace
from tests.controller.conftest import CallLog, a_model_deployment, client_of, eventually
from tests.controller.watcher import Watcher, a_child

CONFIG = BY_NAME["ConfigMap"]


@pytest.mark.plane
async def test_nodes_that_rbac_refuses_are_gone_on_without_and_said_once(
    plane: Plane, namespace: str, calls: CallLog, caplog: pytest.LogCaptureFixture
) -> None:
    kubectl = plane.kubectl().within(namespace)
    kubectl("create", "role", "reader", "--verb=list", "--resource=configmaps")
    kubectl("create", "rolebinding", "reader", "--role=reader", f"--user={plane.user('tenant')}")
    async with client_of(plane, "tenant", calls) as kube:
        watcher = Watcher(kube, namespace, kinds=(CONFIG, NODE))
        await watcher.resync.fill_store()
        await watcher.resync.list_all()

    assert watcher.resync.kinds == (CONFIG,)
    assert [record.message for record in caplog.records if "nodes may not be listed" in record.message] != []
    assert [call for call in calls.calls if call[1] == "Node"] == [("list", "Node", 403)]


@pytest.mark.plane
async def test_a_kind_that_may_not_be_listed_yet_is_waited_for_and_named(
    plane: Plane, namespace: str, calls: CallLog, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resync, "RETRY_SECONDS", 0.05)
    kubectl = plane.kubectl().within(namespace)
    async with client_of(plane, "tenant", calls) as kube:
        watcher = Watcher(kube, namespace, kinds=(CONFIG,))
        first = asyncio.create_task(watcher.resync.fill_store())
        await eventually("it asked three times", lambda: len(calls.calls) >= 3)
        assert not first.done()
        await asyncio.to_thread(kubectl, "create", "role", "reader", "--verb=list", "--resource=configmaps")
        await asyncio.to_thread(
            kubectl, "create", "rolebinding", "reader", "--role=reader", f"--user={plane.user('tenant')}"
        )
        await asyncio.wait_for(first, 10)

    messages = [record.message for record in caplog.records if "Not allowed to list configmaps" in record.message]
    assert len(messages) == 1


# -- kinds that come and go

GADGET = Kind(
    name="Gadget",
    group="testbed.example.com",
    version="v1",
    plural="gadgets",
    optional=True,
    without="nothing is done with them",
)


@pytest.fixture
async def gadgets(plane: Plane) -> AsyncIterator["Gadgets"]:
    crd = Gadgets(plane)
    yield crd
    await asyncio.to_thread(crd.forget)


@dataclass
class Gadgets:
    """A kind that the cluster may know or not."""

    plane: Plane

    def define(self, *more: str, conversion: dict[str, Any] | None = None) -> None:
        schema = {"openAPIV3Schema": {"type": "object"}}
        kubectl = self.plane.kubectl()
        kubectl.apply(
            {
                "apiVersion": "apiextensions.k8s.io/v1",
                "kind": "CustomResourceDefinition",
                "metadata": {"name": "gadgets.testbed.example.com"},
                "spec": {
                    "group": "testbed.example.com",
                    "names": {"kind": "Gadget", "plural": "gadgets", "singular": "gadget"},
                    "scope": "Namespaced",
                    "conversion": conversion or {"strategy": "None"},
                    "versions": [
                        {"name": name, "served": True, "storage": name == (*more, "v1")[0], "schema": schema}
                        for name in ("v1", *more)
                    ],
                },
            }
        )
        kubectl.until_established("crd/gadgets.testbed.example.com")

    def break_conversion(self, namespace: str) -> None:
        """Have one that is stored as v2, and nobody who makes a v1 of it."""
        self.define("v2")
        until("v2 is served", lambda: self._lists("v2"), 20)
        gadget = {"apiVersion": "testbed.example.com/v2", "kind": "Gadget", "metadata": {"name": "g"}}
        self.plane.kubectl().within(namespace).apply(gadget)
        webhook = {"clientConfig": {"url": "https://127.0.0.1:1/convert"}, "conversionReviewVersions": ["v1"]}
        self.define("v2", conversion={"strategy": "Webhook", "webhook": webhook})
        until("v1 is broken", lambda: not self._lists("v1"), 20)

    def _lists(self, version: str) -> bool:
        path = f"/apis/testbed.example.com/{version}/gadgets"
        return "items" in self.plane.kubectl()("get", "--raw", path, check=False)

    def mend_conversion(self) -> None:
        self.define("v2")

    def forget(self) -> None:
        self.plane.kubectl()("delete", "crd", "gadgets.testbed.example.com", "--ignore-not-found", "--wait")


@pytest.mark.plane
async def test_a_kind_that_the_cluster_may_not_know_is_gone_on_without_until_it_does(
    kube: ApiKube, namespace: str, gadgets: Gadgets, monkeypatch: pytest.MonkeyPatch
) -> None:
    watcher = Watcher(kube, namespace, kinds=(CONFIG, GADGET)).in_real_time(monkeypatch)
    await watcher.resync.fill_store()
    assert watcher.resync.kinds == (CONFIG,)
    assert watcher.store.coverage.unknown_kinds == {"Gadget"}

    looking = asyncio.create_task(watcher.resync.close_gaps())
    await watcher.resync.list_all()
    assert not looking.done()
    await asyncio.to_thread(gadgets.define)
    with pytest.raises(KindsChangedError, match="gadgets"):
        await asyncio.wait_for(looking, 30)


@pytest.mark.plane
async def test_a_kind_that_the_cluster_forgets_ends_the_process_where_it_may_be_missing(
    kube: ApiKube, namespace: str, gadgets: Gadgets
) -> None:
    await asyncio.to_thread(gadgets.define)
    watcher, strict = (
        Watcher(kube, namespace, kinds=(CONFIG, kind)) for kind in (GADGET, replace(GADGET, optional=False))
    )
    for each in (watcher, strict):
        await each.resync.fill_store()
        await each.resync.list_all()

    await asyncio.to_thread(gadgets.forget)

    with pytest.raises(KindsChangedError, match="gadgets"):
        await watcher.resync.list_all()
    await strict.resync.list_all()  # and is tried again
    assert strict.store.coverage.has_gap(strict.resync.kinds[1], namespace)


@pytest.mark.plane
async def test_a_kind_that_rbac_refuses_is_gone_on_without_and_said_once_until_it_is_granted(
    plane: Plane,
    namespace: str,
    gadgets: Gadgets,
    calls: CallLog,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kubectl = plane.kubectl().within(namespace)
    await asyncio.to_thread(gadgets.define)
    kubectl("create", "role", "reader", "--verb=list", "--resource=configmaps")
    kubectl("create", "rolebinding", "reader", "--role=reader", f"--user={plane.user('tenant')}")
    async with client_of(plane, "tenant", calls) as kube:
        watcher = Watcher(kube, namespace, kinds=(CONFIG, GADGET)).in_real_time(monkeypatch)
        await watcher.resync.fill_store()
        assert watcher.resync.kinds == (CONFIG,)
        assert watcher.store.coverage.unlisted_kinds(namespace) == {"Gadget"}

        looking = asyncio.create_task(watcher.resync.close_gaps())
        await eventually("it was asked for again", lambda: calls.calls.count(("list", "Gadget", 403)) >= 3)
        assert not looking.done()
        grant = ("create", "role", "more", "--verb=list", "--resource=gadgets.testbed.example.com")
        await asyncio.to_thread(kubectl, *grant)
        bind = ("create", "rolebinding", "more", "--role=more", f"--user={plane.user('tenant')}")
        await asyncio.to_thread(kubectl, *bind)
        with pytest.raises(KindsChangedError, match="gadgets"):
            await asyncio.wait_for(looking, 30)

    assert len([record for record in caplog.records if "gadgets may not be listed" in record.message]) == 1


@pytest.mark.plane
async def test_where_every_kind_can_be_had_nobody_looks_for_more(
    kube: ApiKube, namespace: str, calls: CallLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resync, "RETRY_SECONDS", 0.02)
    watcher = Watcher(kube, namespace).in_real_time(monkeypatch)
    await watcher.resync.fill_store()
    calls.calls.clear()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(watcher.resync.close_gaps(), 0.5)

    assert calls.calls == []


# -- one namespace of several


class Tenant:
    """Somebody who may list only what a test grants, namespace by namespace."""

    def __init__(self, plane: Plane, *namespaces: str) -> None:
        self._plane = plane
        for namespace in namespaces:
            self._kubectl(namespace, "create", "role", "reader", "--verb=list", f"--resource=configmaps,{MODELS}")

    async def may_list(self, namespace: str) -> None:
        user = self._plane.user("tenant")
        bind = ("create", "rolebinding", "reader", "--role=reader", f"--user={user}")
        await asyncio.to_thread(self._kubectl, namespace, *bind)

    async def may_not_list(self, namespace: str) -> None:
        await asyncio.to_thread(self._kubectl, namespace, "delete", "rolebinding", "reader")

    def _kubectl(self, namespace: str, *argv: str) -> None:
        self._plane.kubectl().within(namespace)(*argv)


MODELS = "modeldeployments.serving.slipway.dev"


@pytest.fixture
def two(plane: Plane) -> tuple[str, str]:
    return fresh_namespace(plane), fresh_namespace(plane)


@pytest.mark.plane
async def test_a_namespace_that_may_not_be_listed_at_the_start_keeps_nobody_else_waiting(
    plane: Plane,
    kube: ApiKube,
    two: tuple[str, str],
    calls: CallLog,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    served, refused = two
    for namespace in two:
        await kube.create(MODEL_DEPLOYMENT, a_model_deployment(namespace))
    tenant = Tenant(plane, *two)
    await tenant.may_list(served)
    async with client_of(plane, "tenant", calls) as theirs:
        watcher = Watcher(theirs, *two).in_real_time(monkeypatch)
        await asyncio.wait_for(watcher.resync.fill_store(), 10)
        assert await watcher.due() == Key(served, "churn")
        assert [watcher.store.coverage.is_blind(namespace) for namespace in two] == [False, True]
        closing = asyncio.create_task(watcher.resync.close_gaps())
        await eventually("it is tried again", lambda: calls.calls.count(("list", "ConfigMap", 403)) >= 3)
        await tenant.may_list(refused)

        assert await asyncio.wait_for(watcher.due(), 20) == Key(refused, "churn")
        await eventually("it is whole", lambda: not watcher.store.coverage.is_blind(refused))
        closing.cancel()

    messages = [record.message for record in caplog.records if f"configmaps in namespace {refused}" in record.message]
    assert len([message for message in messages if "Not allowed to list" in message]) == 1


@pytest.mark.plane
async def test_a_namespace_that_may_not_be_listed_any_more_is_kept_as_it_was_and_the_others_are_listed_on(
    plane: Plane, kube: ApiKube, two: tuple[str, str], calls: CallLog, caplog: pytest.LogCaptureFixture
) -> None:
    served, refused = two
    for namespace in two:
        await kube.apply(CONFIG, a_child(namespace))
    tenant = Tenant(plane, *two)
    for namespace in two:
        await tenant.may_list(namespace)
    async with client_of(plane, "tenant", calls) as theirs:
        watcher = Watcher(theirs, refused, served)  # in this order: the one that fails comes first
        await watcher.resync.fill_store()
        await tenant.may_not_list(refused)
        await eventually_refused(theirs, refused)
        for namespace in two:
            gone = watcher.store.observed(Key(namespace, "churn")).child("ConfigMap", "c")
            assert gone
            await kube.delete(CONFIG, namespace, "c", gone.uid)
        for _ in range(3):
            await watcher.resync.list_all()

        assert watcher.store.observed(Key(served, "churn")).children == {}
        kept = watcher.store.observed(Key(refused, "churn"))
        assert kept.child("ConfigMap", "c")
        assert kept.knows("ConfigMap")
        assert not watcher.store.coverage.is_blind(refused)

    assert caplog.text.count(f"configmaps cannot be listed in namespace {refused} any more") == 1
    assert [gap.namespace for gap in watcher.store.coverage.gaps()] == [refused, refused]


async def eventually_refused(kube: ApiKube, namespace: str) -> None:
    """RBAC takes a moment to hear of it."""
    for _ in range(200):
        try:
            assert [page async for page in kube.list(CONFIG, namespace)]
        except ForbiddenError:
            return
        await asyncio.sleep(0.05)
    raise AssertionError("still allowed")


# -- a kind that answers 500


@pytest.mark.plane
async def test_an_optional_kind_that_answers_500_at_the_start_is_gone_on_without_until_it_can_be_had(
    kube: ApiKube,
    namespace: str,
    gadgets: "Gadgets",
    calls: CallLog,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(resync, "RETRY_SECONDS", 0.05)
    await asyncio.to_thread(gadgets.break_conversion, namespace)
    watcher = Watcher(kube, namespace, kinds=(CONFIG, GADGET)).in_real_time(monkeypatch)
    await asyncio.wait_for(watcher.resync.fill_store(), 30)
    assert calls.calls.count(("list", "Gadget", 500)) == TRIES_AT_START
    assert watcher.resync.kinds == (CONFIG,)
    assert watcher.store.observed(Key(namespace, "churn")).unlisted == {"Gadget"}

    closing = asyncio.create_task(watcher.resync.close_gaps())
    await asyncio.to_thread(gadgets.mend_conversion)
    with pytest.raises(KindsChangedError, match="gadgets can be had now"):
        await asyncio.wait_for(closing, 30)

    assert caplog.text.count(f"gadgets cannot be listed in namespace {namespace}: nothing is done with them") == 1


@pytest.mark.plane
async def test_a_kind_that_answers_500_while_it_runs_stops_the_listing_of_no_other(
    kube: ApiKube, namespace: str, gadgets: "Gadgets"
) -> None:
    await asyncio.to_thread(gadgets.define)
    watcher = Watcher(kube, namespace, kinds=(GADGET, CONFIG))
    await watcher.resync.fill_store()
    await asyncio.to_thread(gadgets.break_conversion, namespace)
    await kube.apply(CONFIG, a_child(namespace))

    await watcher.resync.list_all()

    assert watcher.store.coverage.has_gap(GADGET, namespace)
    assert watcher.store.count(CONFIG) == 1
    assert watcher.store.observed(Key(namespace, "churn")).knows("Gadget")
