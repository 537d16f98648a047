"""Gateways and their classes on a real API server: who hears of them, from which namespaces, and with which rights."""

import asyncio
from typing import Any, cast

import pytest

from slipway.controller import resync
from slipway.controller.kinds import GATEWAY, GATEWAY_CLASS, MODEL_DEPLOYMENT, Key
from slipway.controller.watch_health import DEAF_AFTER_SECONDS
from testbed.operating import OperatorProcess, until
from testbed.plane import Plane
from tests.controller.conftest import CallLog, a_model_deployment, client_of, eventually
from tests.controller.watcher import Watcher

pytestmark = pytest.mark.plane
KINDS = (MODEL_DEPLOYMENT, GATEWAY, GATEWAY_CLASS)


def a_gateway(namespace: str, class_name: str = "envoy") -> dict[str, Any]:
    listeners = [{"name": "http", "protocol": "HTTP", "port": 80}]
    return {
        "apiVersion": GATEWAY.api_version,
        "kind": "Gateway",
        "metadata": {"name": "inference", "namespace": namespace},
        "spec": {"gatewayClassName": class_name, "listeners": listeners},
    }


def a_class(name: str) -> dict[str, Any]:
    return {
        "apiVersion": GATEWAY.api_version,
        "kind": "GatewayClass",
        "metadata": {"name": name},
        "spec": {"controllerName": "example.com/nobody"},
    }


def behind(gateways: str) -> dict[str, Any]:
    return {"gateway": {"name": "inference", "namespace": gateways}}


async def test_a_gateway_of_a_namespace_that_is_not_served_is_seen_and_no_watch_owes_word_of_it(
    cluster_plane: Plane, cluster_namespace: str, calls: CallLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resync, "ELSEWHERE_SECONDS", 0.05)
    kubectl = cluster_plane.kubectl()
    async with client_of(cluster_plane, "operator", calls) as kube:
        model = a_model_deployment(cluster_namespace, traffic=behind("default"))
        watcher = Watcher(kube, cluster_namespace, kinds=KINDS)
        made = await kube.create(MODEL_DEPLOYMENT, model)
        watcher.event_sink.take(MODEL_DEPLOYMENT, {"type": "ADDED", "object": cast("Any", made)})
        await watcher.resync.fill_store()
        await watcher.due()
        looking = asyncio.create_task(watcher.resync.look_elsewhere())

        def gateways() -> set[tuple[str, str]]:
            return set(watcher.store.observed(Key(cluster_namespace, "churn")).gateways.gateways or ())

        try:
            kubectl.apply(a_gateway("default"))
            await eventually("it is seen", lambda: ("default", "inference") in gateways())
            assert await asyncio.wait_for(watcher.due(), 5) == Key(cluster_namespace, "churn")
            assert await watcher.listed_after(DEAF_AFTER_SECONDS + 1) == []
            assert await watcher.listed_after(DEAF_AFTER_SECONDS + 1) == []
        finally:
            kubectl("delete", "gateway", "inference", "--namespace=default")
        await eventually("its end is seen", lambda: not gateways())
        looking.cancel()


async def test_gateways_that_rbac_refuses_are_gone_on_without_and_said_once(
    cluster_plane: Plane, cluster_namespace: str, calls: CallLog, caplog: pytest.LogCaptureFixture
) -> None:
    async with client_of(cluster_plane, "tenant", calls) as kube:
        watcher = Watcher(kube, cluster_namespace, kinds=(GATEWAY, GATEWAY_CLASS))
        await watcher.resync.fill_store()
        await watcher.resync.list_all()

    assert watcher.resync.kinds == ()
    gateways = watcher.store.observed(Key(cluster_namespace, "churn")).gateways
    assert (gateways.gateways, gateways.classes) == (None, None)
    messages = [record.message for record in caplog.records if "may not be listed" in record.message]
    assert sorted(message.split()[0] for message in messages) == ["gatewayclasses", "gateways"]


@pytest.mark.parametrize("everywhere", [True, False], ids=["everywhere", "one namespace"])
def test_what_becomes_of_the_gateway_and_its_class_is_said_of_the_models_behind_it(
    cluster_plane: Plane, cluster_namespace: str, everywhere: bool
) -> None:
    kubectl = cluster_plane.kubectl()
    path = "jsonpath={.status.conditions[?(@.type=='Ready')].message}"

    def status_says(words: str) -> bool:
        return words in kubectl.within(cluster_namespace)("get", "md", "churn", "--output", path)

    gateways = f"{cluster_namespace}-gateways"
    kubectl("create", "namespace", gateways)
    kubectl.apply(a_model_deployment(cluster_namespace, traffic=behind(gateways)))
    with OperatorProcess(cluster_plane, namespaces=[] if everywhere else [cluster_namespace], lease=cluster_namespace):
        until("the Gateway is missed", lambda: status_says(f"Gateway {gateways}/inference is not there"), 120)
        kubectl.apply(a_gateway(gateways, class_name=cluster_namespace))
        until("its class is missed", lambda: status_says(f"GatewayClass {cluster_namespace}, which Gateway"), 30)
        kubectl.apply(a_class(cluster_namespace))
        try:
            until("nobody answers", lambda: status_says("its controller example.com/nobody has not answered"), 30)
            kubectl("delete", "gateway", "inference", f"--namespace={gateways}")
            until("the Gateway is missed again", lambda: status_says(f"Gateway {gateways}/inference is not there"), 30)
        finally:
            kubectl("delete", "gatewayclass", cluster_namespace)
            kubectl("delete", "namespace", gateways, "--wait=false")
