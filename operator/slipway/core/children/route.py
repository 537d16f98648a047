"""HTTPRoute of a ModelDeployment: its address outside the cluster, and which share of the requests each revision gets.

One route with one rule for gRPC and one for HTTP over the same backends, so that both move in one write: a GRPCRoute
beside it would be a second write, and some gateways do not take both on one hostname.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from slipway.api.v1alpha1.spec import Gateway, Traffic
from slipway.core.facts import Owner
from slipway.core.names import GRPC_PORT, HTTP_PORT, Manifest, labels, of_revision

API_VERSION: Final = "gateway.networking.k8s.io/v1"
ROUTE: Final = "HTTPRoute"
GRPC_SERVICE: Final = "/inference.GRPCInferenceService"
MOST_BACKENDS: Final = 16
"""The Gateway API takes no more in one rule."""


@dataclass(frozen=True, kw_only=True)
class Backend:
    """A revision that the route names. At weight 0 the proxy knows its endpoints before it needs them."""

    revision: str
    weight: int


@dataclass(frozen=True, kw_only=True)
class Routing:
    """What the route should say."""

    backends: Sequence[Backend]
    shadow: tuple[str, int] | None = None
    """A revision that gets a copy of so many percent."""
    candidate: str | None = None
    """The revision that traffic.candidateHeader leads to."""


def http_route(*, owner: Owner, traffic: Traffic, gateway: Gateway, routing: Routing, timeout: str) -> Manifest:
    """The route. `timeout` as the API writes it: proxies cut requests off after 15 s if they are told nothing."""
    named = routing.candidate if traffic.candidate_header else None
    chosen = [Backend(revision=named, weight=1)] if named else []
    # Those of the header come last: Envoy Gateway names what it makes after a rule's place, and a rule whose place
    # changes fails requests for a moment. Which rule matches does not go by place.
    rules = [
        *_rules(owner, traffic, routing.backends[:MOST_BACKENDS], timeout, shadow=routing.shadow),
        *(_rules(owner, traffic, chosen, timeout, header=True) if chosen else ()),
    ]
    spec: Manifest = {"parentRefs": [parent_of(gateway, owner)], "rules": rules}
    if traffic.hostnames:
        spec["hostnames"] = list(traffic.hostnames)
    return {
        "apiVersion": API_VERSION,
        "kind": ROUTE,
        "metadata": {"name": owner.name, "labels": labels(owner.name, component="server")},
        "spec": spec,
    }


def parent_of(gateway: Gateway, owner: Owner) -> Manifest:
    """The Gateway as a route refers to it."""
    section = {"sectionName": gateway.section_name} if gateway.section_name else {}
    return {"name": gateway.name, "namespace": gateway.namespace or owner.namespace, **section}


def _rules(
    owner: Owner,
    traffic: Traffic,
    backends: Sequence[Backend],
    timeout: str,
    *,
    shadow: tuple[str, int] | None = None,
    header: bool = False,
) -> list[Manifest]:
    """One rule for each protocol. A path prefix is HTTP's alone."""
    marked = traffic.candidate_header if header else None
    headers = {"headers": [{"name": marked.name, "value": marked.value}]} if marked else {}
    prefix = traffic.path_prefix
    rewrite: list[Manifest] = []
    if prefix:
        path = {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}
        rewrite = [{"type": "URLRewrite", "urlRewrite": {"path": path}}]

    def rule(path: str, port: int, filters: list[Manifest]) -> Manifest:
        mirror = [_mirror(owner, *shadow, port)] if shadow else []
        return {
            "matches": [{"path": {"type": "PathPrefix", "value": path}, **headers}],
            **({"filters": [*filters, *mirror]} if filters or mirror else {}),
            "timeouts": {"request": timeout},
            "backendRefs": [{**_ref(owner, b.revision, port), "weight": b.weight} for b in backends],
        }

    http = rule(prefix or "/", HTTP_PORT, rewrite)
    return [http] if prefix else [rule(GRPC_SERVICE, GRPC_PORT, []), http]


def _mirror(owner: Owner, revision: str, percent: int, port: int) -> Manifest:
    return {
        "type": "RequestMirror",
        "requestMirror": {"backendRef": _ref(owner, revision, port), "percent": percent},
    }


def _ref(owner: Owner, revision: str, port: int) -> Mapping[str, Any]:
    return {"name": of_revision(owner.name, revision), "port": port}
