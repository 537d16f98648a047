"""The status that people and the next pass read, put together from what was decided."""

from slipway.api.v1alpha1 import ModelDeploymentStatus
from slipway.api.v1alpha1.status import Endpoint, RevisionRef, RevisionState, RevisionStatus, RolloutPhase
from slipway.core.autoscaling import shown_count
from slipway.core.desired.objects import DesiredRevision, DesiredState
from slipway.core.hindrance import Hindrance
from slipway.core.lineup import Lineup, described
from slipway.core.names import COMPONENT, GRPC_PORT, HTTP_PORT, MODEL_DEPLOYMENT, REVISION
from slipway.core.reasons import found_before
from slipway.core.rollout.analysing import ended, of_rollout
from slipway.core.rollout.gates import first_finding
from slipway.core.rollout.shares import by_pods
from slipway.core.rollout.state import Outcome, State
from slipway.core.scene import Scene
from slipway.core.status import Situation, conditions, phase


def situation_of(scene: Scene, outcome: Outcome, desired: DesiredState, blocked: Hindrance | None) -> Situation:
    """Put in words what was decided: what serves, what is on its way, and what is in the way."""
    state = outcome.state
    stable, candidate = state.stable, state.candidate
    serving = scene.facts(stable) if stable else None
    found = blocked.finding if blocked else outcome.finding
    back = state.rollout is not None and state.rollout.phase is RolloutPhase.ROLLING_BACK
    if found is None and state.refused and not (state.rollout and state.rollout.command.rollback):
        found = found_before(state.refused.reason, state.refused.message)
    if found is None and candidate is None and serving and not serving.whole and not scene.suspended:
        found = first_finding(serving, scene.policy)
    if found is None and scene.route:
        found = scene.route.finding
    routed = scene.route is None or scene.route.settled or (scene.route.look_again and _was_ready(scene))
    asked = (
        stable is not None and stable.ask == scene.ask and desired.traffic.reaches == {stable.revision} and bool(routed)
    )
    return Situation(
        serving=stable.version if stable else None,
        available=_reachable(scene, desired) if stable else 0,
        wanted=scene.needed,
        asked_serves=asked and candidate is None and blocked is None,
        suspended=scene.suspended,
        refused=state.refused is not None,
        rollout=state.rollout,
        verifying=_verifies(scene, state),
        awaits=_awaits(scene, state),
        candidate=candidate.version if candidate else None,
        moving=_moving(scene, state, desired) if candidate and candidate.revision else None,
        finding=found if not back or blocked or outcome.finding else None,
        waits=scene.policies.waits,
        stalled=outcome.stalled or (blocked is not None and blocked.stalls(scene.now, scene.policy.progress_deadline)),
    )


def _was_ready(scene: Scene) -> bool:
    """A gateway has some seconds to take up a route that was written again: nobody is worried meanwhile."""
    return any(c.type == "Ready" and c.status == "True" for c in scene.before.conditions)


def _verifies(scene: Scene, state: State) -> bool:
    revision = state.candidate.revision if state.candidate else None
    there = scene.observed.pods_of(revision) if revision else ()
    pods = [pod for pod in there if not pod.deleting]
    others = [pod for pod in pods if not pod.ready]  # ready for less than ten seconds is not available yet
    return any(pod.server.running for pod in others or pods)


def _awaits(scene: Scene, state: State) -> str | None:
    """It has the pods for a step without a share, copies of requests at most: what is left is the gateway's answer."""
    rollout, candidate = state.rollout, state.candidate
    if not (rollout and rollout.canary and rollout.phase is RolloutPhase.STARTING and candidate and scene.route):
        return None
    facts = scene.facts(candidate)
    if not facts.count or facts.available < facts.count:
        return None
    return f"waits for the gateway to take up step {rollout.canary.step + 1} of {len(scene.policy.canary_steps)}"


def _moving(scene: Scene, state: State, desired: DesiredState) -> str | None:
    """Where each of those that take part stands: `2 has 1 of 4 pods available and 25 % of the traffic`."""
    shares = _shares(scene, desired) or dict.fromkeys(
        scene.traffic.reaches, 100
    )  # until a switch is seen, all is where it was
    refs = [ref for ref in (state.candidate, state.stable) if ref and ref.revision]
    said = [
        f"{ref.version} has {scene.facts(ref).available} pods available and {shares.get(ref.revision or '', 0)} %"
        for ref in refs
    ]
    return ", ".join(said) + " of the traffic" if len(said) > 1 else None


def _reachable(scene: Scene, desired: DesiredState) -> int:
    """Available pods that the traffic reaches."""
    return sum(scene.available(revision) for revision in desired.traffic.reaches)


def _shares(scene: Scene, desired: DesiredState) -> dict[str, int]:
    """Percent of the traffic by revision. A Service that spans several gives each pod the same."""
    if scene.route and scene.route.settled:
        return {revision: scene.route.share(revision) for revision in scene.route.weights}
    if scene.route:  # until the gateway has taken up what was written, all is where it was
        return {known.revision: known.share for known in scene.before.revisions}
    if len(desired.traffic.reaches) == 1:
        return dict.fromkeys(desired.traffic.reaches & scene.selected, 100)
    return by_pods({revision: scene.available(revision) for revision in desired.traffic.reaches})


def status_of(
    *, scene: Scene, outcome: Outcome, lineup: Lineup, desired: DesiredState, situation: Situation
) -> ModelDeploymentStatus:
    """The whole status. It is written only when it differs from the one before."""
    owner, generation, state = scene.owner, scene.owner.generation, outcome.state
    host = f"{owner.name}.{owner.namespace}.svc.{scene.platform.cluster_domain}"
    return ModelDeploymentStatus(
        observed_generation=generation,
        phase=phase(situation),
        ready=_ready(scene, state, desired),
        conditions=conditions(situation, scene.before.conditions, generation=generation, now=scene.now),
        stable=state.stable,
        candidate=state.candidate,
        refused=state.refused,
        also_refused=state.also_refused,
        rollout=state.rollout,
        analysis=None if of_rollout(state.rollout) else ended(state.analysis, scene.policy),
        traffic=desired.traffic.targets if state.stable or state.candidate else [],
        revisions=_revisions(scene, state, lineup, desired),
        outage_since=outcome.outage_since,
        requests=state.requests,
        last_number=state.last_number,
        endpoint=Endpoint(http=f"http://{host}:{HTTP_PORT}", grpc=f"{host}:{GRPC_PORT}"),
        replicas=scene.needed if _first_of(state) else 0,
        selector=_selector(scene, state),
    )


def _first_of(state: State) -> RevisionRef | None:
    return next((ref for ref in (state.stable, state.candidate) if ref and ref.revision), None)


def _ready(scene: Scene, state: State, desired: DesiredState) -> str:
    if _first_of(state) is None:
        return "0/0"
    return f"{_reachable(scene, desired)}/{scene.needed}"


def _selector(scene: Scene, state: State) -> str:
    """What the scale subresource counts: the stable revision's pods, or all servers while there is none."""
    base = f"{MODEL_DEPLOYMENT}={scene.owner.name}"
    if state.stable and state.stable.revision:
        return f"{base},{REVISION}={state.stable.revision}"
    return f"{base},{COMPONENT}=server"


def _revisions(scene: Scene, state: State, lineup: Lineup, desired: DesiredState) -> list[RevisionStatus]:
    live = {entry.revision: entry for entry in desired.revisions}
    shares = _shares(scene, desired) if state.stable else {}
    leading = ((state.stable, RevisionState.STABLE), (state.candidate, RevisionState.CANDIDATE))
    shown = [
        described(
            ref,
            live[ref.revision].record,
            state=what,
            replicas=_planned(scene, live[ref.revision]),
            available=scene.facts(ref).available,
            share=shares.get(ref.revision, 0),
        )
        for ref, what in leading
        if ref and ref.revision
    ]
    others = (known.evolve(share=shares.get(known.revision, 0)) for known in lineup.all)
    return [*shown, *others]


def _planned(scene: Scene, desired: DesiredRevision) -> int:
    return shown_count(scene.count(desired.revision), desired.replicas.count, desired.replicas.bounds)
