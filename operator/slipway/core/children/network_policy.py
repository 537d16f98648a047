"""NetworkPolicy of a ModelDeployment: who may call its pods, and what they may reach.

It holds for a pod as a whole, and a model's pod fetches its bundle before it serves. So what the fetch needs stays open
to the server; where the bundle comes from a volume, that is DNS alone.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Any, Final

from slipway.api.addresses import METADATA, each_way, is_part
from slipway.api.v1alpha1.spec import Traffic
from slipway.core.names import (
    GRPC_PORT,
    GUARD_PORT,
    HTTP_PORT,
    LOAD_PORT,
    METRICS_PORT,
    MODEL_DEPLOYMENT,
    Manifest,
    labels,
    server_selector,
)
from slipway.core.owner import Owner
from slipway.core.platform import Platform

NETWORK_POLICY: Final = "NetworkPolicy"

EVERYWHERE: Final = ("0.0.0.0/0", "::/0")
DNS_PORTS: Final = (53, 5353)
"""As pods of DNS have them, which is what counts behind a Service: OpenShift's listen on the second."""

Peer = Mapping[str, Any]


def network_policy(
    *,
    owner: Owner,
    traffic: Traffic | None,
    fetches: bool,
    platform: Platform,
    scales_on_load: bool = False,
    by_keda: bool = False,
    scored: bool = False,
) -> Manifest | None:
    """The policy; None where nobody asks for one. `fetches`: some pod's bundle comes over the network.
    `scales_on_load`: somebody asks the pods how loaded they are; `by_keda`: KEDA does. `scored`: an analysis asks
    guards for their scores. The kubelet's probes always pass."""
    asked, closed = traffic or Traffic(), platform.network.closed
    directions: Manifest = {}
    counted = (METRICS_PORT, LOAD_PORT) if scales_on_load else (METRICS_PORT,)
    if closed or asked.allow_from:
        directions["ingress"] = list(_ingress(asked, platform, counted, (GUARD_PORT,) if scored else ()))
        if by_keda and platform.network.keda:
            directions["ingress"].append({"from": _copied(platform.network.keda), "ports": _tcp(LOAD_PORT)})
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


def _ingress(asked: Traffic, platform: Platform, counted: Sequence[int], guards: Sequence[int]) -> Iterator[Manifest]:
    """The operator may read counters and ask what an analysis asks. `counted`: ports that have numbers for everybody
    who may call; `guards`: those that the operator alone asks."""
    rules = platform.network
    callers = [*_copied(asked.allow_from or ())]
    if rules.closed:
        callers = [{"podSelector": {}}, *_copied(rules.callers), *callers]
    yield {"from": callers, "ports": _tcp(HTTP_PORT, GRPC_PORT, *counted)}
    if rules.closed and asked.gateway:
        gateway = {asked.gateway.namespace} if asked.gateway.namespace else set()
        proxies = sorted({*rules.proxy_namespaces} | gateway)
        if proxies:
            yield {"from": [_namespace(name) for name in proxies], "ports": _tcp(HTTP_PORT, GRPC_PORT)}
    if rules.closed and rules.scrapers:
        yield {"from": _copied(rules.scrapers), "ports": _tcp(*counted)}
    operator = _namespace(platform.namespace) | {"podSelector": {"matchLabels": {"app.kubernetes.io/name": "slipway"}}}
    yield {"from": [operator], "ports": _tcp(HTTP_PORT, *counted, *guards)}


def _egress(asked: Traffic, platform: Platform, *, fetches: bool) -> Iterator[Manifest]:
    """Names may be asked of whoever answers there: a node's own cache of DNS has an address of its link."""
    yield {"ports": [{"protocol": name, "port": port} for port in DNS_PORTS for name in ("UDP", "TCP")]}
    if fetches:
        yield {"to": _stores(platform), "ports": [{"protocol": "TCP"}]}
    if asked.allow_to:
        yield {"to": _copied(asked.allow_to)}


def _stores(platform: Platform) -> list[Manifest]:
    """Where bundles may come from. A policy knows no names, and what is behind a Service has other ports than it: so
    without a list it is every address. Of no block do those belong to it that nobody fetches from."""
    rules = platform.network
    never = [way for block in (*METADATA, *rules.unreachable) for way in each_way(block)]
    return [_without(peer, never) for peer in rules.stores or [{"ipBlock": {"cidr": cidr}} for cidr in EVERYWHERE]]


def _without(peer: Peer, others: Iterable[str]) -> Manifest:
    """A peer without those of the others that are a part of its block; one that is itself such a part stays."""
    block = peer.get("ipBlock")
    parts = [each for each in others if is_part(each, block["cidr"])] if block else []
    if not block or not parts:
        return deepcopy(dict(peer))
    excepted = dict.fromkeys([*(block.get("except") or ()), *parts])
    return {"ipBlock": {**block, "except": [*excepted]}}


def _namespace(name: str) -> Manifest:
    return {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}}


def _tcp(*ports: int) -> list[Manifest]:
    return [{"protocol": "TCP", "port": port} for port in ports]


def _copied(peers: Iterable[Peer]) -> list[Manifest]:
    return [deepcopy(dict(peer)) for peer in peers]
