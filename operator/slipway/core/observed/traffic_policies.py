"""What traffic asks of Envoy Gateway: the policies, what has become of them, and the route that may stand beside them.

A policy gets a status only once its route is there. So where authentication is asked for, a new route is closed at
first, with addresses and no backends, which every gateway answers with 500; it opens when the policy has been accepted
at its generation, and is in force. A route that is open already keeps its addresses until then.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import reduce
from operator import or_
from typing import Any, Final

from slipway.api.v1alpha1.spec import Gateway, Traffic
from slipway.core.body import conditions, instant, mappings, within
from slipway.core.children.backend_traffic_policy import BACKEND_TRAFFIC_POLICY, backend_traffic_policy
from slipway.core.children.manifest import applied_hash
from slipway.core.children.policy import GROUP_VERSION
from slipway.core.children.route import ROUTE, Routing, http_route, parent_of
from slipway.core.children.security_policy import SECURITY_POLICY, security_policy
from slipway.core.drift import as_asked
from slipway.core.names import Manifest
from slipway.core.observed.objects import Child, Observed
from slipway.core.observed.route import ANSWERED_WITHIN, RouteFacts
from slipway.core.owner import Owner
from slipway.core.reasons import NOT_GRANTED, Finding, Reason, finding
from slipway.core.wait import NO_WAIT, Wait

IN_FORCE_AFTER: Final = timedelta(seconds=12)
"""Envoy Gateway accepts a guard before its proxies have it. A proxy asks the issuers of a listener's tokens for their
keys first (ours for `KEYS_SECONDS`, those of others' policies for ten as a rule), and a listener that had no such guard
lets everybody through until then."""

_ASKED_BY: Final[Mapping[str, tuple[str, ...]]] = {
    SECURITY_POLICY: ("authentication",),
    BACKEND_TRAFFIC_POLICY: ("loadBalancing", "retries", "rateLimit", "maxRequestSize"),
}
"""The fields of spec.traffic that each kind is made from."""


@dataclass(frozen=True, kw_only=True)
class PolicyFacts:
    """The policies that are asked for, and what the gateway says of them."""

    manifests: tuple[Manifest, ...] = ()
    """As they should be, where the cluster knows their kinds."""
    readable: bool = True
    """The cluster knows Envoy Gateway's policies and lets us read them, or none is asked for."""
    accepted: bool = True
    """All of them, as they are written now."""
    in_place: bool = True
    """The route has the addresses that are asked for."""
    guards: bool = False
    """Authentication is asked for."""
    guarded: bool = True
    """It is in force, or none is asked for."""
    exchanged: bool = False
    """A guard is to be exchanged for another one: it stays until the route has closed."""
    wait: Wait = NO_WAIT
    """Why they are not, or when silence will count as an answer."""
    waits: str | None = None
    """What people are told while nothing is wrong and the gateway has not got so far."""


def policy_facts(observed: Observed, *, owner: Owner, traffic: Traffic, gateway: Gateway, now: datetime) -> PolicyFacts:
    """Read what there is of the policies."""
    route = own_child(observed, ROUTE, owner)
    made = [
        security_policy(owner=owner, traffic=traffic, route_uid=route.uid if route else None),
        backend_traffic_policy(owner=owner, traffic=traffic),
    ]
    wanted = tuple(manifest for manifest in made if manifest)
    asked = http_route(owner=owner, traffic=traffic, gateway=gateway, routing=Routing(backends=()), timeout="0s")
    in_place = route is not None and addresses_of(route.body) == addresses_of(asked)
    if not wanted:
        return PolicyFacts(in_place=in_place)
    guards = wanted[0]["kind"] == SECURITY_POLICY
    if not observed.knows(*_ASKED_BY):
        problem = _uninstalled(wanted, traffic) if observed.unknown & _ASKED_BY.keys() else _unlisted(wanted, traffic)
        return PolicyFacts(
            readable=False,
            in_place=in_place,
            accepted=False,
            guards=guards,
            guarded=not guards,
            wait=Wait(finding=problem),
        )
    parent = parent_of(gateway, owner)
    answers = [
        _answer(own_child(observed, each["kind"], owner), each, traffic=traffic, parent=parent, route=route, now=now)
        for each in wanted
    ]
    exchanged = guards and _is_exchanged(own_child(observed, SECURITY_POLICY, owner), wanted[0], route)
    return PolicyFacts(
        manifests=wanted[1:] if exchanged else wanted,
        in_place=in_place,
        accepted=all(answer.accepted for answer in answers),
        guards=guards,
        guarded=answers[0].accepted or not guards,
        exchanged=exchanged,
        wait=reduce(or_, (answer.wait for answer in answers), NO_WAIT),
        waits=next((answer.waits for answer in answers if answer.waits), None),
    )


def with_policies(route: RouteFacts, policies: PolicyFacts) -> RouteFacts:
    """The route as the rollout should see it: settled only when it is open, under the addresses that are asked for, and
    what is asked for beside it is in force."""
    return replace(
        route,
        settled=route.settled and policies.accepted and policies.in_place and bool(route.weights),
        wait=route.wait | Wait(finding=policies.wait.finding),
    )


# -- what the gateway says


@dataclass(frozen=True, kw_only=True)
class _Answer:
    """Of one policy; with none of these, the gateway is still to speak."""

    accepted: bool = False
    wait: Wait = NO_WAIT
    waits: str | None = None


def _answer(
    child: Child | None, wanted: Manifest, *, traffic: Traffic, parent: Manifest, route: Child | None, now: datetime
) -> _Answer:
    where = f"Gateway {parent['namespace']}/{parent['name']}"
    body = child.body if child else {}
    asked = {"kind": wanted["kind"], "spec": wanted["spec"]}
    as_wanted = child and child.applied == applied_hash(wanted) and as_asked(body, asked)
    if child is None or route is None or not as_wanted:
        return _Answer(wait=Wait(until=now + ANSWERED_WITHIN if route else None), waits=_yet(where, wanted, traffic))
    said_of_it = list(_accepted(body, parent))
    current = [c for c in said_of_it if c.get("observedGeneration") == body["metadata"].get("generation", 0)]
    bad = next((c for c in current if c["status"] == "False"), None)
    if bad is not None:
        message = f"{where}: {child.kind} {child.name}: {bad.get('reason', '')}: {bad.get('message', '')}"
        return _Answer(wait=Wait(finding=finding(Reason.POLICY_NOT_ACCEPTED, message)))
    if current and len(current) == len(said_of_it):
        if child.kind == SECURITY_POLICY and now < (at := _followed_at(current, route, now)):
            what = _said(wanted, traffic)
            return _Answer(wait=Wait(until=at), waits=f"{where}: its proxies have {what} at {at:%H:%M:%S} UTC")
        return _Answer(accepted=all(c["status"] == "True" for c in current))
    written = max((each.written for each in (child, route) if each.written), default=now)
    if now < (at := written + ANSWERED_WITHIN):
        return _Answer(wait=Wait(until=at), waits=_yet(where, wanted, traffic))
    return _Answer(wait=Wait(finding=finding(Reason.ENVOY_GATEWAY_MISSING, _silent(child, traffic, where))))


def _followed_at(current: Sequence[Mapping[str, Any]], route: Child, now: datetime) -> datetime:
    """When proxies are sure to have what was accepted. What was said before the route was made is about another one,
    and of one that is closed what it was when it closed. What says no time was said just now."""
    body = route.body
    transitions = [condition.get("lastTransitionTime") for condition in current]
    times = [instant(at) or now for at in (*transitions, body["metadata"].get("creationTimestamp"))]
    if route.written and not is_open(body):
        times.append(route.written)
    return max(times) + IN_FORCE_AFTER


def _accepted(body: Manifest, parent: Manifest) -> Iterator[Mapping[str, Any]]:
    """Whether it is accepted, for all of the Gateway or for the listener that is named: Envoy Gateway says it of what
    the route names. What it said of one listener holds for no other."""
    for ancestor in mappings(within(body, "status").get("ancestors")):
        ref = {"namespace": body["metadata"].get("namespace"), **within(ancestor, "ancestorRef")}
        same = (ref["namespace"], ref.get("name")) == (parent["namespace"], parent["name"])
        if same and ref.get("sectionName") in (None, parent.get("sectionName")):
            yield from (c for c in conditions(ancestor.get("conditions")) if c["type"] == "Accepted")


def _is_exchanged(live: Child | None, wanted: Manifest, route: Child | None) -> bool:
    """Whether what protects an open route now is taken out for what its proxies do not have yet."""
    if live is None or route is None or not is_open(route.body):
        return False
    before, after = ({"apiKeyAuth", "jwt"} & spec.keys() for spec in (within(live.body, "spec"), wanted["spec"]))
    return bool(before - after) and bool(after - before)


def own_child(observed: Observed, kind: str, owner: Owner) -> Child | None:
    """The child of our name, if it is ours and there to stay."""
    child = observed.child(kind, owner.name)
    return child if child and child.owner_uid == owner.uid and not child.deleting else None


def _fields(kind: str, traffic: Traffic) -> list[str]:
    """The fields that ask for it."""
    given = traffic.to_dict()
    return [f"traffic.{name}" for name in _ASKED_BY[kind] if name in given]


def _said(policy: Manifest, traffic: Traffic) -> str:
    """A policy, for messages."""
    kind = policy["kind"]
    return f"{kind} {policy['metadata']['name']} ({', '.join(_fields(kind, traffic))})"


def _yet(where: str, policy: Manifest, traffic: Traffic) -> str:
    return f"{where} is yet to take up {_said(policy, traffic)}"


def _asked(wanted: tuple[Manifest, ...], traffic: Traffic) -> tuple[str, str]:
    """The fields, and the kinds that come of them."""
    fields = [name for manifest in wanted for name in _fields(manifest["kind"], traffic)]
    return ", ".join(fields), " and ".join(manifest["kind"] for manifest in wanted)


def _uninstalled(wanted: tuple[Manifest, ...], traffic: Traffic) -> Finding:
    fields, kinds = _asked(wanted, traffic)
    message = (
        f"only Envoy Gateway reads {fields}, and the cluster knows no {kinds} ({GROUP_VERSION}): install it, or take "
        "out what it reads; what is routed stays as it is"
    )
    return finding(Reason.ENVOY_GATEWAY_MISSING, message)


def _unlisted(wanted: tuple[Manifest, ...], traffic: Traffic) -> Finding:
    fields, kinds = _asked(wanted, traffic)
    message = (
        f"the operator may not list {kinds} ({GROUP_VERSION}), so nothing is done for {fields}, and what is routed "
        f"stays as it is: {NOT_GRANTED}"
    )
    return finding(Reason.FORBIDDEN, message)


def _silent(child: Child, traffic: Traffic, where: str) -> str:
    return (
        f"only Envoy Gateway reads {', '.join(_fields(child.kind, traffic))}, and nothing of it answers for "
        f"{child.kind} {child.name} at {where}: let that Gateway's class be Envoy Gateway's and its controller run, or "
        "take out what it reads"
    )


# -- the route beside them


def is_open(route: Manifest) -> bool:
    """Whether it leads anywhere."""
    return any(rule.get("backendRefs") for rule in mappings(within(route, "spec").get("rules")))


def parents_of(route: Manifest) -> frozenset[tuple[str, ...]]:
    """Name, namespace and listener of every Gateway that a route names."""
    refs = mappings(within(route, "spec").get("parentRefs"))
    return frozenset((ref.get("name", ""), ref.get("namespace", ""), ref.get("sectionName", "")) for ref in refs)


def addresses_of(route: Manifest) -> tuple[frozenset[Any], ...]:
    """Under which requests come to it."""
    spec = within(route, "spec")
    matches = (match for rule in mappings(spec.get("rules")) for match in mappings(rule.get("matches")))
    paths = frozenset(within(match, "path").get("value", "/") for match in matches)
    return parents_of(route), frozenset(spec.get("hostnames") or ()), paths
