"""One decision: from what is asked, what is there and what happened before, to what should be done now.

Pure and replayable: the same facts give the same plan, and a plan that was carried out leads to an empty one.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from pydantic import ValidationError

from slipway.api.scalars import duration
from slipway.api.v1alpha1 import ModelDeploymentSpec, ModelDeploymentStatus
from slipway.api.v1alpha1.spec import Rollout, Server
from slipway.api.v1alpha1.status import RevisionRef, RevisionState, RevisionStatus, RolloutStatus, Step
from slipway.core import history
from slipway.core.children.resolve_job import resolve_job
from slipway.core.children.revision import RevisionRecord, controller_revision, render
from slipway.core.converge import Convergence, Goal, Live, converge
from slipway.core.facts import Child, Foreign, Observed, Owner, Rejected
from slipway.core.identity import ask as ask_of
from slipway.core.names import of_resolve_job, of_revision
from slipway.core.plan import Note, Plan
from slipway.core.platform import Platform
from slipway.core.reasons import Finding, Reason, finding
from slipway.core.report import situation_of, status_of
from slipway.core.rollout import machine
from slipway.core.rollout.facts import ResolveFacts
from slipway.core.rollout.machine import Facts, Outcome, State
from slipway.core.scene import Scene
from slipway.core.status import Situation, conditions, phase

DRAIN_AT_LEAST: Final = timedelta(seconds=30)
"""A revision that lost its traffic keeps its pods this long, or requestTimeout if that is longer (design §5)."""

RETIRING_AT_MOST: Final = 8
"""The newest of them: under a requestTimeout of hours, versions may come faster than old ones go."""


def decide(
    *,
    owner: Owner,
    spec: Mapping[str, Any],
    status: Mapping[str, Any] | None,
    observed: Observed,
    platform: Platform,
    now: datetime,
) -> Plan:
    """Decide what to do for one ModelDeployment. Never raises for what a user wrote or an older version stored."""
    now = now.replace(microsecond=0)
    before = _status(status)
    try:
        parsed = ModelDeploymentSpec.model_validate(spec)
    except ValidationError as error:
        return _unreadable(before, error, owner, now)
    ask = ask_of(parsed)
    return _decide(
        Scene(owner=owner, spec=parsed, ask=ask, observed=observed, before=before, platform=platform, now=now)
    )


def _status(raw: Mapping[str, Any] | None) -> ModelDeploymentStatus:
    """What is remembered. Status that cannot be read is none: what the cluster holds then says where things stand."""
    try:
        return ModelDeploymentStatus.model_validate(raw or {})
    except ValidationError:
        return ModelDeploymentStatus()


def _unreadable(before: ModelDeploymentStatus, error: ValidationError, owner: Owner, now: datetime) -> Plan:
    """A spec that this version cannot read. What serves is left exactly as it is."""
    first = error.errors(include_url=False)[0]
    path = ".".join(("spec", *(str(part) for part in first["loc"])))
    found = finding(Reason.SPEC_INVALID, f"{path}: {first['msg']}; correct the field and apply again")
    serving = next((r for r in before.revisions if r.state is RevisionState.STABLE), None)
    situation = Situation(
        serving=serving.version if serving else None,
        available=serving.available if serving else 0,
        wanted=serving.replicas if serving else 0,
        finding=found,
        stalled=True,
    )
    status = before.model_copy(
        update={
            "observed_generation": owner.generation,
            "phase": phase(situation),
            "conditions": conditions(situation, before.conditions, generation=owner.generation, now=now),
        }
    )
    return Plan(status=status, notes=_told(before, found))


def _decide(scene: Scene) -> Plan:
    before = scene.before
    state, settled = machine.promoted(_remembered(scene), scene.serving)
    outcome, record = _recorded(scene, _outage(scene, _first(scene, _step(scene, _retargeted(scene, state)))))
    state = outcome.state
    retiring = _retiring(scene, state)
    goal = _goal(scene, outcome, retiring, record)
    convergence = converge(owner=scene.owner, spec=scene.spec, observed=scene.observed, goal=goal)
    blocked = _conflict(scene.observed.foreign, convergence) or _rejection(scene.observed.rejected)
    situation = situation_of(scene, state, outcome, blocked)
    status = status_of(scene=scene, state=state, retiring=retiring, goal=goal, situation=situation)
    told = _told(before, situation.finding) if not outcome.notes else ()
    wakes = [outcome.wake_at, *(revision.retire_at for revision in retiring)]
    if blocked is None and _goes_on(before.rollout, outcome, convergence):
        wakes.append(scene.now)
    return Plan(
        status=status,
        actions=tuple(convergence.actions),
        notes=(*settled, *outcome.notes, *told),
        wake_at=min((at for at in wakes if at), default=None),
    )


def _first(scene: Scene, outcome: Outcome) -> Outcome:
    """Nothing shifts for a first revision, which the root Service has selected since it was started."""
    if not outcome.shift or outcome.state.stable is not None:
        return outcome
    state, notes = machine.promoted(outcome.state, scene.serving)
    return replace(outcome, state=state, notes=(*outcome.notes, *notes), shift=not notes)


def _outage(scene: Scene, outcome: Outcome) -> Outcome:
    """No pod of what serves is available and nothing is on its way: that too is waited for with a deadline."""
    stable = outcome.state.stable
    if outcome.state.rollout or stable is None or scene.suspended or scene.facts(stable, None).available:
        return outcome
    available = next((c for c in scene.before.conditions if c.type == "Available"), None)
    since = available.last_transition_time if available and available.status == "False" else scene.now
    deadline = since + scene.policy.progress_deadline
    return replace(outcome, stalled=True) if scene.now >= deadline else replace(outcome, wake_at=deadline)


def _goes_on(before: RolloutStatus | None, outcome: Outcome, convergence: Convergence) -> bool:
    """Whether the next step waits for nothing but our own writes, which bring no event."""
    rollout = outcome.state.rollout
    stepped = rollout is not None and (before is None or before.step is not rollout.step)
    permits = outcome.shift or outcome.discard_job or outcome.resolved is not None
    return stepped or (permits and bool(convergence.actions))


def _remembered(scene: Scene) -> State:
    """The machine's state out of status; where status was lost, the revision that serves is taken as stable."""
    before, past = scene.before, scene.past
    # History may hold numbers that status never told: of a revision that was dropped before it started, or lost status.
    others = [entry.number for entry in past if entry.ask != scene.ask]
    state = State(
        stable=before.stable,
        candidate=before.candidate,
        refused=before.refused,
        rollout=before.rollout,
        last_number=max(before.last_number, *others, 0),
    )
    serving = scene.serving
    if state.stable or state.rollout or state.refused or serving is None:
        return state
    record = history.record_of(scene.observed, scene.owner, serving)
    if record is None and scene.deployment(serving) is None:
        return state
    number = next((e.number for e in past if e.revision == serving), state.last_number + 1)
    # Of what cannot be read nothing is known but that it serves: it stays until what is asked can take over.
    ask, version = (record.ask, record.version) if record else ("", "unknown")
    stable = RevisionRef(revision=serving, ask=ask, number=number, version=version)
    return replace(state, stable=stable, last_number=max(state.last_number, number))


def _retargeted(scene: Scene, state: State) -> State:
    held = {ref.revision for ref in (state.stable, state.candidate) if ref and ref.revision}
    lost = {revision for revision in held if history.is_lost(scene.observed, scene.owner, revision)}
    return machine.retarget(state, ask=scene.ask, version=scene.spec.model.version, now=scene.now, lost=lost)


def _retiring(scene: Scene, state: State) -> list[RevisionStatus]:
    """Revisions that lost their traffic and keep their pods until connections to them have ended. `state` is the one
    after the step, which may have taken one of them as candidate."""
    taken = {ref.revision for ref in (state.stable, state.candidate) if ref}
    drain = max(DRAIN_AT_LEAST, duration((scene.spec.server or Server()).request_timeout))
    found = []
    for revision in scene.before.revisions:
        if revision.revision in taken or revision.state is RevisionState.CANDIDATE:
            continue
        retire_at = revision.retire_at or scene.now + drain
        if retire_at > scene.now:
            available = scene.facts(revision, None).available
            update = {"state": RevisionState.RETIRING, "retire_at": retire_at, "share": 0, "available": available}
            found.append(revision.model_copy(update=update))
    return sorted(found, key=lambda revision: revision.number)[-RETIRING_AT_MOST:]


def _step(scene: Scene, state: State) -> Outcome:
    candidate, stable = state.candidate, state.stable.revision if state.stable else None
    if candidate is None or state.rollout is None:
        return Outcome(state=state)
    if candidate.revision and scene.suspended:
        return Outcome(state=state if state.rollout.step is Step.STARTING else machine.rested(state, scene.now))
    if candidate.revision and scene.count_before(candidate.revision) == 0:
        state = machine.rested(state, scene.now)
    known = None
    if candidate.revision is None:
        entry = history.newest_of(scene.past, scene.ask)
        known = entry.revision if entry else None
    facts = Facts(
        version=candidate.version,
        resolve=ResolveFacts.gather(scene.observed, owner=scene.owner, ask=scene.ask),
        candidate=scene.facts(candidate, stable) if candidate.revision else None,
        known=known,
    )
    return machine.step(state, facts, scene.policy, scene.now)


def _recorded(scene: Scene, outcome: Outcome) -> tuple[Outcome, RevisionRecord | None]:
    """The revision made of a source that was just resolved. It is stored first; the next pass finds it in history and
    starts it, so that status never names a revision that a cut between two writes has lost."""
    if outcome.resolved is None:
        return outcome, None
    try:
        record = render(
            owner=scene.owner, spec=scene.spec, ask=scene.ask, resolved=outcome.resolved, platform=scene.platform
        )
    except ValueError as error:
        return replace(outcome, finding=finding(Reason.SPEC_INVALID, str(error)), stalled=True), None
    return outcome, record


def _goal(scene: Scene, outcome: Outcome, retiring: Sequence[RevisionStatus], made: RevisionRecord | None) -> Goal:
    state = outcome.state
    stable, candidate = state.stable, state.candidate
    live = [_retired(scene, revision) for revision in retiring]
    if stable and stable.revision:
        live.append(_live(scene, stable, stable.revision, serves=True))
    if candidate and candidate.revision:
        live.append(_live(scene, candidate, stable.revision if stable else None, serves=False))
    leads = candidate if outcome.shift or stable is None else stable
    root = leads.revision if leads else None
    in_use = {entry.revision for entry in live}
    job = None
    if outcome.resolve:
        job = resolve_job(
            owner=scene.owner,
            spec=scene.spec,
            ask=scene.ask,
            platform=scene.platform,
            deadline=scene.policy.fetch_timeout,
        )
    return Goal(
        live=live,
        root=root or scene.serving,
        root_unsure=_takes_back(scene.before, root),
        job=job,
        made=controller_revision(made, owner=scene.owner, number=state.last_number + 1) if made else None,
        discard=(*_jobs_to_discard(scene, outcome), *_surplus(scene, in_use)),
    )


def _takes_back(before: ModelDeploymentStatus, root: str | None) -> bool:
    """Whether the traffic was on its way to a candidate that it no longer goes to."""
    shifting = before.rollout is not None and before.rollout.step is Step.SHIFTING
    return shifting and before.candidate is not None and before.candidate.revision != root


def _live(scene: Scene, ref: RevisionRef, stable: str | None, *, serves: bool) -> Live:
    revision = ref.revision or ""
    scaling = scene.spec.autoscaling
    replicas = scene.wanted(revision, stable)
    most = scaling.max_replicas if scaling else replicas
    return Live(
        revision=revision,
        number=ref.number or 1,
        record=history.record_of(scene.observed, scene.owner, revision),
        replicas=replicas,
        autoscaled=serves and scaling is not None and not scene.suspended,
        guarded=serves and not scene.suspended and most > 1,
    )


def _retired(scene: Scene, revision: RevisionStatus) -> Live:
    return Live(
        revision=revision.revision,
        number=revision.number,
        record=history.record_of(scene.observed, scene.owner, revision.revision),
        replicas=scene.count(revision.revision),
    )


def _jobs_to_discard(scene: Scene, outcome: Outcome) -> tuple[Child, ...]:
    """The Job of a failed try, and those of asks that nobody asks any more. One that succeeded goes by its own TTL."""
    current = of_resolve_job(scene.owner.name, scene.ask)
    return tuple(
        child
        for (kind, name), child in scene.observed.children.items()
        if kind == "Job" and child.owner_uid == scene.owner.uid and (name != current or outcome.discard_job)
    )


def _surplus(scene: Scene, in_use: set[str]) -> Iterator[Child]:
    """History beyond its limit."""
    limit = (scene.spec.rollout or Rollout()).history_limit
    for revision in history.surplus(scene.past, in_use=in_use, limit=limit):
        if child := scene.observed.child("ControllerRevision", of_revision(scene.owner.name, revision)):
            yield child


def _conflict(known: Sequence[Foreign], convergence: Convergence) -> Finding | None:
    first = next(iter((*known, *convergence.conflicts)), None)
    if first is None:
        return None
    message = (
        f"{first.kind} {first.name} exists and is not ours (owner: {first.owned_by}): rename it or this ModelDeployment"
    )
    return finding(Reason.NAME_CONFLICT, message)


def _rejection(rejected: Sequence[Rejected]) -> Finding | None:
    first = next(iter(rejected), None)
    if first is None:
        return None
    message = f"the API server refuses {first.kind} {first.name}: {first.message}; correct the field in the spec"
    return finding(Reason.SPEC_INVALID, message)


def _told(before: ModelDeploymentStatus, found: Finding | None) -> tuple[Note, ...]:
    """An Event when a finding is new; the condition goes on saying it."""
    if found is None:
        return ()
    known = {condition.reason for condition in before.conditions if condition.type == "Ready"}
    return () if str(found.reason) in known else (Note(reason=found.reason, message=found.message, warning=True),)
