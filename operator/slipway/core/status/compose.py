"""The status that people and the next pass read, put together from what was decided."""

from slipway.api.v1alpha1 import ModelDeploymentStatus
from slipway.api.v1alpha1.status import Endpoint, RevisionRef, RevisionState, RevisionStatus
from slipway.core.desired.objects import DesiredState
from slipway.core.names import COMPONENT, GRPC_PORT, HTTP_PORT, MODEL_DEPLOYMENT, REVISION
from slipway.core.rollout.analysis_gate import ended, of_rollout
from slipway.core.rollout.draining import traffic_ended_at
from slipway.core.rollout.roles import RevisionRoles, described
from slipway.core.rollout.state import Outcome, State
from slipway.core.snapshot import Snapshot
from slipway.core.status.accelerators import accelerators
from slipway.core.status.conditions import conditions, phase
from slipway.core.status.measured import measured
from slipway.core.status.scaling import autoscaling_status
from slipway.core.status.served_model import served_model
from slipway.core.status.summary import Summary, planned, reachable, shares


def status_of(
    *, snapshot: Snapshot, outcome: Outcome, roles: RevisionRoles, desired: DesiredState, summary: Summary
) -> ModelDeploymentStatus:
    """The whole status. It is written only when it differs from the one before."""
    owner, generation, state = snapshot.owner, snapshot.owner.generation, outcome.state
    host = f"{owner.name}.{owner.namespace}.svc.{snapshot.platform.cluster_domain}"
    return ModelDeploymentStatus(
        observed_generation=generation,
        phase=phase(summary),
        ready=_ready(snapshot, state, desired),
        conditions=conditions(summary, snapshot.before.conditions, generation=generation, now=snapshot.now),
        stable=state.stable,
        candidate=state.candidate,
        refused=state.refused,
        also_refused=state.also_refused,
        follow=snapshot.following.status if snapshot.following else None,
        rollout=state.rollout,
        analysis=None if of_rollout(state.rollout) else ended(state.analysis, snapshot.policy),
        traffic=desired.traffic.targets if state.stable or state.candidate else [],
        revisions=_revisions(snapshot, state, roles, desired),
        outage_since=outcome.outage_since,
        autoscaling=autoscaling_status(snapshot),
        requests=state.requests,
        last_number=state.last_number,
        endpoint=Endpoint(http=f"http://{host}:{HTTP_PORT}", grpc=f"{host}:{GRPC_PORT}"),
        model=served_model(snapshot, state, desired),
        replicas=snapshot.needed if _first_of(state) else 0,
        selector=_selector(snapshot, state),
    )


def _first_of(state: State) -> RevisionRef | None:
    return next((ref for ref in (state.stable, state.candidate) if ref and ref.revision), None)


def _ready(snapshot: Snapshot, state: State, desired: DesiredState) -> str:
    if _first_of(state) is None:
        return "0/0"
    return f"{reachable(snapshot, desired)}/{snapshot.needed}"


def _selector(snapshot: Snapshot, state: State) -> str:
    """What the scale subresource counts: the stable revision's pods, or all servers while there is none."""
    base = f"{MODEL_DEPLOYMENT}={snapshot.owner.name}"
    if state.stable and state.stable.revision:
        return f"{base},{REVISION}={state.stable.revision}"
    return f"{base},{COMPONENT}=server"


def _revisions(snapshot: Snapshot, state: State, roles: RevisionRoles, desired: DesiredState) -> list[RevisionStatus]:
    live = {entry.revision: entry for entry in desired.revisions}
    by_revision = shares(snapshot, desired) if state.stable else {}
    leading = ((state.stable, RevisionState.STABLE), (state.candidate, RevisionState.CANDIDATE))
    shown = [
        described(
            ref,
            live[ref.revision].record,
            state=what,
            replicas=planned(snapshot, live[ref.revision]),
            available=snapshot.facts(ref).available,
            share=by_revision.get(ref.revision, 0),
            traffic_ended_at=traffic_ended_at(snapshot, ref.revision, desired.traffic),
            measured=measured(snapshot, ref.revision),
            **accelerators(snapshot, ref.revision),
        )
        for ref, what in leading
        if ref and ref.revision
    ]
    others = (
        entry.evolve(share=by_revision.get(entry.revision, 0), **accelerators(snapshot, entry.revision))
        for entry in roles.all
    )
    return [*shown, *others]
