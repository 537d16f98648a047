"""Who answers clients: the root Service, the routes of a gateway, and what guards both."""

from collections.abc import Iterator, Mapping, Sequence

from slipway.api.v1alpha1.spec import Server
from slipway.api.v1alpha1.status import RolloutPhase
from slipway.core.autoscaling import kept_count
from slipway.core.children.route import GRPC_ROUTE, ROUTE, Backend, Routing, grpc_route, http_route
from slipway.core.children.security_policy import SECURITY_POLICY
from slipway.core.children.service import root_service
from slipway.core.desired.guarded_route import guarded_route
from slipway.core.desired.objects import DesiredObject, DesiredRevision, Write, left_alone, written
from slipway.core.names import Manifest, of_revision
from slipway.core.rollout.canary import mirrored
from slipway.core.rollout.refusals import going_home
from slipway.core.rollout.state import Outcome, State
from slipway.core.shares import Traffic, all_to, not_growing
from slipway.core.snapshot import Snapshot


def traffic_of(snapshot: Snapshot, outcome: Outcome) -> Traffic:
    """Who should answer clients from now on."""
    if outcome.allocation and outcome.allocation.traffic.service:
        return outcome.allocation.traffic
    candidate = outcome.state.candidate
    first = candidate.revision if candidate and outcome.state.stable is None else None
    return all_to(first) if first else snapshot.traffic


def weights_of(
    snapshot: Snapshot, outcome: Outcome, traffic: Traffic, revisions: Sequence[DesiredRevision]
) -> Mapping[str, int]:
    """Parts of the gateway's requests: exact ones, or by the available pods that each revision keeps."""
    if traffic.shares is not None:
        return traffic.shares
    reached = traffic.service
    if len(reached) == 1:
        return dict.fromkeys(reached, 100)
    back = outcome.state.rollout is not None and outcome.state.rollout.phase is RolloutPhase.ROLLING_BACK
    route = snapshot.route
    stays = route and route.wait.finding and not back and route.reaches == reached
    if route and stays and all(map(snapshot.available, reached)) and not any(map(snapshot.usurped, reached)):
        return {revision: weight for revision, weight in route.weights.items() if weight}
    taking = [each for each in sorted(revisions, key=_name) if each.revision in reached]
    pods = {each.revision: _keeps(snapshot, each) if snapshot.addressable(each.revision) else 0 for each in taking}
    home, parts = going_home(outcome.state), pods
    if home and route:
        parts = not_growing(pods, home=home, now={name: route.share(name) for name in pods})
    return parts if any(parts.values()) else _as_before(snapshot, reached)


def _as_before(snapshot: Snapshot, reached: frozenset[str]) -> Mapping[str, int]:
    """Where a gateway reaches none of them, each keeps its part; that nobody can answer gives nobody a larger one, but
    for what a stranger would answer."""
    reached = frozenset(name for name in reached if not snapshot.usurped(name)) or reached
    for shares in (snapshot.route.weights if snapshot.route else {}, snapshot.shares_before):
        parts = {name: shares.get(name, 0) for name in sorted(reached)}
        if any(parts.values()):
            return parts
    return dict.fromkeys(sorted(reached), 1)


def _keeps(snapshot: Snapshot, desired: DesiredRevision) -> int:
    """Available pods that a revision has still once its count is written."""
    name, replicas = desired.revision, desired.replicas
    return min(snapshot.available(name), kept_count(snapshot.count(name), replicas.count, replicas.bounds))


def _name(desired: DesiredRevision) -> str:
    return desired.revision


def objects(
    snapshot: Snapshot,
    state: State,
    traffic: Traffic,
    weights: Mapping[str, int],
    revisions: Sequence[DesiredRevision],
) -> Iterator[DesiredObject]:
    """The root Service, then what guards the routes, and the routes. Where a share changes, it is written whatever a
    look from before says: an earlier change may still be on its way."""
    was = Traffic.of(snapshot.before.traffic)
    moves = bool(was.service) and was != traffic
    if service := traffic.service or snapshot.selected:
        alone = next(iter(service)) if len(service) == 1 else None
        yield _routing_object(
            root_service(owner=snapshot.owner, revision=alone), always=moves and was.service != traffic.service
        )
    http, grpc = _routes(snapshot, state, weights, revisions)
    guarded = guarded_route(snapshot.policies, http, snapshot.observed, snapshot.owner) if http else None
    if http:
        yield from written(snapshot.policies.manifests)
        if guarded is None:
            yield left_alone(ROUTE, snapshot.owner.name)
        if snapshot.policies.exchanged:
            yield left_alone(SECURITY_POLICY, snapshot.owner.name)
    yield from (_routing_object(route, always=moves) for route in (guarded, grpc) if route)


def _routing_object(manifest: Manifest, *, always: bool) -> DesiredObject:
    return DesiredObject(manifest=manifest, routes=True, write=Write.ALWAYS if always else Write.IF_DIFFERENT)


def _routes(
    snapshot: Snapshot, state: State, weights: Mapping[str, int], revisions: Sequence[DesiredRevision]
) -> tuple[Manifest | None, Manifest | None]:
    """HTTP's, and gRPC's own where one is asked for, as far as the cluster knows them. One that is not there yet waits
    while it would lead to a Service that is somebody else's."""
    traffic, observed = snapshot.spec.traffic, snapshot.observed
    if traffic is None or traffic.gateway is None or not revisions:
        return None, None
    owner, gateway, routing = snapshot.owner, traffic.gateway, _routing(snapshot, state, weights, revisions)
    timeouts, server = traffic.timeouts, snapshot.spec.server or Server()
    timeout = timeouts.request if timeouts else server.request_timeout
    http = http_route(owner=owner, traffic=traffic, gateway=gateway, routing=routing, timeout=timeout)
    grpc = grpc_route(owner=owner, traffic=traffic, gateway=gateway, routing=routing)
    taken = {each.name for each in observed.foreign if each.kind == "Service"}
    astray = any(part and of_revision(owner.name, revision) in taken for revision, part in weights.items())
    http_fits, grpc_fits = (
        observed.knows(kind) and not (astray and observed.child(kind, owner.name) is None)
        for kind in (ROUTE, GRPC_ROUTE)
    )
    return http if http_fits else None, grpc if grpc_fits else None


def _routing(
    snapshot: Snapshot, state: State, weights: Mapping[str, int], revisions: Sequence[DesiredRevision]
) -> Routing:
    named = sorted(revisions, key=lambda entry: (not weights.get(entry.revision), entry.number))
    candidate = state.candidate.revision if state.candidate else None
    answers = candidate if candidate and snapshot.available(candidate) and snapshot.addressable(candidate) else None
    status = state.rollout.canary if state.rollout else None
    copies = mirrored(status, snapshot.available(answers), snapshot.needed) if status and answers else 0
    versions = {each.revision: each.record.version for each in revisions if each.record}
    return Routing(
        backends=[_backend(each.revision, weights.get(each.revision, 0), versions) for each in named],
        shadow=(answers, copies) if answers and copies else None,
        candidate=_backend(answers, 1, versions) if answers else None,
    )


def _backend(revision: str, weight: int, versions: Mapping[str, str]) -> Backend:
    return Backend(revision=revision, weight=weight, version=versions.get(revision))
