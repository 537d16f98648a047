"""Route: what the live HTTPRoute says of each revision's share, and whether a gateway has taken it up.

The Gateway API gives no proof that a proxy has followed. What it gives is `Accepted` and `ResolvedRefs` of the route's
parents, at the generation that was written: a share counts from then on, for as long as its Gateway is fit for it
(nobody takes these back when the Gateway goes).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any, Final

from slipway.api.v1alpha1.spec import Gateway, Traffic
from slipway.core.body import conditions, integer, mapping, mappings, within
from slipway.core.children.route import GRPC_ROUTE, ROUTE, ROUTES, for_grpc, parent_of
from slipway.core.names import Manifest
from slipway.core.observed.gateways import gateway_problem
from slipway.core.observed.objects import Child, Observed
from slipway.core.owner import Owner
from slipway.core.reasons import NOT_GRANTED, Finding, Reason, finding
from slipway.core.wait import NO_WAIT, Wait

ANSWERED_WITHIN: Final = timedelta(seconds=10)
"""A gateway's controller takes up what was written in about a second; so long nobody worries."""


@dataclass(frozen=True, kw_only=True)
class RouteFacts:
    """The route as it is now."""

    weights: Mapping[str, int] = field(default_factory=dict)
    """By revision; those at 0 have no share. What leads elsewhere is under `ELSEWHERE`."""
    others: tuple[Mapping[str, int], ...] = ()
    """The same for every further rule: that of the other protocol, or of its own route."""
    shadow: tuple[str, int] | None = None
    """The revision that gets copies of requests, and of how many percent."""
    settled: bool = False
    """It is accepted as it is written now."""
    wait: Wait = NO_WAIT
    """Why it is not, or when silence will count as an answer."""

    @property
    def reaches(self) -> frozenset[str]:
        """The revisions with a share."""
        return frozenset(revision for each in self._all for revision, weight in each.items() if weight)

    def splits_by(self, weights: Mapping[str, int]) -> bool:
        """Whether the requests are split by these weights, by whichever protocol."""
        return all(_shared(each) == _shared(weights) for each in self._all)

    @property
    def _all(self) -> Sequence[Mapping[str, int]]:
        return (self.weights, *self.others)

    def share(self, revision: str) -> int:
        """Percent of the requests, rounded."""
        return round(self.exact_share(revision))

    def exact_share(self, revision: str) -> Fraction:
        """Percent of the requests."""
        whole = sum(self.weights.values())
        return Fraction(100 * self.weights.get(revision, 0), whole) if whole else Fraction(0)


def route_facts(
    observed: Observed, *, owner: Owner, traffic: Traffic | None, shares: Mapping[str, int], now: datetime
) -> RouteFacts | None:
    """Read what there is of the route to a Gateway, and whether the Gateway is fit for it; None where none is asked
    for. `shares` are those that it was last known to give: a route that may not be seen still gives them."""
    if traffic is None or traffic.gateway is None:
        return None
    gateway, own = traffic.gateway, traffic.grpc_route
    hostnames = traffic.hostnames
    http = _facts(observed, ROUTE, owner=owner, gateway=gateway, hostnames=hostnames, shares=shares, now=now)
    if own is None:
        return http
    gateway, names = for_grpc(gateway, own), "grpcRoute" if own.section_name else "gateway"
    grpc = _facts(
        observed,
        GRPC_ROUTE,
        owner=owner,
        gateway=gateway,
        hostnames=own.hostnames,
        shares=shares,
        listener_of=names,
        now=now,
    )
    return _both(http, grpc)


def _facts(
    observed: Observed,
    kind: str,
    *,
    owner: Owner,
    gateway: Gateway,
    hostnames: Sequence[str] | None,
    shares: Mapping[str, int],
    now: datetime,
    listener_of: str = "gateway",
) -> RouteFacts:
    if missing := _missing(observed, kind):
        return RouteFacts(weights=shares if kind in observed.unlisted else {}, wait=Wait(finding=missing))
    namespace = gateway.namespace or owner.namespace
    unfit = gateway_problem(
        observed.gateways,
        namespace=namespace,
        name=gateway.name,
        section=gateway.section_name,
        hostnames=hostnames or (),
        field=f"traffic.{listener_of}.sectionName",
    )
    child = observed.child(kind, owner.name)
    if child is None or child.owner_uid != owner.uid:
        return RouteFacts(wait=Wait(finding=unfit))
    body = child.body
    rules = [rule for rule in mappings(within(body, "spec").get("rules")) if not _of_header(rule)]
    weights, *others = [_split(rule, owner) for rule in rules] or [{}]
    parent = _parent(body, gateway, owner, observed.gateways.controller(namespace, gateway.name))
    refused, until = _answer(child, body["metadata"].get("generation", 0), parent, now)
    return RouteFacts(
        weights=weights,
        others=tuple(others),
        shadow=_shadow(rules[0], owner) if rules else None,
        settled=not (unfit or refused or until),
        wait=Wait(finding=unfit or refused, until=until),
    )


def _both(http: RouteFacts, grpc: RouteFacts) -> RouteFacts:
    """HTTP's and gRPC's as one: what the one says counts once the other says the same."""
    alike = http.splits_by(grpc.weights) and grpc.splits_by(grpc.weights) and http.shadow == grpc.shadow
    return RouteFacts(
        weights=http.weights,
        others=(*http.others, grpc.weights, *grpc.others),
        shadow=http.shadow,
        settled=http.settled and grpc.settled and alike,
        wait=http.wait | grpc.wait,
    )


def _missing(observed: Observed, kind: str) -> Finding | None:
    field = "traffic.gateway" if kind == ROUTE else "traffic.grpcRoute"
    if kind in observed.unknown:
        message = f"the cluster knows no {kind} (gateway.networking.k8s.io/v1): install the Gateway API and a gateway"
        return finding(Reason.GATEWAY_API_MISSING, f"{message}, or take {field} out")
    if kind in observed.unlisted:
        message = f"the operator may not list {kind}s, so nothing is done for {field}: {NOT_GRANTED}"
        return finding(Reason.FORBIDDEN, message)
    return None


def _shared(weights: Mapping[str, int]) -> dict[str, int]:
    return {revision: weight for revision, weight in weights.items() if weight}


def _of_header(rule: Mapping[str, Any]) -> bool:
    """Whether only requests with a header go by it."""
    matches = mappings(rule.get("matches"))
    return bool(matches) and all(match.get("headers") for match in matches)


def led_by_header(observed: Observed, owner: Owner) -> frozenset[str]:
    """The revisions that requests with a header reach by a route of ours, whatever the spec asks for by now."""
    routes = (observed.child(kind, owner.name) for kind in ROUTES)
    bodies = [route.body for route in routes if route and route.owner_uid == owner.uid]
    rules = (rule for body in bodies for rule in mappings(within(body, "spec").get("rules")) if _of_header(rule))
    return frozenset(revision for rule in rules for revision, weight in _split(rule, owner).items() if weight)


def _split(rule: Mapping[str, Any], owner: Owner) -> Mapping[str, int]:
    weights: Counter[str] = Counter()
    for ref in mappings(rule.get("backendRefs")):
        weights[_revision(ref, owner)] += integer(ref.get("weight"), 1)
    return weights


ELSEWHERE: Final = ""
"""Stands for every backend that is no Service of a revision: somebody else wrote it into the route."""


def _revision(ref: Mapping[str, Any], owner: Owner) -> str:
    name, prefix = str(ref.get("name")), f"{owner.name}-"
    ours = not ref.get("group") and ref.get("kind", "Service") == "Service"
    here = ref.get("namespace", owner.namespace) == owner.namespace
    return name.removeprefix(prefix) if ours and here and name.startswith(prefix) else ELSEWHERE


def _shadow(rule: Mapping[str, Any], owner: Owner) -> tuple[str, int] | None:
    filters = mappings(rule.get("filters"))
    mirrors = (mapping(each.get("requestMirror")) for each in filters if each.get("type") == "RequestMirror")
    return next(((_revision(within(m, "backendRef"), owner), integer(m.get("percent"), 100)) for m in mirrors), None)


@dataclass(frozen=True, kw_only=True)
class _Parent:
    """A Gateway as the route has it, and what is said there of the route."""

    where: str
    section: str | None
    controller: str | None
    """Who has to answer for it, as far as anything tells."""
    conditions: Sequence[Mapping[str, Any]]

    @property
    def place(self) -> str:
        """What the route asks to be taken up by."""
        return f"listener {self.section} of {self.where}" if self.section else self.where


def _answer(child: Child, generation: int, parent: _Parent, now: datetime) -> tuple[Finding | None, datetime | None]:
    """What the gateway's controller says of the route as it is now: trouble, or until when its silence is no trouble;
    neither where it is accepted."""
    current = [c for c in parent.conditions if c.get("observedGeneration") == generation]
    bad = next((c for c in current if c["type"] in _MUST_HOLD and c["status"] == "False"), None)
    if bad is not None:
        reason = _MUST_HOLD[bad["type"]]
        message = f"{parent.place}: {bad.get('reason', '')}: {bad.get('message', '')}"
        return finding(reason, message + (_WITHOUT_TIMEOUTS if _is_of_timeouts(bad) else "")), None
    taken = next((c for c in current if c["type"] == _OVERLAPS and c["status"] == "True"), None)
    if taken is not None:
        return finding(Reason.HOSTNAME_TAKEN, f"{parent.place}: {taken.get('message', '')}; the older one wins"), None
    met = {c["type"] for c in current if c["status"] == "True"}
    if met >= _MUST_HOLD.keys():
        return None, None
    if child.written and now < child.written + ANSWERED_WITHIN:
        return None, child.written + ANSWERED_WITHIN
    return _silence(child, generation, parent), None


def _silence(child: Child, generation: int, parent: _Parent) -> Finding:
    if parent.controller is None:
        message = (
            f"no controller answers for {parent.where}: it is not there, has no listener "
            f"{parent.section or 'for this route'}, or nothing runs its GatewayClass"
        )
        return finding(Reason.GATEWAY_NOT_FOUND, message)
    route = f"generation {generation} of {child.kind} {child.name}"
    message = f"{parent.where}: its controller {parent.controller} has not answered for {route}: see whether it runs"
    return finding(Reason.GATEWAY_NOT_READY, message)


_MUST_HOLD: Final = {"Accepted": Reason.ROUTE_NOT_ACCEPTED, "ResolvedRefs": Reason.ROUTE_UNRESOLVED}

_WITHOUT_TIMEOUTS: Final = "; if the gateway takes no timeouts, leave them out of the route by traffic.timeouts: {}"


def _is_of_timeouts(condition: Mapping[str, Any]) -> bool:
    """Whether a gateway may be saying that it does not take the field that we always write."""
    message = str(condition.get("message", "")).lower()
    return condition.get("reason") == "UnsupportedValue" or "timeout" in message


_OVERLAPS: Final = "RouteRulesOverlap"
"""Envoy Gateway's own condition; the standard ones say of two routes with one address that all is well."""


def _parent(body: Manifest, gateway: Gateway, owner: Owner, controller: str | None) -> _Parent:
    ours = parent_of(gateway, owner)
    status: Mapping[str, Any] = next(
        (p for p in _parents(body) if _refers_to(within(p, "parentRef"), owner) == ours), {}
    )
    return _Parent(
        where=f"Gateway {ours['namespace']}/{gateway.name}",
        section=gateway.section_name,
        controller=controller or status.get("controllerName"),
        conditions=conditions(status.get("conditions")),
    )


def _parents(body: Manifest) -> Sequence[Mapping[str, Any]]:
    return mappings(within(body, "status").get("parents"))


def _refers_to(ref: Mapping[str, Any], owner: Owner) -> Manifest:
    section = {"sectionName": ref["sectionName"]} if "sectionName" in ref else {}
    return {"name": ref.get("name"), "namespace": ref.get("namespace", owner.namespace), **section}
