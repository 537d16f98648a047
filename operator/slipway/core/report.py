"""The status that people and the next pass read, put together from what was decided."""

from collections.abc import Sequence

from slipway.api.v1alpha1 import ModelDeploymentStatus
from slipway.api.v1alpha1.status import Endpoint, RevisionRef, RevisionState, RevisionStatus
from slipway.core.children.revision import RevisionRecord
from slipway.core.converge import Goal
from slipway.core.names import COMPONENT, GRPC_PORT, HTTP_PORT, MODEL_DEPLOYMENT, REVISION
from slipway.core.reasons import Finding, found_before
from slipway.core.rollout.gates import first_finding
from slipway.core.rollout.machine import Outcome, State
from slipway.core.scene import Scene
from slipway.core.status import Situation, conditions, phase


def situation_of(scene: Scene, state: State, outcome: Outcome, blocked: Finding | None) -> Situation:
    """Put in words what was decided: what serves, what is on its way, and what is in the way."""
    stable, candidate = state.stable, state.candidate
    serving = scene.facts(stable, None) if stable else None
    found = blocked or outcome.finding
    if found is None and state.refused:
        found = found_before(state.refused.reason, state.refused.message)
    if found is None and candidate is None and serving and not serving.whole and not scene.suspended:
        found = first_finding(serving, scene.policy)
    verifying = bool(candidate and candidate.revision) and any(
        pod.server.running for pod in scene.observed.pods_of((candidate and candidate.revision) or "")
    )
    return Situation(
        serving=stable.version if stable else None,
        available=serving.available if serving else 0,
        wanted=serving.wanted if serving else 0,
        asked_serves=bool(stable and stable.ask == scene.ask) and blocked is None,
        suspended=scene.suspended,
        refused=state.refused is not None,
        rollout=state.rollout,
        verifying=verifying,
        candidate=candidate.version if candidate else None,
        finding=found,
        stalled=outcome.stalled or blocked is not None,
    )


def status_of(
    *,
    scene: Scene,
    state: State,
    retiring: Sequence[RevisionStatus],
    goal: Goal,
    situation: Situation,
) -> ModelDeploymentStatus:
    """The whole status. It is written only when it differs from the one before."""
    owner, generation = scene.owner, scene.owner.generation
    records = {live.revision: live.record for live in goal.live}
    shown = [
        _revision_status(scene, ref, revision_state, records.get(ref.revision or ""), stable=state.stable)
        for ref, revision_state in (
            (state.stable, RevisionState.STABLE),
            (state.candidate, RevisionState.CANDIDATE),
        )
        if ref and ref.revision
    ]
    host = f"{owner.name}.{owner.namespace}.svc.{scene.platform.cluster_domain}"
    current = shown[0] if shown else None
    return ModelDeploymentStatus(
        observed_generation=generation,
        phase=phase(situation),
        ready=f"{current.available}/{current.replicas}" if current else "0/0",
        conditions=conditions(situation, scene.before.conditions, generation=generation, now=scene.now),
        stable=state.stable,
        candidate=state.candidate,
        refused=state.refused,
        rollout=state.rollout,
        revisions=[*shown, *retiring],
        last_number=state.last_number,
        endpoint=Endpoint(http=f"http://{host}:{HTTP_PORT}", grpc=f"{host}:{GRPC_PORT}"),
        replicas=current.replicas if current else 0,
        selector=_selector(scene, state),
    )


def _selector(scene: Scene, state: State) -> str:
    """What the scale subresource counts: the stable revision's pods, or all servers while there is none."""
    base = f"{MODEL_DEPLOYMENT}={scene.owner.name}"
    if state.stable and state.stable.revision:
        return f"{base},{REVISION}={state.stable.revision}"
    return f"{base},{COMPONENT}=server"


def _revision_status(
    scene: Scene,
    ref: RevisionRef,
    state: RevisionState,
    record: RevisionRecord | None,
    *,
    stable: RevisionRef | None,
) -> RevisionStatus:
    facts = scene.facts(ref, stable.revision if stable else None)
    serves = state is RevisionState.STABLE and scene.serving == ref.revision
    return RevisionStatus(
        revision=ref.revision or "",
        number=ref.number or 1,
        version=ref.version,
        digest=record.resolved.digest if record else "",
        unverified=(record.resolved.unverified or None) if record else None,
        verification=record.verification if record else "",
        platform=record.platform if record else "",
        state=state,
        replicas=facts.wanted,
        available=facts.available,
        share=100 if serves else 0,
    )
