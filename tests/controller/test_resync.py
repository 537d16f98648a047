"""Listings repair what watches lost, and find out watches that have gone deaf."""

import asyncio
import urllib.error
import urllib.request
from typing import Any, cast

import pytest
from prometheus_client import CollectorRegistry

from slipway.controller import health
from slipway.controller.kinds import MODEL_DEPLOYMENT, Key
from slipway.controller.kube import ApiKube
from slipway.controller.process import liveness
from slipway.controller.watch_health import DEAF_AFTER_SECONDS
from testbed.plane import Plane, free_port
from tests.controller.conftest import a_model_deployment
from tests.controller.watcher import CONFIG, Watcher, a_child


@pytest.mark.plane
async def test_the_first_listing_fills_the_store_and_wants_every_model_deployment_looked_at(
    kube: ApiKube, namespace: str
) -> None:
    for name in ("a", "b"):
        await kube.create(MODEL_DEPLOYMENT, a_model_deployment(namespace, name))
    watcher = Watcher(kube, namespace)

    await watcher.resync.fill_store()

    assert watcher.store.synced
    assert {await watcher.due(), await watcher.due()} == {Key(namespace, "a"), Key(namespace, "b")}


@pytest.mark.plane
async def test_a_ghost_that_no_watch_told_of_is_evicted_and_its_owner_looked_at(kube: ApiKube, namespace: str) -> None:
    child = await kube.apply(CONFIG, a_child(namespace))
    watcher = Watcher(kube, namespace)
    await watcher.resync.fill_store()
    await kube.delete(CONFIG, namespace, "c", child["metadata"]["uid"])

    await watcher.resync.list_all()

    assert watcher.store.observed(Key(namespace, "churn")).children == {}
    assert await watcher.due() == Key(namespace, "churn")


@pytest.mark.plane
async def test_a_listing_of_some_namespaces_says_nothing_of_others(kube: ApiKube, namespace: str, plane: Plane) -> None:
    plane.kubectl()("create", "namespace", f"{namespace}-2")
    for each in (namespace, f"{namespace}-2"):
        await kube.apply(CONFIG, a_child(each))
    watcher = Watcher(kube, namespace, f"{namespace}-2")

    await watcher.resync.fill_store()
    await watcher.resync.list_all()

    assert watcher.store.count(CONFIG) == 2


@pytest.mark.plane
async def test_what_a_watch_missed_is_repaired_by_the_next_listing(kube: ApiKube, namespace: str) -> None:
    await kube.apply(CONFIG, a_child(namespace, a="1"))
    watcher = Watcher(kube, namespace)
    await watcher.resync.fill_store()
    await kube.apply(CONFIG, a_child(namespace, a="2"))

    await watcher.resync.list_all()

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
        alive=lambda: liveness(watcher.watch_health),
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
    watcher.event_sink.take(CONFIG, {"type": "ADDED", "object": cast("Any", child)})

    assert await watcher.listed_after(DEAF_AFTER_SECONDS + 1) == []
    assert not watcher.watch_health.is_waiting()


@pytest.mark.plane
async def test_a_watch_owes_nothing_about_what_is_gone_by_the_next_listing(kube: ApiKube, namespace: str) -> None:
    child = await kube.apply(CONFIG, a_child(namespace))
    watcher = Watcher(kube, namespace)
    await watcher.listed_after(0)
    await kube.delete(CONFIG, namespace, "c", child["metadata"]["uid"])

    assert await watcher.listed_after(DEAF_AFTER_SECONDS + 1) == []
