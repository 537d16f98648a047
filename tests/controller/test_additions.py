"""On a real API server: what somebody adds to a child that says who gets traffic is taken out again, or told."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from slipway.api.v1alpha1 import API_VERSION, KIND
from slipway.controller.http import client
from slipway.controller.kinds import BY_NAME, Key
from slipway.controller.obstacles import BURST
from slipway.controller.sampling import Ports, Sampling
from slipway.core.children.manifest import finished
from slipway.core.names import Manifest
from slipway.core.observed.blocked_writes import blocked_write
from slipway.core.owner import Owner
from testbed.plane import Plane, free_port
from tests.controller.conftest import CallLog, client_of
from tests.controller.staging import Pass, Stage, wants
from tests.controller.webhooks import Patch, rewriting
from tests.core.children.every import around, of_keda, of_traffic

pytestmark = pytest.mark.plane


def without_route(child: Manifest) -> Manifest:
    """Garbage collection would take out a reference to an owner that was never there, and change it all the while."""
    return {**child, "metadata": {key: of for key, of in child["metadata"].items() if key != "ownerReferences"}}


CHILDREN: dict[str, Manifest] = {
    child["kind"]: without_route(child)
    for child in (
        *around(),
        *of_keda(),
        *of_traffic("policies with everything"),
        *of_traffic("routes with everything"),
    )
}

REDIRECT = {"type": "RequestRedirect", "requestRedirect": {"hostname": "stranger.example"}}
MIRROR = {"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "stranger", "port": 80}}}
HEADER = {"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": [{"name": "a", "value": "b"}]}}
STRANGER = {"backendRefs": [{"name": "stranger", "port": 80}]}
EXTRA_PORT = {"name": "extra", "port": 9999, "targetPort": 9999, "protocol": "TCP"}

ADDED: list[tuple[str, str, Any]] = [
    ("HTTPRoute", "rules/0/filters/-", MIRROR),
    ("HTTPRoute", "rules/1/filters/-", HEADER),
    ("HTTPRoute", "rules/0/backendRefs/0/namespace", "stranger"),
    ("HTTPRoute", "rules/0/backendRefs/0/filters", [HEADER]),
    ("HTTPRoute", "rules/0/matches/0/headers", [{"name": "a", "value": "b"}]),
    ("HTTPRoute", "rules/0/matches/0/method", "PUT"),
    ("HTTPRoute", "rules/0/timeouts/backendRequest", "1s"),
    ("HTTPRoute", "rules/-", STRANGER),
    ("HTTPRoute", "rules/-", {"filters": [REDIRECT]}),
    ("HTTPRoute", "rules/0", {"filters": [REDIRECT]}),
    ("HTTPRoute", "parentRefs/0/port", 9999),
    ("HTTPRoute", "hostnames/-", "stranger.example"),
    ("GRPCRoute", "rules/0/filters", [MIRROR]),
    ("GRPCRoute", "rules/0/backendRefs/0/namespace", "stranger"),
    ("GRPCRoute", "rules/0/matches/0/method/method", "ModelInfer"),
    ("SecurityPolicy", "jwt/optional", True),
    ("SecurityPolicy", "jwt/providers/0/claimToHeaders", [{"header": "a", "claim": "b"}]),
    ("SecurityPolicy", "authorization", {"defaultAction": "Allow"}),
    ("SecurityPolicy", "cors", {"allowOrigins": ["*"]}),
    ("BackendTrafficPolicy", "faultInjection", {"abort": {"httpStatus": 500}}),
    ("BackendTrafficPolicy", "retry/perRetry", {"timeout": "1s"}),
    ("Service", "publishNotReadyAddresses", True),
    ("Service", "externalIPs", ["192.0.2.1"]),
    ("Service", "sessionAffinity", "ClientIP"),
    ("Service", "internalTrafficPolicy", "Local"),
    ("Service", "trafficDistribution", "PreferClose"),
    ("Service", "ports/-", EXTRA_PORT),
    ("Service", "selector/extra", "x"),
    ("HorizontalPodAutoscaler", "behavior/scaleUp", {"selectPolicy": "Disabled"}),
    ("HorizontalPodAutoscaler", "behavior/scaleDown/selectPolicy", "Disabled"),
    ("HorizontalPodAutoscaler", "behavior/scaleDown/policies/-", {"type": "Pods", "value": 9, "periodSeconds": 9}),
    ("ScaledObject", "idleReplicaCount", 0),
    ("ScaledObject", "advanced/restoreToOriginalReplicaCount", True),
    ("ScaledObject", "triggers/-", {"type": "cron", "metadata": {"timezone": "UTC"}}),
    ("NetworkPolicy", "ingress/-", {}),
    ("NetworkPolicy", "ingress/0/from/2/podSelector", {}),
    ("NetworkPolicy", "ingress/0/ports/0/endPort", 9999),
    ("NetworkPolicy", "egress/-", {}),
    ("NetworkPolicy", "egress/1/to/-", {"ipBlock": {"cidr": "169.254.169.254/32"}}),
    ("NetworkPolicy", "egress/1/ports/0/port", 443),
    ("PodDisruptionBudget", "selector/matchLabels/extra", "x"),
]


@pytest.fixture
async def stage(cluster_plane: Plane, cluster_namespace: str, calls: CallLog) -> AsyncIterator[Stage]:
    """Where the kinds of gateways are known."""
    async with client_of(cluster_plane, "operator", calls) as kube, client() as session:
        sampling = Sampling(session, lambda key: None, kube=kube, ports=Ports(metrics=free_port()))
        yield await Stage(kube, Key(cluster_namespace, "churn"), sampling).with_model_deployment()
        await sampling.close()


def makes(kind: str) -> Any:
    return lambda owner: finished(CHILDREN[kind], owner=owner, api_version=API_VERSION, kind=KIND)


async def live(stage: Stage, kind: str) -> Manifest:
    return await stage.kube.get(BY_NAME[kind], stage.key.namespace, CHILDREN[kind]["metadata"]["name"])


async def add(stage: Stage, plane: Plane, kind: str, path: str, value: Any) -> None:
    """As a manager of its own, and heard of."""
    patch = json.dumps([{"op": "add", "path": f"/spec/{path}", "value": value}])
    kubectl, name = plane.kubectl().within(stage.key.namespace), CHILDREN[kind]["metadata"]["name"]
    await asyncio.to_thread(kubectl, "patch", kind, name, "--type=json", f"--patch={patch}", "--field-manager=somebody")
    stage.store.put(BY_NAME[kind], await live(stage, kind))


@pytest.mark.parametrize(("kind", "path", "value"), ADDED, ids=[f"{kind}-{path}" for kind, path, _ in ADDED])
async def test_what_somebody_adds_is_taken_out_by_the_next_pass_and_then_nothing_is_written(
    kind: str, path: str, value: Any, stage: Stage, cluster_plane: Plane, calls: CallLog
) -> None:
    decision = Pass(wants(makes(kind)))
    reconciler = stage.reconciler(decision)
    await reconciler.reconcile(stage.key)
    asked = await live(stage, kind)
    await add(stage, cluster_plane, kind, path, value)
    assert (await live(stage, kind))["spec"] != asked["spec"]

    await reconciler.reconcile(stage.key)

    after = await live(stage, kind)
    assert after["spec"] == asked["spec"]
    assert after["metadata"]["uid"] == asked["metadata"]["uid"]
    calls.calls.clear()
    await reconciler.reconcile(stage.key)
    assert [call for call in calls.writes() if call[1] == kind] == []
    assert decision.observations[-1].unkept == ()


@pytest.mark.parametrize("kind", sorted({kind for kind, _, _ in ADDED}))
async def test_what_nobody_has_touched_is_written_once(kind: str, stage: Stage, calls: CallLog) -> None:
    reconciler = stage.reconciler(Pass(wants(makes(kind))))
    for _ in range(3):
        await reconciler.reconcile(stage.key)

    assert [call for call in calls.writes() if call[1] == kind] == [("apply", kind, 201)]


async def test_what_is_added_each_time_is_told_with_its_field_and_not_taken_out_at_once_again(
    stage: Stage, cluster_plane: Plane, calls: CallLog
) -> None:
    decision = Pass(wants(makes("Service")))
    reconciler = stage.reconciler(decision)
    await reconciler.reconcile(stage.key)
    calls.calls.clear()
    for _ in range(10):
        await add(stage, cluster_plane, "Service", "publishNotReadyAddresses", True)
        await reconciler.reconcile(stage.key)

    found = blocked_write(decision.observations[-1], stage.now)
    assert found
    assert "spec.publishNotReadyAddresses is true where nothing was asked for" in found.finding.message
    assert len([call for call in calls.writes() if call[:2] == ("patch", "Service")]) <= BURST


async def test_what_a_webhook_adds_to_each_write_is_told_with_its_field(
    stage: Stage, cluster_plane: Plane, calls: CallLog
) -> None:
    def adds(found: Manifest) -> Patch:
        return [{"op": "add", "path": "/spec/publishNotReadyAddresses", "value": True}]

    decision = Pass(wants(makes("Service")))
    reconciler = stage.reconciler(decision)
    probe = makes("Service")(Owner(namespace=stage.key.namespace, name="churn", uid="0"))
    async with rewriting(cluster_plane, stage.key.namespace, "", "services", adds, probe):
        calls.calls.clear()
        for _ in range(5):
            await reconciler.reconcile(stage.key)

    found = blocked_write(decision.observations[-1], stage.now)
    assert found
    assert "spec.publishNotReadyAddresses is true where nothing was asked for" in found.finding.message
    assert [verb for verb, kind, _ in calls.writes() if kind == "Service"] == ["apply", "patch"]
