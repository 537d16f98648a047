"""What traffic asks of Envoy Gateway: the policies, what has become of them, and the route that may stand beside them.

A policy gets a status only once its route is there. So where authentication is asked for, a new route is closed at
first, with addresses and no backends, which every gateway answers with 500; it opens when the policy has been accepted
at its generation, and is in force. A route that is open already keeps its addresses until then.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from slipway.api.v1alpha1.spec import Gateway, Traffic
from slipway.core.children.backend_traffic_policy import BACKEND_TRAFFIC_POLICY, backend_traffic_policy
from slipway.core.children.policy import GROUP_VERSION
from slipway.core.children.route import ROUTE, Routing, http_route, parent_of
from slipway.core.children.security_policy import SECURITY_POLICY, security_policy
from slipway.core.drift import applied_hash
from slipway.core.facts import Child, Observed, Owner
from slipway.core.names import Manifest
from slipway.core.reasons import NOT_GRANTED, Finding, Reason, finding
from slipway.core.route import ANSWERED_WITHIN, RouteFacts

IN_FORCE_AFTER: Final = timedelta(seconds=12)
"""Envoy Gateway accepts a guard before its proxies have it. A proxy asks the issuers of a listener's tokens for their
keys first (ours for `KEYS_SECONDS`, those of others' policies for ten as a rule), and a listener that had no such guard
lets everybody through until then."""

_ASKED_BY: Final[Mapping[str, tuple[str, ...]]] = {
    SECURITY_POLICY: ("authentication",),
    BACKEND_TRAFFIC_POLICY: ("loadBalancing", "retries", "rateLimit"),
}
"""The fields of spec.traffic that each kind is made from."""


@dataclass(frozen=True, kw_only=True)
class PolicyFacts:
    """The policies that are asked for, and what the gateway says of them."""

    manifests: tuple[Manifest, ...] = ()
    """As they should be, where the cluster knows their kinds."""
    known: bool = True
    """The cluster knows Envoy Gateway's policies and lets us read them, or none is asked for."""
    accepted: bool = True
    """All of them, as they are written now."""
    in_place: bool = True
    """The route has the addresses that are asked for."""
    guarded: bool = True
    """No authentication is asked for, or it is in force."""
    finding: Finding | None = None
    look_again: datetime | None = None


def policy_facts(observed: Observed, *, owner: Owner, traffic: Traffic, gateway: Gateway, now: datetime) -> PolicyFacts:
    """Read what there is of the policies."""
    route = _own(observed, ROUTE, owner)
    made = [
        security_policy(owner=owner, traffic=traffic, route_uid=route.uid if route else None),
        backend_traffic_policy(owner=owner, traffic=traffic),
    ]
    wanted = tuple(manifest for manifest in made if manifest)
    asked = http_route(owner=owner, traffic=traffic, gateway=gateway, routing=Routing(backends=()), timeout="0s")
    in_place = route is not None and _addresses(route.body) == _addresses(asked)
    if not wanted:
        return PolicyFacts(in_place=in_place)
    guards = wanted[0]["kind"] == SECURITY_POLICY
    if not observed.knows(*_ASKED_BY):
        found = _unknown(wanted, traffic) if observed.unknown & _ASKED_BY.keys() else _unlisted(wanted, traffic)
        return PolicyFacts(known=False, in_place=in_place, accepted=False, guarded=not guards, finding=found)
    parent = parent_of(gateway, owner)
    answers = [
        _answer(child, traffic, parent, route, now)
        if child and route and child.applied == applied_hash(manifest)
        else _Answer()
        for manifest, child in ((manifest, _own(observed, manifest["kind"], owner)) for manifest in wanted)
    ]
    return PolicyFacts(
        manifests=wanted,
        in_place=in_place,
        accepted=all(answer.accepted for answer in answers),
        guarded=answers[0].accepted or not guards,
        finding=next((answer.finding for answer in answers if answer.finding), None),
        look_again=min((answer.look_again for answer in answers if answer.look_again), default=None),
    )


def with_policies(route: RouteFacts, policies: PolicyFacts) -> RouteFacts:
    """The route as the rollout should see it: settled only when it is open, under the addresses that are asked for, and
    what is asked for beside it is in force."""
    return replace(
        route,
        settled=route.settled and policies.accepted and policies.in_place and bool(route.weights),
        finding=route.finding or policies.finding,
        look_again=min((at for at in (route.look_again, policies.look_again) if at), default=None),
    )


# -- what the gateway says


@dataclass(frozen=True, kw_only=True)
class _Answer:
    """Of one policy; with none of these, the gateway is still to speak."""

    accepted: bool = False
    finding: Finding | None = None
    look_again: datetime | None = None


def _answer(child: Child, traffic: Traffic, parent: Manifest, route: Child, now: datetime) -> _Answer:
    body = child.body
    conditions = list(_accepted(body, parent))
    current = [c for c in conditions if c.get("observedGeneration") == body["metadata"].get("generation", 0)]
    where = f"Gateway {parent['namespace']}/{parent['name']}"
    bad = next((c for c in current if c["status"] == "False"), None)
    if bad is not None:
        said = f"{where}: {child.kind} {child.name}: {bad.get('reason', '')}: {bad.get('message', '')}"
        return _Answer(finding=finding(Reason.POLICY_NOT_ACCEPTED, said))
    if current and len(current) == len(conditions):
        if child.kind == SECURITY_POLICY and now < (at := _followed_at(current, route)):
            return _Answer(look_again=at)
        return _Answer(accepted=all(c["status"] == "True" for c in current))
    written = max((each.written for each in (child, route) if each.written), default=now)
    if now < written + ANSWERED_WITHIN:
        return _Answer(look_again=written + ANSWERED_WITHIN)
    return _Answer(finding=finding(Reason.ENVOY_GATEWAY_MISSING, _silent(child, traffic, where)))


def _followed_at(current: Sequence[Mapping[str, Any]], route: Child) -> datetime:
    """When proxies are sure to have what was accepted. What was said before the route was made is about another one."""
    said = [condition["lastTransitionTime"] for condition in current]
    return max(map(datetime.fromisoformat, [*said, route.body["metadata"]["creationTimestamp"]])) + IN_FORCE_AFTER


def _accepted(body: Manifest, parent: Manifest) -> Iterator[Mapping[str, Any]]:
    """Whether it is accepted, for the Gateway or for each of its listeners that count."""
    for ancestor in (body.get("status") or {}).get("ancestors") or ():
        ref = {"namespace": body["metadata"]["namespace"], **ancestor["ancestorRef"]}
        same = (ref["namespace"], ref["name"]) == (parent["namespace"], parent["name"])
        sections = {ref.get("sectionName"), parent.get("sectionName")} - {None}
        if same and len(sections) < 2:
            yield from (c for c in ancestor.get("conditions") or () if c["type"] == "Accepted")


def _own(observed: Observed, kind: str, owner: Owner) -> Child | None:
    """The child of our name, if it is ours and there to stay."""
    child = observed.child(kind, owner.name)
    return child if child and child.owner_uid == owner.uid and not child.deleting else None


def _fields(kind: str, traffic: Traffic) -> list[str]:
    """The fields that ask for it."""
    given = traffic.to_dict()
    return [f"traffic.{name}" for name in _ASKED_BY[kind] if name in given]


def _asked(wanted: tuple[Manifest, ...], traffic: Traffic) -> tuple[str, str]:
    """The fields, and the kinds that come of them."""
    fields = [name for manifest in wanted for name in _fields(manifest["kind"], traffic)]
    return ", ".join(fields), " and ".join(manifest["kind"] for manifest in wanted)


def _unknown(wanted: tuple[Manifest, ...], traffic: Traffic) -> Finding:
    fields, kinds = _asked(wanted, traffic)
    said = (
        f"only Envoy Gateway reads {fields}, and the cluster knows no {kinds} ({GROUP_VERSION}): install it, or take "
        "out what it reads; what is routed stays as it is"
    )
    return finding(Reason.ENVOY_GATEWAY_MISSING, said)


def _unlisted(wanted: tuple[Manifest, ...], traffic: Traffic) -> Finding:
    fields, kinds = _asked(wanted, traffic)
    said = (
        f"the operator may not list {kinds} ({GROUP_VERSION}), so nothing is done for {fields}, and what is routed "
        f"stays as it is: {NOT_GRANTED}"
    )
    return finding(Reason.FORBIDDEN, said)


def _silent(child: Child, traffic: Traffic, where: str) -> str:
    return (
        f"only Envoy Gateway reads {', '.join(_fields(child.kind, traffic))}, and nothing of it answers for "
        f"{child.kind} {child.name} at {where}: let that Gateway's class be Envoy Gateway's and its controller run, or "
        "take out what it reads"
    )


# -- the route beside them


def beside(policies: PolicyFacts, wanted: Manifest, observed: Observed, owner: Owner) -> Manifest | None:
    """The route that may be written now; None: what is there, if anything, stays as it is.

    A share may move at any time, but nobody gets an address that is not guarded. Only to another Gateway an open route
    cannot wait where it is, since that one accepts nothing before it is named: it closes on the way.
    """
    if policies.guarded:
        return wanted
    child = _own(observed, ROUTE, owner)
    live = child.body if child else None
    if live and any(rule.get("backendRefs") for rule in live["spec"]["rules"]):
        if _addresses(live) == _addresses(wanted):
            return wanted
        if _parents(live) == _parents(wanted):
            return None
    return _closed(wanted) if policies.known else None


def _closed(route: Manifest) -> Manifest:
    """The same addresses, and nothing behind them."""
    rules = [
        {name: part for name, part in rule.items() if name not in ("backendRefs", "filters")}
        for rule in route["spec"]["rules"]
    ]
    return {**route, "spec": {**route["spec"], "rules": rules}}


def _parents(route: Manifest) -> frozenset[tuple[str, ...]]:
    refs = route["spec"].get("parentRefs") or ()
    return frozenset((ref["name"], ref.get("namespace", ""), ref.get("sectionName", "")) for ref in refs)


def _addresses(route: Manifest) -> tuple[frozenset[Any], ...]:
    """Under which requests come to it."""
    spec = route["spec"]
    matches = (match for rule in spec["rules"] for match in rule.get("matches") or ())
    paths = frozenset(match["path"]["value"] for match in matches)
    return _parents(route), frozenset(spec.get("hostnames") or ()), paths
