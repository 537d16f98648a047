"""Routes of a ModelDeployment: its address outside the cluster, and which share of the requests each revision gets.

One HTTPRoute with one rule for gRPC and one for HTTP over the same backends, so that both move in one write. A
GRPCRoute beside it is a second write and needs hostnames of its own: for gateways that serve no gRPC without one.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from slipway.api.scalars import duration
from slipway.api.v1alpha1.spec import Gateway, Traffic
from slipway.api.v1alpha1.traffic import CandidateHeader, GrpcRoute
from slipway.core.names import GRPC_PORT, HTTP_PORT, Manifest, labels, of_revision
from slipway.core.owner import Owner

API_VERSION: Final = "gateway.networking.k8s.io/v1"
ROUTE: Final = "HTTPRoute"
GRPC_ROUTE: Final = "GRPCRoute"
ROUTES: Final = (ROUTE, GRPC_ROUTE)
GRPC_SERVICE: Final = "inference.GRPCInferenceService"
GRPC_PATH: Final = f"/{GRPC_SERVICE}"
MOST_BACKENDS: Final = 16
"""The Gateway API takes no more in one rule."""
_NOT_PLAIN: Final = re.compile(r"[^A-Za-z0-9._~+:@/ -]")
MOST_HOURS: Final = 99_999
"""In a time of the Gateway API: eleven years."""


@dataclass(frozen=True, kw_only=True)
class Backend:
    """A revision that the route names. At weight 0 the proxy knows its endpoints before it needs them."""

    revision: str
    weight: int
    version: str | None = None
    """The user's name for it, where traffic.versionHeader is to say which version answered; None: nobody knows it."""


@dataclass(frozen=True, kw_only=True)
class Routing:
    """What the route should say."""

    backends: Sequence[Backend]
    shadow: tuple[str, int] | None = None
    """A revision that gets a copy of so many percent."""
    candidate: Backend | None = None
    """The one that traffic.candidateHeader leads to."""


def http_route(*, owner: Owner, traffic: Traffic, gateway: Gateway, routing: Routing, timeout: str | None) -> Manifest:
    """The route. `timeout` as our API writes it: proxies cut requests off after 15 s if they are told nothing. None:
    the route has no field for it, which not every gateway takes."""
    makes = _Rules(owner=owner, traffic=traffic, timeout=None if timeout is None else _of_gateways(timeout))
    rules = makes.http if traffic.grpc_route or traffic.path_prefix else makes.both
    return _route(ROUTE, owner, gateway, traffic.hostnames, _in_order(traffic, routing, rules))


def grpc_route(*, owner: Owner, traffic: Traffic, gateway: Gateway, routing: Routing) -> Manifest | None:
    """gRPC's own route, where one is asked for. It has no field for a timeout."""
    asked = traffic.grpc_route
    if asked is None:
        return None
    rules = _in_order(traffic, routing, _Rules(owner=owner, traffic=traffic, timeout=None).grpc)
    return _route(GRPC_ROUTE, owner, for_grpc(gateway, asked), asked.hostnames, rules)


def parent_of(gateway: Gateway, owner: Owner) -> Manifest:
    """The Gateway as a route refers to it."""
    section = {"sectionName": gateway.section_name} if gateway.section_name else {}
    return {"name": gateway.name, "namespace": gateway.namespace or owner.namespace, **section}


def for_grpc(gateway: Gateway, route: GrpcRoute) -> Gateway:
    """The Gateway with the listener that gRPC goes through."""
    return gateway.evolve(section_name=route.section_name or gateway.section_name)


def _route(
    kind: str, owner: Owner, gateway: Gateway, hostnames: Sequence[str] | None, rules: list[Manifest]
) -> Manifest:
    spec: Manifest = {"parentRefs": [parent_of(gateway, owner)], "rules": rules}
    if hostnames:
        spec["hostnames"] = list(hostnames)
    return {
        "apiVersion": API_VERSION,
        "kind": kind,
        "metadata": {"name": owner.name, "labels": labels(owner.name, component="server")},
        "spec": spec,
    }


@dataclass(frozen=True, kw_only=True)
class _Split:
    """What the rules of one route say alike, whatever the protocol."""

    backends: Sequence[Backend]
    shadow: tuple[str, int] | None = None
    header: CandidateHeader | None = None

    def match(self, **more: Any) -> Manifest:
        headers = [{"name": self.header.name, "value": self.header.value}] if self.header else []
        return {**more, **({"headers": headers} if headers else {})}


def _in_order(traffic: Traffic, routing: Routing, rules: Callable[[_Split], list[Manifest]]) -> list[Manifest]:
    """Those of the header come last: Envoy Gateway names what it makes after a rule's place, and a rule whose place
    changes fails requests for a moment. Which rule matches does not go by place."""
    split = _Split(backends=routing.backends[:MOST_BACKENDS], shadow=routing.shadow)
    if not (routing.candidate and traffic.candidate_header):
        return rules(split)
    return [*rules(split), *rules(_Split(backends=[routing.candidate], header=traffic.candidate_header))]


@dataclass(frozen=True, kw_only=True)
class _Rules:
    """Makes the rules of each protocol."""

    owner: Owner
    traffic: Traffic
    timeout: str | None

    def both(self, split: _Split) -> list[Manifest]:
        """gRPC and HTTP in one route, told apart by the path."""
        return [self._of_path(split, GRPC_PATH, GRPC_PORT, []), *self.http(split)]

    def http(self, split: _Split) -> list[Manifest]:
        """HTTP, whose path prefix is taken off again."""
        prefix, rewrite = self.traffic.path_prefix, list[Manifest]()
        if prefix:
            path = {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}
            rewrite = [{"type": "URLRewrite", "urlRewrite": {"path": path}}]
        return [self._of_path(split, prefix or "/", HTTP_PORT, rewrite)]

    def grpc(self, split: _Split) -> list[Manifest]:
        """gRPC in a GRPCRoute."""
        return [{"matches": [split.match(method={"service": GRPC_SERVICE})], **self._goes(split, GRPC_PORT, [], {})}]

    def _of_path(self, split: _Split, path: str, port: int, filters: list[Manifest]) -> Manifest:
        matches = [split.match(path={"type": "PathPrefix", "value": path})]
        timeouts: Manifest = {"timeouts": {"request": self.timeout}} if self.timeout else {}
        return {"matches": matches, **self._goes(split, port, filters, timeouts)}

    def _goes(self, split: _Split, port: int, filters: list[Manifest], timeouts: Manifest) -> Manifest:
        mirror = [_mirror(self.owner, *split.shadow, port)] if split.shadow else []
        return {
            **({"filters": [*filters, *mirror]} if filters or mirror else {}),
            **timeouts,
            "backendRefs": [self._backend(each, port) for each in split.backends],
        }

    def _backend(self, backend: Backend, port: int) -> Manifest:
        ref = {**_ref(self.owner, backend.revision, port), "weight": backend.weight}
        header = self.traffic.version_header
        if header is None or backend.version is None:
            return ref
        says = {"set": [{"name": header, "value": in_header(backend.version)}]}
        return {**ref, "filters": [{"type": "ResponseHeaderModifier", "responseHeaderModifier": says}]}


def in_header(version: str) -> str:
    """A version as the value of a header: what is no plain character of one, or means something to Envoy (`%`), is
    written `_`."""
    return _NOT_PLAIN.sub("_", version)


def _mirror(owner: Owner, revision: str, percent: int, port: int) -> Manifest:
    return {
        "type": "RequestMirror",
        "requestMirror": {"backendRef": _ref(owner, revision, port), "percent": percent},
    }


def _of_gateways(timeout: str) -> str:
    """The time as the Gateway API takes it, with at most five digits before a unit: `100000s` is `27h46m40s` there."""
    minutes, seconds = divmod(round(duration(timeout).total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    parts = ((min(hours, MOST_HOURS), "h"), (minutes, "m"), (seconds, "s"))
    return "".join(f"{number}{unit}" for number, unit in parts if number) or "0s"


def _ref(owner: Owner, revision: str, port: int) -> Mapping[str, Any]:
    return {"name": of_revision(owner.name, revision), "port": port}
