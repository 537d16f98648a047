"""Listings repair what watches lost, and find out watches that have gone deaf."""

import asyncio
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any, cast

import pytest
from prometheus_client import CollectorRegistry

from slipway.controller import health, resync
from slipway.controller.kinds import MODEL_DEPLOYMENT, NODE, Key, Kind
from slipway.controller.kube import ApiKube, NotFoundError
from slipway.controller.resync import DEAF_AFTER_SECONDS, Hearing, KindsChangedError
from slipway.controller.running import alive
from slipway.core.names import FIELD_MANAGER, MANAGED_BY
from slipway.core.names import MODEL_DEPLOYMENT as OWNER_LABEL
from testbed.plane import Plane, free_port
from tests.controller.conftest import CallLog, a_model_deployment, client_of, eventually
from tests.controller.watcher import CONFIG, Watcher


def a_child(namespace: str, name: str = "c", **data: str) -> dict[str, Any]:
    labels = {MANAGED_BY: FIELD_MANAGER, OWNER_LABEL: "churn"}
    meta = {"name": name, "namespace": namespace, "labels": labels}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data}


@pytest.mark.plane
async def test_the_first_listing_fills_the_store_and_wants_every_model_deployment_looked_at(
    kube: ApiKube, namespace: str
) -> None:
    for name in ("a", "b"):
        await kube.create(MODEL_DEPLOYMENT, a_model_deployment(namespace, name))
    watcher = Watcher(kube, namespace)

    await watcher.resync.first()

    assert watcher.store.synced
    assert {await watcher.due(), await watcher.due()} == {Key(namespace, "a"), Key(namespace, "b")}


@pytest.mark.plane
async def test_a_ghost_that_no_watch_told_of_is_evicted_and_its_owner_looked_at(kube: ApiKube, namespace: str) -> None:
    child = await kube.apply(CONFIG, a_child(namespace))
    watcher = Watcher(kube, namespace)
    await watcher.resync.first()
    await kube.delete(CONFIG, namespace, "c", child["metadata"]["uid"])

    await watcher.resync.once()

    assert watcher.store.observed(Key(namespace, "churn")).children == {}
    assert await watcher.due() == Key(namespace, "churn")


@pytest.mark.plane
async def test_a_listing_of_some_namespaces_says_nothing_of_others(kube: ApiKube, namespace: str, plane: Plane) -> None:
    plane.kubectl()("create", "namespace", f"{namespace}-2")
    for each in (namespace, f"{namespace}-2"):
        await kube.apply(CONFIG, a_child(each))
    watcher = Watcher(kube, namespace, f"{namespace}-2")

    await watcher.resync.first()
    await watcher.resync.once()

    assert watcher.store.count(CONFIG) == 2


@pytest.mark.plane
async def test_what_a_watch_missed_is_repaired_by_the_next_listing(kube: ApiKube, namespace: str) -> None:
    await kube.apply(CONFIG, a_child(namespace, a="1"))
    watcher = Watcher(kube, namespace)
    await watcher.resync.first()
    await kube.apply(CONFIG, a_child(namespace, a="2"))

    await watcher.resync.once()

    child = watcher.store.observed(Key(namespace, "churn")).child("ConfigMap", "c")
    assert child
    assert child.body["data"] == {"a": "2"}


@pytest.mark.plane
async def test_a_watch_that_keeps_quiet_for_a_minute_about_what_listings_show_turns_liveness_red(
    kube: ApiKube, namespace: str
) -> None:
    await kube.apply(CONFIG, a_child(namespace))
    watcher = Watcher(kube, namespace)
    port = free_port()

    async with health.serve(
        health_port=port,
        metrics_port=free_port(),
        alive=lambda: alive(watcher.hearing),
        ready=lambda: None,
        metrics=CollectorRegistry(),
    ):
        assert await watcher.listed_after(0) == []
        assert await _healthz(port) == (200, "ok")
        assert await watcher.listed_after(DEAF_AFTER_SECONDS + 1) == ["ConfigMap"]
        assert await _healthz(port) == (503, "The watch of ConfigMap has gone deaf")


async def _healthz(port: int) -> tuple[int, str]:
    def ask() -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    return await asyncio.to_thread(ask)


@pytest.mark.plane
async def test_a_watch_that_tells_late_is_not_deaf(kube: ApiKube, namespace: str) -> None:
    child = await kube.apply(CONFIG, a_child(namespace))
    watcher = Watcher(kube, namespace)
    await watcher.listed_after(0)
    watcher.intake.take(CONFIG, {"type": "ADDED", "object": cast("Any", child)})

    assert await watcher.listed_after(DEAF_AFTER_SECONDS + 1) == []
    assert not watcher.hearing.waiting()


@pytest.mark.plane
async def test_a_watch_owes_nothing_about_what_is_gone_by_the_next_listing(kube: ApiKube, namespace: str) -> None:
    child = await kube.apply(CONFIG, a_child(namespace))
    watcher = Watcher(kube, namespace)
    await watcher.listed_after(0)
    await kube.delete(CONFIG, namespace, "c", child["metadata"]["uid"])

    assert await watcher.listed_after(DEAF_AFTER_SECONDS + 1) == []


@pytest.mark.plane
async def test_nodes_that_rbac_refuses_are_gone_on_without_and_said_once(
    plane: Plane, namespace: str, calls: CallLog, caplog: pytest.LogCaptureFixture
) -> None:
    kubectl = plane.kubectl().within(namespace)
    kubectl("create", "role", "reader", "--verb=list", "--resource=configmaps")
    kubectl("create", "rolebinding", "reader", "--role=reader", f"--user={plane.user('tenant')}")
    async with client_of(plane, "tenant", calls) as kube:
        watcher = Watcher(kube, namespace, kinds=(CONFIG, NODE))
        await watcher.resync.first()
        await watcher.resync.once()

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
        first = asyncio.create_task(watcher.resync.first())
        await eventually("it asked three times", lambda: len(calls.calls) >= 3)
        assert not first.done()
        await asyncio.to_thread(kubectl, "create", "role", "reader", "--verb=list", "--resource=configmaps")
        await asyncio.to_thread(
            kubectl, "create", "rolebinding", "reader", "--role=reader", f"--user={plane.user('tenant')}"
        )
        await asyncio.wait_for(first, 10)

    said = [record.message for record in caplog.records if "Not allowed to list configmaps" in record.message]
    assert len(said) == 1


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
    found = Gadgets(plane)
    yield found
    await asyncio.to_thread(found.forget)


@dataclass
class Gadgets:
    """A kind that the cluster may know or not."""

    plane: Plane

    def define(self) -> None:
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
                    "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
                },
            }
        )
        kubectl.until_established("crd/gadgets.testbed.example.com")

    def forget(self) -> None:
        self.plane.kubectl()("delete", "crd", "gadgets.testbed.example.com", "--ignore-not-found", "--wait")


@pytest.mark.plane
async def test_a_kind_that_the_cluster_may_not_know_is_gone_on_without_until_it_does(
    kube: ApiKube, namespace: str, gadgets: Gadgets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resync, "NEW_KINDS_SECONDS", 0.05)
    watcher = Watcher(kube, namespace, kinds=(CONFIG, GADGET))
    await watcher.resync.first()
    assert watcher.resync.kinds == (CONFIG,)
    assert watcher.store.unknown_kinds == {"Gadget"}

    looking = asyncio.create_task(watcher.resync.look_for_new_kinds())
    await watcher.resync.once()
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
        await each.resync.first()
        await each.resync.once()

    await asyncio.to_thread(gadgets.forget)

    with pytest.raises(KindsChangedError, match="gadgets"):
        await watcher.resync.once()
    with pytest.raises(NotFoundError):  # and is tried again
        await strict.resync.once()


@pytest.mark.plane
async def test_a_kind_that_rbac_refuses_is_gone_on_without_and_said_once_until_it_is_granted(
    plane: Plane,
    namespace: str,
    gadgets: Gadgets,
    calls: CallLog,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(resync, "NEW_KINDS_SECONDS", 0.05)
    kubectl = plane.kubectl().within(namespace)
    await asyncio.to_thread(gadgets.define)
    kubectl("create", "role", "reader", "--verb=list", "--resource=configmaps")
    kubectl("create", "rolebinding", "reader", "--role=reader", f"--user={plane.user('tenant')}")
    async with client_of(plane, "tenant", calls) as kube:
        watcher = Watcher(kube, namespace, kinds=(CONFIG, GADGET))
        await watcher.resync.first()
        assert watcher.resync.kinds == (CONFIG,)
        assert watcher.store.refused_kinds == {"Gadget"}

        looking = asyncio.create_task(watcher.resync.look_for_new_kinds())
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
async def test_where_every_kind_can_be_had_nobody_looks_for_more(kube: ApiKube, namespace: str) -> None:
    watcher = Watcher(kube, namespace)
    await watcher.resync.first()
    await asyncio.wait_for(watcher.resync.look_for_new_kinds(), 1)


def test_hearing_holds_a_watch_to_the_version_that_was_listed() -> None:
    hearing = Hearing()
    hearing.listed(CONFIG, {"u": 7}, {"u": 7}, now=0)

    hearing.heard(CONFIG, "u", 6)
    assert hearing.waiting()
    hearing.heard(CONFIG, "u", 8)
    assert not hearing.waiting()


def test_lag_counts_from_the_first_listing_that_showed_it() -> None:
    hearing = Hearing()
    for now in (0, 30, 61):
        hearing.listed(CONFIG, {"u": 7}, {"u": 7}, now=now)

    assert hearing.lag_seconds() == {"ConfigMap": 61}
    assert hearing.deaf() == ["ConfigMap"]


def test_a_deletion_that_a_watch_tells_of_settles_what_it_owed() -> None:
    hearing = Hearing()
    hearing.listed(CONFIG, {"u": 7}, {"u": 7}, now=0)
    hearing.gone(CONFIG, "u")

    assert not hearing.waiting()
