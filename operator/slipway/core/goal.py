"""The goal of one pass: all objects that should be there, from what the rollout decided and what the spec asks for."""

from collections.abc import Iterator, Mapping, Sequence

from pydantic import ValidationError

from slipway.api.v1alpha1 import ModelDeploymentSpec, ModelDeploymentStatus
from slipway.api.v1alpha1.spec import Rollout, Server
from slipway.api.v1alpha1.status import RevisionRef, RevisionStatus, RolloutPhase
from slipway.core import history
from slipway.core.children.network_policy import network_policy
from slipway.core.children.resolve_job import resolve_job
from slipway.core.children.revision import RevisionRecord, controller_revision
from slipway.core.children.route import GRPC_ROUTE, ROUTE, ROUTES, Backend, Routing, grpc_route, http_route
from slipway.core.children.security_policy import SECURITY_POLICY
from slipway.core.converge import Goal, Live
from slipway.core.facts import Child
from slipway.core.identity import ASKED
from slipway.core.lineup import Lineup
from slipway.core.names import Manifest, of_resolve_job, of_revision
from slipway.core.rollout import refusals
from slipway.core.rollout.canary import mirrored
from slipway.core.rollout.shares import Traffic, all_to
from slipway.core.rollout.state import Outcome, State
from slipway.core.scene import Scene
from slipway.core.traffic_policy import beside


def goal_of(scene: Scene, outcome: Outcome, lineup: Lineup, made: RevisionRecord | None) -> Goal:
    """What the cluster should be moved towards."""
    state = outcome.state
    traffic = decided(scene, outcome)
    root = traffic.reaches
    live = [*_others(scene, lineup), *_taking_part(scene, outcome, lineup, root)]
    weights = _weights(scene, outcome, traffic)
    routed, grpc = _routes(scene, state, live, weights)
    route = beside(scene.policies, routed, scene.observed, scene.owner) if routed else None
    return Goal(
        live=live,
        root=root,
        service=traffic.service or scene.selected,
        traffic=traffic,
        weights=weights,
        policies=scene.policies.manifests if routed else (),
        route=route,
        stays=_stays(scene, route) if routed else frozenset(),
        grpc_route=grpc,
        network_policy=_network_policy(scene),
        unsure=_unsure(scene.before, traffic),
        jobs=tuple(_jobs(scene, outcome)),
        made=_made(scene, state, live, made) if made else None,
        discard=(*_jobs_to_discard(scene, outcome), *_surplus(scene, state, {entry.revision for entry in live})),
        evict=outcome.evict,
    )


def decided(scene: Scene, outcome: Outcome) -> Traffic:
    """Who should answer clients from now on."""
    if outcome.allocation and outcome.allocation.traffic.service:
        return outcome.allocation.traffic
    candidate = outcome.state.candidate
    first = candidate.revision if candidate and outcome.state.stable is None else None
    return all_to(first) if first else scene.traffic


def _weights(scene: Scene, outcome: Outcome, traffic: Traffic) -> Mapping[str, int]:
    """Parts of the gateway's requests: exact ones, or by the pods that each revision has available."""
    if traffic.shares is not None:
        return traffic.shares
    reached = traffic.service
    if len(reached) == 1:
        return dict.fromkeys(reached, 100)
    back = outcome.state.rollout is not None and outcome.state.rollout.phase is RolloutPhase.ROLLING_BACK
    route = scene.route
    if route and route.finding and not back and route.reaches == reached and all(map(scene.available, reached)):
        return {revision: weight for revision, weight in route.weights.items() if weight}
    pods = {revision: scene.available(revision) for revision in sorted(reached)}
    return pods if any(pods.values()) else dict.fromkeys(pods, 1)


def _routes(
    scene: Scene, state: State, live: Sequence[Live], weights: Mapping[str, int]
) -> tuple[Manifest | None, Manifest | None]:
    """HTTP's, and gRPC's own where one is asked for, as far as the cluster knows them."""
    traffic, seen = scene.spec.traffic, scene.observed
    if traffic is None or traffic.gateway is None or not live:
        return None, None
    owner, gateway, routing = scene.owner, traffic.gateway, _routing(scene, state, live, weights)
    timeouts, server = traffic.timeouts, scene.spec.server or Server()
    timeout = timeouts.request if timeouts else server.request_timeout
    http = http_route(owner=owner, traffic=traffic, gateway=gateway, routing=routing, timeout=timeout)
    grpc = grpc_route(owner=owner, traffic=traffic, gateway=gateway, routing=routing)
    return http if seen.knows(ROUTE) else None, grpc if seen.knows(GRPC_ROUTE) else None


def _stays(scene: Scene, route: Manifest | None) -> frozenset[str]:
    kept = {ROUTE: route is None, SECURITY_POLICY: scene.policies.exchanged}
    return frozenset(kind for kind, stays in kept.items() if stays)


def _routing(scene: Scene, state: State, live: Sequence[Live], weights: Mapping[str, int]) -> Routing:
    named = sorted(live, key=lambda entry: (not weights.get(entry.revision), entry.number))
    candidate = state.candidate.revision if state.candidate else None
    answers = candidate if candidate and scene.available(candidate) else None
    status = state.rollout.canary if state.rollout else None
    copies = mirrored(status, scene.available(answers), scene.needed) if status and answers else 0
    return Routing(
        backends=[Backend(revision=e.revision, weight=weights.get(e.revision, 0)) for e in named],
        shadow=(answers, copies) if answers and copies else None,
        candidate=answers,
    )


def _network_policy(scene: Scene) -> Manifest | None:
    allow_from = scene.spec.traffic and scene.spec.traffic.allow_from
    return network_policy(owner=scene.owner, allow_from=allow_from, platform=scene.platform) if allow_from else None


def _unsure(before: ModelDeploymentStatus, traffic: Traffic) -> frozenset[str]:
    """Kinds that are written whatever a look from before says: their share of the traffic changes, and an earlier
    change may still be on its way."""
    was = Traffic.of(before.traffic)
    if not was.service or was == traffic:
        return frozenset()
    return frozenset({"Service", *ROUTES} if was.service != traffic.service else ROUTES)


# -- revisions


def _taking_part(scene: Scene, outcome: Outcome, lineup: Lineup, root: frozenset[str]) -> Iterator[Live]:
    """Those whose pods and traffic were decided on. One that was not looked at yet keeps what it has."""
    counts: Mapping[str, int] = outcome.allocation.counts if outcome.allocation else {}
    named = ((ref, ref.revision) for ref in (outcome.state.stable, outcome.state.candidate, *lineup.superseded) if ref)
    planned = [(ref, name, counts.get(name, scene.count(name))) for ref, name in named if name]
    # What gives up pods is written first: at no moment between two writes are there more than the surge allows.
    for ref, revision, count in sorted(planned, key=lambda plan: plan[2] >= scene.count(plan[1])):
        bounds = _bounds(scene, outcome, revision, count, root)
        yield _live(scene, ref, count, serves=revision in root, bounds=bounds)


def _others(scene: Scene, lineup: Lineup) -> Iterator[Live]:
    if lineup.standby:
        count = max(scene.count(lineup.standby.revision), scene.needed) if scene.needed else 0
        yield _live(scene, lineup.standby, count, serves=False)
    for known in lineup.retiring:
        yield _live(scene, known, scene.count(known.revision), serves=False)


def _live(
    scene: Scene, ref: RevisionRef | RevisionStatus, count: int, *, serves: bool, bounds: tuple[int, int] | None = None
) -> Live:
    revision = ref.revision or ""
    return Live(
        revision=revision,
        number=ref.number or 1,
        record=scene.record(revision),
        replicas=count,
        bounds=bounds,
        guarded=serves and not scene.suspended and (bounds[1] if bounds else count) > 1,
    )


def _bounds(scene: Scene, outcome: Outcome, revision: str, count: int, root: frozenset[str]) -> tuple[int, int] | None:
    """Between what its autoscaler may move a revision's count. While versions change, what carries the load may grow
    and not shrink, and what gives up its pods, or has as many as its share needs, stays where it was put."""
    state, exact = outcome.state, outcome.allocation and outcome.allocation.traffic.shares
    scaling, rollout = scene.spec.autoscaling, state.rollout
    if scaling is None or state.stable is None or not count or revision not in root:
        return None
    moving = rollout is not None and rollout.phase not in (RolloutPhase.SOAKING, RolloutPhase.RESOLVING)
    if not moving and root == {revision}:
        return scaling.min_replicas, scaling.max_replicas
    back = rollout is not None and rollout.phase is RolloutPhase.ROLLING_BACK
    candidate = state.candidate.revision if state.candidate else None
    by_steps = bool(scene.policy.canary_steps)
    grows = candidate if candidate in root and not (back or exact or by_steps) else state.stable.revision
    makes_room = revision == state.stable.revision and not back and count < scene.needed
    return (count, max(count, scaling.max_replicas)) if revision == grows and not makes_room else (count, count)


# -- history and Jobs


def _made(scene: Scene, state: State, live: Sequence[Live], record: RevisionRecord) -> Manifest | None:
    """The ControllerRevision of what was just resolved; None where its pods are still there, and bring it along."""
    if any(entry.revision == record.revision and entry.record for entry in live):
        return None
    return controller_revision(record, owner=scene.owner, number=state.last_number + 1)


def _jobs(scene: Scene, outcome: Outcome) -> Iterator[Manifest]:
    for ask in sorted(outcome.jobs):
        spec = spec_of(scene, ask)
        if spec is not None:
            yield resolve_job(
                owner=scene.owner,
                spec=spec,
                ask=ask,
                platform=scene.platform,
                deadline=scene.policy.fetch_timeout,
            )


def spec_of(scene: Scene, ask: str) -> ModelDeploymentSpec | None:
    """The spec as it was when that was asked for, as far as its pods go; None where nothing says so any more, or it
    was asked for in words that this version does not know."""
    if ask == scene.ask:
        return scene.spec
    entry = history.newest_of(scene.past, ask)
    record = scene.record(entry.revision) if entry else None
    if record is None:
        return None
    rest = {name: value for name, value in scene.spec.to_dict().items() if name not in ASKED}
    try:
        return ModelDeploymentSpec.model_validate({**rest, **record.asked})
    except ValidationError:
        return None


def _jobs_to_discard(scene: Scene, outcome: Outcome) -> tuple[Child, ...]:
    """The Job of a failed try, and those of asks that nobody asks any more. One that succeeded goes by its own TTL."""
    state = outcome.state
    asks = {scene.ask, *outcome.jobs, *(ref.ask for ref in (state.stable, state.candidate) if ref and state.rollout)}
    kept = {of_resolve_job(scene.owner.name, ask) for ask in asks - outcome.discard}
    return tuple(
        child
        for (kind, name), child in scene.observed.children.items()
        if kind == "Job" and child.owner_uid == scene.owner.uid and name not in kept
    )


def _surplus(scene: Scene, state: State, in_use: set[str]) -> Iterator[Child]:
    """History beyond its limit, and what was sent home so long ago that it is about to be forgotten."""
    limit = (scene.spec.rollout or Rollout()).history_limit
    forgotten = refusals.to_forget(state.also_refused) & {entry.revision for entry in scene.past} - in_use
    surplus = history.surplus(scene.past, in_use=in_use, aside=refusals.revisions(state), limit=limit)
    for revision in (*surplus, *sorted(forgotten)):
        if child := scene.observed.child("ControllerRevision", of_revision(scene.owner.name, revision)):
            yield child
