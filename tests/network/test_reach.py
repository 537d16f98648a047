"""Who reaches whom by the NetworkPolicies that chart and operator make: N6, as the evaluator beside this has it."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from functools import cache
from typing import Any, Final

import pytest

from slipway.api.v1alpha1.spec import Traffic
from slipway.controller.model_network import network_rules
from slipway.core.children.manifest import finished
from slipway.core.children.network_policy import network_policy
from slipway.core.children.resolve_job import resolve_job
from slipway.core.children.workload import deployment
from tests.charts.render import NAMESPACE, PEER, Manifest, model_network, objects, of_kind
from tests.core.gen import md_spec, owner, platform, resolved
from tests.network.evaluator import End, may_reach
from tests.network.kube_network_policies import lets

API_SERVER: Final = "10.96.0.1"
CLOSED: Final = (
    "models.networkPolicy=Namespace",
    "models.denyTo={192.168.0.10/32}",
    f"metrics.allowFrom[0].{PEER}=monitoring",
)
"""What a platform says: the closed default, where Prometheus is, and the API server's own address."""
GATEWAY: Final[dict[str, Any]] = {"gateway": {"name": "public", "namespace": "gateways"}}
HTTP, GRPC, METRICS, PROBE, LOAD, OPERATORS_METRICS, OPERATORS_PROBE = 8000, 8001, 8002, 8003, 8004, 9090, 8080
SERVED: Final = (HTTP, GRPC, METRICS)


def pod_labels(workload: Manifest) -> Mapping[str, str]:
    found: Mapping[str, str] = workload["spec"]["template"]["metadata"]["labels"]
    return found


SERVER: Final = End(
    address="10.0.0.1",
    namespace="shop",
    labels=pod_labels(
        deployment(owner=owner(), spec=md_spec(), resolved=resolved(), platform=platform(), revision="3f2a91bc")
    ),
)
RESOLVER: Final = End(
    address="10.0.0.2",
    namespace="shop",
    labels=pod_labels(
        resolve_job(owner=owner(), spec=md_spec(), ask="a" * 64, platform=platform(), deadline=timedelta(hours=1))
    ),
)
OPERATOR: Final = End(address="10.0.1.1", namespace=NAMESPACE, labels=pod_labels(of_kind("Deployment")[0]))
ENDS: Final = {
    "the model": SERVER,
    "its resolve Job": RESOLVER,
    "the operator": OPERATOR,
    "a pod beside it": End(address="10.0.0.3", namespace="shop", labels={"app": "shop"}),
    "another namespace's pod": End(address="10.0.2.1", namespace="hostile"),
    "one that calls itself the operator": replace(OPERATOR, address="10.0.2.2", namespace="hostile"),
    "one that calls itself the model": replace(SERVER, address="10.0.2.3", namespace="hostile"),
    "a pod beside the operator": End(address="10.0.1.2", namespace=NAMESPACE, labels={"app": "shell"}),
    "its gateway's proxy": End(address="10.0.3.1", namespace="gateways", labels={"app": "proxy"}),
    "Envoy Gateway's proxy": End(address="10.0.3.2", namespace="envoy-gateway-system", labels={"app": "proxy"}),
    "Prometheus": End(address="10.0.4.1", namespace="monitoring", labels={"app": "prometheus"}),
    "KEDA's operator": End(address="10.0.7.1", namespace="keda", labels={"app": "keda-operator"}),
    "a pod beside KEDA's operator": End(address="10.0.7.2", namespace="keda", labels={"app": "shell"}),
    "one that calls itself KEDA's operator": End(
        address="10.0.2.4", namespace="hostile", labels={"app": "keda-operator"}
    ),
    "a store in the cluster": End(address="10.0.5.1", namespace="storage", labels={"app": "minio"}),
    "DNS": End(address="10.0.6.1", namespace="kube-system", labels={"k8s-app": "kube-dns"}),
    "the node's cache of DNS": End(address="169.254.20.10"),
    "the cloud's metadata": End(address="169.254.169.254"),
    "AWS's metadata": End(address="fd00:ec2::254"),
    "Azure's": End(address="168.63.129.16"),
    "the link of the node": End(address="fe80::1"),
    "the cloud's metadata by NAT64": End(address="64:ff9b::a9fe:a9fe"),
    "the API server by NAT64": End(address="64:ff9b::c0a8:a"),
    "the API server's Service": End(address=API_SERVER),
    "the API server": End(address="192.168.0.10"),
    "a store outside": End(address="52.216.1.1"),
    "a client outside": End(address="203.0.113.7"),
}


@cache
def of_chart(values: tuple[str, ...]) -> tuple[tuple[Manifest, ...], str]:
    """The chart's own policies, and what it tells the operator of models."""
    rendered = objects(*values)
    return tuple(each for each in rendered if each["kind"] == "NetworkPolicy"), json.dumps(model_network(rendered))


def policies(
    values: tuple[str, ...] = CLOSED,
    *,
    fetches: bool = True,
    scales_on_load: bool = False,
    by_keda: bool = False,
    scored: bool = False,
    **traffic: Any,
) -> list[Manifest]:
    """All that there are, with one model in shop."""
    own, network = of_chart(values)
    made = network_policy(
        owner=owner(namespace="shop"),
        traffic=Traffic.model_validate(traffic),
        fetches=fetches,
        platform=platform(namespace=NAMESPACE, network=network_rules(network, API_SERVER)),
        scales_on_load=scales_on_load,
        by_keda=by_keda,
        scored=scored,
    )
    children = [finished(made, owner=owner(namespace="shop"), api_version="x/v1", kind="X")] if made else []
    return [*own, *children]


INGRESS: Final[dict[tuple[str, str], tuple[int, ...]]] = {
    ("another namespace's pod", "the model"): (),
    ("one that calls itself the operator", "the model"): (),
    ("one that calls itself the model", "the model"): (),
    ("a pod beside the operator", "the model"): (),
    ("a store in the cluster", "the model"): (),
    ("a client outside", "the model"): (),
    ("another namespace's pod", "its resolve Job"): (),
    ("a pod beside it", "the model"): SERVED,
    ("its gateway's proxy", "the model"): (HTTP, GRPC),
    ("Envoy Gateway's proxy", "the model"): (HTTP, GRPC),
    ("Prometheus", "the model"): (METRICS,),
    ("the operator", "the model"): (HTTP, METRICS),
    ("another namespace's pod", "the operator"): (),
    ("one that calls itself the operator", "the operator"): (),
    ("a pod beside the operator", "the operator"): (),
    ("a pod beside it", "the operator"): (),
    ("the model", "the operator"): (),
    ("a client outside", "the operator"): (),
    ("Prometheus", "the operator"): (OPERATORS_METRICS,),
}
"""The ports that one may call of another; no other one does."""


@pytest.mark.parametrize(("source", "target"), INGRESS, ids=str)
def test_who_is_closed_is_called_by_those_who_are_named_and_by_nobody_else(source: str, target: str) -> None:
    there = policies(**GATEWAY)
    ports = (*SERVED, PROBE, LOAD, OPERATORS_PROBE, OPERATORS_METRICS)
    reached = tuple(port for port in ports if may_reach(there, ENDS[source], ENDS[target], port))
    assert reached == INGRESS[source, target]


GUARD: Final[dict[str, tuple[int, ...]]] = {
    "the operator": (PROBE, LOAD),
    "a pod beside it": (LOAD,),
    "Prometheus": (LOAD,),
    "its gateway's proxy": (),
    "another namespace's pod": (),
    "one that calls itself the operator": (),
}
"""The guard's ports that one may call of a model that scales on load and whose guard tells scores."""


@pytest.mark.parametrize("source", GUARD)
def test_a_guard_tells_load_to_who_reads_metrics_and_scores_to_the_operator_alone(source: str) -> None:
    there = policies(scales_on_load=True, scored=True, **GATEWAY)
    assert tuple(port for port in (PROBE, LOAD) if may_reach(there, ENDS[source], SERVER, port)) == GUARD[source]


@pytest.mark.parametrize(
    ("values", "traffic"), [(CLOSED, {}), (("models.networkPolicy=Open",), {"allowFrom": [{"podSelector": {}}]})]
)
def test_kedas_operator_asks_for_load_and_nothing_else_and_nobody_beside_it(
    values: tuple[str, ...], traffic: dict[str, Any]
) -> None:
    ports = (*SERVED, PROBE, LOAD)
    names = ("KEDA's operator", "a pod beside KEDA's operator", "one that calls itself KEDA's operator")
    for by_keda, reached in ((True, [LOAD]), (False, [])):
        there = policies(values, scales_on_load=True, by_keda=by_keda, **traffic)
        found = [[port for port in ports if may_reach(there, ENDS[name], SERVER, port)] for name in names]
        assert found == [reached, [], []]
    shut = network_policy(
        owner=owner(namespace="shop"),
        traffic=Traffic.model_validate(traffic),
        fetches=True,
        platform=platform(network=network_rules('{"policy": "Namespace", "kedaFrom": []}')),
        by_keda=True,
    )
    assert shut
    nobody = [finished(shut, owner=owner(namespace="shop"), api_version="x/v1", kind="X")]
    assert not may_reach(nobody, ENDS["KEDA's operator"], SERVER, LOAD)


def test_without_a_gateway_no_proxy_calls() -> None:
    proxies = ("its gateway's proxy", "Envoy Gateway's proxy")
    assert not any(may_reach(policies(), ENDS[proxy], SERVER, HTTP) for proxy in proxies)


DNS: Final = {("DNS", 53, "UDP"), ("DNS", 53, "TCP"), ("the node's cache of DNS", 53, "UDP")}
STORES: Final = {("a store outside", 443, "TCP"), ("a store in the cluster", 9000, "TCP")}
NOBODY: Final = {
    *((name, 80, "TCP") for name in ("the cloud's metadata", "AWS's metadata", "Azure's", "the link of the node")),
    ("the cloud's metadata by NAT64", 80, "TCP"),
    ("the API server by NAT64", 6443, "TCP"),
    ("the API server's Service", 443, "TCP"),
    ("the API server", 6443, "TCP"),
    ("the operator", OPERATORS_METRICS, "TCP"),
    ("a store outside", 443, "UDP"),
}
EGRESS: Final[dict[str, tuple[tuple[str, ...], dict[str, Any], set[tuple[str, int, str]]]]] = {
    "a bundle from a store": (CLOSED, {}, DNS | STORES),
    "a bundle from a volume": (CLOSED, {"fetches": False}, DNS),
    "one that may call a store of its own": (
        CLOSED,
        {"fetches": False, "allowTo": [{"ipBlock": {"cidr": "52.216.0.0/16"}}]},
        DNS | {("a store outside", 443, "TCP"), ("a store outside", 443, "UDP")},
    ),
    "one whose platform names the stores": (
        (*CLOSED, f"models.allowTo[0].{PEER}=storage"),
        {},
        DNS | {("a store in the cluster", 9000, "TCP")},
    ),
    "one whose platform names blocks that have more than stores": (
        (*CLOSED, "models.allowTo[0].ipBlock.cidr=0.0.0.0/0", "models.allowTo[1].ipBlock.cidr=::/0"),
        {},
        DNS | STORES,
    ),
    "one whose platform names a single address of a link": (
        (*CLOSED, "models.allowTo[0].ipBlock.cidr=169.254.169.254/32"),
        {},
        DNS | {("the cloud's metadata", 80, "TCP")},
    ),
}
"""What pods of a model reach, of all that is tried."""


@pytest.mark.parametrize("source", ["the model", "its resolve Job"])
@pytest.mark.parametrize("what", EGRESS)
def test_pods_reach_names_and_where_their_bundle_comes_from(what: str, source: str) -> None:
    values, asked, reached = EGRESS[what]
    there = policies(values, **asked)
    tried = {*DNS, *STORES, *NOBODY}
    assert {each for each in tried if may_reach(there, ENDS[source], ENDS[each[0]], *each[1:])} == reached


OPEN: Final = ("models.networkPolicy=Open",)
WIDENED: Final[dict[str, tuple[tuple[str, ...], dict[str, Any], str, bool]]] = {
    "closed, and its spec lets in another namespace": (
        CLOSED,
        {"allowFrom": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "hostile"}}}]},
        "another namespace's pod",
        True,
    ),
    "closed, and its spec lets in another one": (
        CLOSED,
        {"allowFrom": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "storage"}}}]},
        "another namespace's pod",
        False,
    ),
    "closed, and the platform lets in another namespace": (
        (*CLOSED, f"models.allowFrom[0].{PEER}=hostile"),
        {},
        "another namespace's pod",
        True,
    ),
    "open": (OPEN, {}, "another namespace's pod", True),
    "open, and its spec lets in others": (
        OPEN,
        {"allowFrom": [{"podSelector": {}}]},
        "another namespace's pod",
        False,
    ),
    "open, and only what it reaches is limited": (
        OPEN,
        {"allowTo": [{"podSelector": {}}]},
        "another namespace's pod",
        True,
    ),
}


@pytest.mark.parametrize("what", WIDENED)
def test_a_spec_and_a_platform_let_in_more(what: str) -> None:
    values, traffic, source, reaches = WIDENED[what]
    there = policies(values, **traffic)
    assert [may_reach(there, ENDS[source], SERVER, port) for port in SERVED] == [reaches] * 3


def test_an_open_model_reaches_what_it_likes_until_its_spec_says_what() -> None:
    assert may_reach(policies(OPEN), SERVER, ENDS["the cloud's metadata"], 80)
    limited = policies(OPEN, allowTo=[{"podSelector": {}}])
    assert not may_reach(limited, SERVER, ENDS["the cloud's metadata"], 80)
    assert may_reach(limited, SERVER, ENDS["a pod beside it"], 6379)


WORLDS: Final[dict[str, tuple[tuple[str, ...], dict[str, Any]]]] = {
    "closed": (CLOSED, {}),
    "closed, with a gateway": (CLOSED, GATEWAY),
    "closed, with a guard that is asked": (CLOSED, {"scales_on_load": True, "scored": True}),
    **{what: (values, asked) for what, (values, asked, _) in EGRESS.items()},
    **{what: (values, traffic) for what, (values, traffic, _, _) in WIDENED.items()},
}
TRIED: Final = (53, 80, 443, 5353, 6443, 6379, 9000, *SERVED, PROBE, LOAD, OPERATORS_PROBE, OPERATORS_METRICS)


@pytest.mark.parametrize("world", WORLDS)
def test_what_enforces_policies_in_clusters_judges_every_packet_alike(world: str) -> None:
    """kube-network-policies' own code: so that the evaluator's word is not only ours."""
    values, asked = WORLDS[world]
    there = policies(values, **asked)
    packets = [
        (source, target, port, protocol)
        for source in ENDS.values()
        for target in ENDS.values()
        if source is not target
        for port in TRIED
        for protocol in ("TCP", "UDP")
    ]
    assert lets(there, ENDS.values(), packets) == [may_reach(there, *packet) for packet in packets]
