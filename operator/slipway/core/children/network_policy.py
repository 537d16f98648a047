"""NetworkPolicy of a ModelDeployment: who may call its pods, and what they may reach.

It holds for a pod as a whole, and a model's pod fetches its bundle before it serves. So what the fetch needs stays open
to the server; where the bundle comes from a volume, that is DNS alone.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from ipaddress import ip_network
from typing import Any, Final

from slipway.api.v1alpha1.spec import Traffic
from slipway.core.names import GRPC_PORT, HTTP_PORT, METRICS_PORT, MODEL_DEPLOYMENT, Manifest, labels, server_selector
from slipway.core.owner import Owner
from slipway.core.platform import Platform

NETWORK_POLICY: Final = "NetworkPolicy"

METADATA: Final = (
    "169.254.0.0/16",  # link-local: where most clouds answer a machine about itself
    "168.63.129.16/32",  # Azure
    "100.100.100.200/32",  # Alibaba Cloud
    "fe80::/10",
    "fd00:ec2::254/128",  # AWS
    "fd20:ce::254/128",  # Google
)
"""What a node's cloud tells it about itself, credentials included. No fetch ever needs it."""

EVERYWHERE: Final = ("0.0.0.0/0", "::/0")
DNS_PORTS: Final = (53, 5353)
"""As pods of DNS have them, which is what counts behind a Service: OpenShift's listen on the second."""

Peer = Mapping[str, Any]


def network_policy(*, owner: Owner, traffic: Traffic | None, fetches: bool, platform: Platform) -> Manifest | None:
    """The policy; None where nobody asks for one. `fetches`: some pod's bundle comes over the network. The kubelet's
    probes always pass."""
    asked, closed = traffic or Traffic(), platform.network.closed
    directions: Manifest = {}
    if closed or asked.allow_from:
        directions["ingress"] = list(_ingress(asked, platform))
    if closed or asked.allow_to:
        directions["egress"] = list(_egress(asked, platform, fetches=fetches))
    if not directions:
        return None
    # Nobody calls resolve Jobs, but they fetch.
    pods = {MODEL_DEPLOYMENT: owner.name} if "egress" in directions else server_selector(owner.name)
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": NETWORK_POLICY,
        "metadata": {"name": owner.name, "labels": labels(owner.name, component="server")},
        "spec": {
            "podSelector": {"matchLabels": pods},
            "policyTypes": [direction.capitalize() for direction in directions],
            **directions,
        },
    }


def _ingress(asked: Traffic, platform: Platform) -> Iterator[Manifest]:
    """The operator may read counters and ask what an analysis asks."""
    rules = platform.network
    callers = [*_copied(asked.allow_from or ())]
    if rules.closed:
        callers = [{"podSelector": {}}, *_copied(rules.callers), *callers]
    yield {"from": callers, "ports": _tcp(HTTP_PORT, GRPC_PORT, METRICS_PORT)}
    if rules.closed and asked.gateway:
        gateway = {asked.gateway.namespace} if asked.gateway.namespace else set()
        proxies = sorted({*rules.proxy_namespaces} | gateway)
        if proxies:
            yield {"from": [_namespace(name) for name in proxies], "ports": _tcp(HTTP_PORT, GRPC_PORT)}
    if rules.closed and rules.scrapers:
        yield {"from": _copied(rules.scrapers), "ports": _tcp(METRICS_PORT)}
    operator = _namespace(platform.namespace) | {"podSelector": {"matchLabels": {"app.kubernetes.io/name": "slipway"}}}
    yield {"from": [operator], "ports": _tcp(HTTP_PORT, METRICS_PORT)}


def _egress(asked: Traffic, platform: Platform, *, fetches: bool) -> Iterator[Manifest]:
    """Names may be asked of whoever answers there: a node's own cache of DNS has an address of its link."""
    yield {"ports": [{"protocol": name, "port": port} for port in DNS_PORTS for name in ("UDP", "TCP")]}
    if fetches:
        yield {"to": _stores(platform), "ports": [{"protocol": "TCP"}]}
    if asked.allow_to:
        yield {"to": _copied(asked.allow_to)}


def _stores(platform: Platform) -> list[Manifest]:
    """Where bundles may come from. A policy knows no names, and what is behind a Service has other ports than it: so
    without a list it is every address but those that nobody fetches from."""
    rules = platform.network
    if rules.stores:
        return _copied(rules.stores)
    never = (*METADATA, *rules.unreachable)
    return [{"ipBlock": {"cidr": cidr, "except": _within(cidr, never)}} for cidr in EVERYWHERE]


def _within(cidr: str, others: Sequence[str]) -> list[str]:
    version = ip_network(cidr).version
    return [other for other in dict.fromkeys(others) if ip_network(other).version == version]


def _namespace(name: str) -> Manifest:
    return {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}}


def _tcp(*ports: int) -> list[Manifest]:
    return [{"protocol": "TCP", "port": port} for port in ports]


def _copied(peers: Iterable[Peer]) -> list[Manifest]:
    return [deepcopy(dict(peer)) for peer in peers]
