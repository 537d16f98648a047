"""The children around a workload: Services, autoscaler, budget, network policy."""

from copy import deepcopy
from datetime import timedelta
from typing import Any

from slipway.api.v1alpha1.spec import Autoscaling, Traffic
from slipway.core.children.autoscaler import autoscaler
from slipway.core.children.budget import budget
from slipway.core.children.network_policy import network_policy
from slipway.core.children.resolve_job import resolve_job
from slipway.core.children.service import revision_service, root_service
from slipway.core.children.workload import deployment
from slipway.core.names import Manifest
from tests.core.gen import md_spec, owner, platform, resolved

REVISION = "3f2a91bc"
POD_LABELS = deployment(owner=owner(), spec=md_spec(), resolved=resolved(), platform=platform(), revision=REVISION)[
    "spec"
]["template"]["metadata"]["labels"]
RESOLVER_LABELS = resolve_job(
    owner=owner(), spec=md_spec(), ask="a" * 64, platform=platform(), deadline=timedelta(hours=1)
)["spec"]["template"]["metadata"]["labels"]


def selects(selector: dict[str, str], labels: dict[str, str]) -> bool:
    return selector.items() <= labels.items()


def test_a_revision_service_and_the_root_service_differ_in_their_name_and_label_only() -> None:
    of_revision, root = (made(owner=owner(), revision=REVISION) for made in (revision_service, root_service))

    assert of_revision["metadata"]["name"] == "churn-3f2a91bc"
    assert root["metadata"]["name"] == "churn"
    assert "serving.slipway.dev/revision" not in root["metadata"]["labels"]
    assert of_revision["spec"] == root["spec"]


def test_a_service_selects_the_pods_of_its_revision_and_no_others() -> None:
    selector = root_service(owner=owner(), revision=REVISION)["spec"]["selector"]

    assert selects(selector, POD_LABELS)
    assert not selects(selector, RESOLVER_LABELS)
    assert not selects(root_service(owner=owner(), revision="90be11d2")["spec"]["selector"], POD_LABELS)


def test_a_service_offers_http_and_grpc_over_plain_http2_and_metrics() -> None:
    ports = root_service(owner=owner(), revision=REVISION)["spec"]["ports"]

    assert [(p["name"], p["port"], p.get("appProtocol")) for p in ports] == [
        ("http", 8000, None),
        ("grpc", 8001, "kubernetes.io/h2c"),
        ("metrics", 8002, None),
    ]


def scaler(**asked: Any) -> Manifest:
    asked = {"maxReplicas": 4, "metrics": [{"type": "Resource"}]} | asked
    return autoscaler(owner=owner(), revision=REVISION, autoscaling=Autoscaling.model_validate(asked), bounds=(1, 4))


def test_an_autoscaler_scales_the_revisions_own_deployment() -> None:
    assert scaler()["spec"]["scaleTargetRef"] == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "name": "churn-3f2a91bc",
    }


def test_metrics_and_behaviour_of_an_autoscaler_are_handed_through() -> None:
    behavior = {"scaleDown": {"stabilizationWindowSeconds": 60}}

    spec = scaler(minReplicas=2, behavior=behavior)["spec"]

    assert (spec["minReplicas"], spec["maxReplicas"]) == (1, 4), "the bounds are those that hold now"
    assert spec["metrics"] == [{"type": "Resource"}]
    assert spec["behavior"] == behavior
    assert "behavior" not in scaler()["spec"]


def test_a_budget_lets_pods_go_one_by_one_and_broken_ones_at_any_time() -> None:
    spec = budget(owner=owner(), revision=REVISION)["spec"]

    assert spec["maxUnavailable"] == 1
    assert spec["unhealthyPodEvictionPolicy"] == "AlwaysAllow"
    assert selects(spec["selector"]["matchLabels"], POD_LABELS)


OPERATOR = {
    "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "slipway-system"}},
    "podSelector": {"matchLabels": {"app.kubernetes.io/name": "slipway"}},
}
"""By the labels that its chart gives it: it reads counters, and asks what an analysis asks."""


def test_an_open_network_policy_opens_the_three_ports_to_the_peers_and_covers_every_revision() -> None:
    peers: list[dict[str, Any]] = [
        {"podSelector": {"matchLabels": {"app": "shop"}}},
        {"ipBlock": {"cidr": "10.0.0.0/8"}},
    ]
    before = deepcopy(peers)

    whole = network_policy(
        owner=owner(),
        traffic=Traffic.model_validate({"allowFrom": peers}),
        fetches=True,
        platform=platform(namespace="slipway-system"),
    )

    assert whole
    assert whole["metadata"]["name"] == "churn"
    assert whole["spec"]["policyTypes"] == ["Ingress"]
    assert whole["spec"]["ingress"] == [
        {"from": before, "ports": [{"protocol": "TCP", "port": port} for port in (8000, 8001, 8002)]},
        {"from": [OPERATOR], "ports": [{"protocol": "TCP", "port": port} for port in (8000, 8002)]},
    ]
    assert selects(whole["spec"]["podSelector"]["matchLabels"], POD_LABELS)
    assert not selects(whole["spec"]["podSelector"]["matchLabels"], RESOLVER_LABELS)
