"""Route: what the live HTTPRoute says of each revision's share, and whether a gateway has taken it up.

The Gateway API gives no proof that a proxy has followed. What it gives is `Accepted` and `ResolvedRefs` of the route's
parents, at the generation that was written: a share counts from then on.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from slipway.api.v1alpha1.spec import Gateway
from slipway.core.children.route import ROUTE, parent_of
from slipway.core.facts import Child, Observed, Owner
from slipway.core.names import Manifest
from slipway.core.reasons import Finding, Reason, finding

ANSWERED_WITHIN: Final = timedelta(seconds=10)
"""A gateway's controller takes up a new route in about a second; so long nobody worries."""


@dataclass(frozen=True, kw_only=True)
class RouteFacts:
    """The route as it is now."""

    weights: Mapping[str, int] = field(default_factory=dict)
    """By revision; those at 0 have no share."""
    shadow: tuple[str, int] | None = None
    """The revision that gets copies of requests, and of how many percent."""
    settled: bool = False
    """It is accepted as it is written now."""
    finding: Finding | None = None
    """Why it is not."""
    look_again: datetime | None = None
    """When silence will count as an answer."""

    @property
    def reaches(self) -> frozenset[str]:
        """The revisions with a share."""
        return frozenset(revision for revision, weight in self.weights.items() if weight)

    def share(self, revision: str) -> int:
        """Percent of the requests, rounded."""
        whole = sum(self.weights.values())
        return round(100 * self.weights.get(revision, 0) / whole) if whole else 0


def route_facts(observed: Observed, *, owner: Owner, gateway: Gateway, now: datetime) -> RouteFacts:
    """Read what there is of the route to this Gateway."""
    if not observed.gateway_api:
        return RouteFacts(finding=finding(Reason.GATEWAY_API_MISSING, _NO_API))
    if observed.routes_refused:
        return RouteFacts(finding=finding(Reason.FORBIDDEN, _NO_RIGHT))
    child = observed.child(ROUTE, owner.name)
    if child is None or child.owner_uid != owner.uid:
        return RouteFacts()
    body = child.body
    rule = body["spec"]["rules"][0]  # all but those of a header say the same
    weights = {_revision(ref, owner): int(ref.get("weight", 1)) for ref in rule.get("backendRefs") or ()}
    found, until = _answer(child, body, gateway, owner, now)
    return RouteFacts(
        weights=weights,
        shadow=_shadow(rule, owner),
        settled=found is None and until is None,
        finding=found,
        look_again=until,
    )


_NO_RIGHT: Final = (
    "the operator may not list HTTPRoutes, so nothing is done for traffic.gateway: the chart's roles grant it; upgrade "
    "the chart, or add it to your own"
)
_NO_API: Final = (
    "the cluster knows no HTTPRoute (gateway.networking.k8s.io/v1): install the Gateway API and a gateway, or take "
    "traffic.gateway out"
)


def _revision(ref: Mapping[str, Any], owner: Owner) -> str:
    return str(ref["name"]).removeprefix(f"{owner.name}-")


def _shadow(rule: Mapping[str, Any], owner: Owner) -> tuple[str, int] | None:
    mirrors = (f["requestMirror"] for f in rule.get("filters") or () if f["type"] == "RequestMirror")
    return next(((_revision(m["backendRef"], owner), int(m.get("percent", 100))) for m in mirrors), None)


def _answer(
    child: Child, body: Manifest, gateway: Gateway, owner: Owner, now: datetime
) -> tuple[Finding | None, datetime | None]:
    """What the gateway's controller says of the route as it is now: trouble, or until when its silence is no trouble;
    neither where it is accepted."""
    where = f"{gateway.namespace or owner.namespace}/{gateway.name}"
    generation = body["metadata"].get("generation", 0)
    conditions = _conditions(body, gateway, owner)
    current = [c for c in conditions if c.get("observedGeneration") == generation]
    bad = next((c for c in current if c["type"] in _MUST_HOLD and c["status"] == "False"), None)
    if bad is not None:
        reason = _MUST_HOLD[bad["type"]]
        return finding(reason, f"Gateway {where}: {bad.get('reason', '')}: {bad.get('message', '')}"), None
    taken = next((c for c in current if c["type"] == _OVERLAPS and c["status"] == "True"), None)
    if taken is not None:
        return finding(Reason.HOSTNAME_TAKEN, f"Gateway {where}: {taken.get('message', '')}; the older one wins"), None
    said = {c["type"] for c in current if c["status"] == "True"}
    if said >= _MUST_HOLD.keys():
        return None, None
    written = datetime.fromisoformat(body["metadata"]["creationTimestamp"])
    if conditions or now < written + ANSWERED_WITHIN:
        return None, max(now, written) + ANSWERED_WITHIN
    message = (
        f"no controller answers for Gateway {where}: it is not there, has no listener "
        f"{gateway.section_name or 'for this route'}, or nothing runs its GatewayClass"
    )
    return finding(Reason.GATEWAY_NOT_FOUND, message), None


_MUST_HOLD: Final = {"Accepted": Reason.ROUTE_NOT_ACCEPTED, "ResolvedRefs": Reason.ROUTE_UNRESOLVED}

_OVERLAPS: Final = "RouteRulesOverlap"
"""Envoy Gateway's own condition; the standard ones say of two routes with one address that all is well."""


def _conditions(body: Manifest, gateway: Gateway, owner: Owner) -> list[Mapping[str, Any]]:
    ours = parent_of(gateway, owner)
    for parent in (body.get("status") or {}).get("parents") or ():
        ref = parent["parentRef"]
        there = {"name": ref["name"], "namespace": ref.get("namespace", owner.namespace)}
        section = {"sectionName": ref["sectionName"]} if "sectionName" in ref else {}
        if {**there, **section} == ours:
            return list(parent.get("conditions") or ())
    return []
