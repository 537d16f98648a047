"""One decision: from what is asked, what is there and what happened before, to what should be done now.

Pure and replayable: the same facts give the same plan, and a plan that was carried out leads to an empty one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from pydantic import ValidationError

from slipway.api.v1alpha1 import ModelDeploymentSpec, ModelDeploymentStatus
from slipway.api.v1alpha1.status import RevisionState, RevisionStatus, RolloutPhase
from slipway.core.children.revision import RevisionRecord, render
from slipway.core.children.route import ROUTE, ROUTES
from slipway.core.clocks import bounded
from slipway.core.desired.history import spec_of
from slipway.core.desired.objects import DesiredState
from slipway.core.desired.routing import traffic_of
from slipway.core.desired.state import desired_state
from slipway.core.diff import Changes, diff
from slipway.core.facts import Observed, Owner
from slipway.core.hindrance import hindered, hindrance, told_at, unreadable
from slipway.core.identity import ask as ask_of
from slipway.core.lineup import cut_off, drain_time, line_up
from slipway.core.looks import looks_of, wakes_at
from slipway.core.names import of_revision
from slipway.core.plan import Action, Apply, Delete, Note, Plan, Scale, place_of
from slipway.core.platform import Platform
from slipway.core.reasons import About, Reason, finding
from slipway.core.recall import HEARD_WITHIN, is_fresh, remembered, retargeted
from slipway.core.rollout import machine, refusals, requests
from slipway.core.rollout.allocation import standing_still
from slipway.core.rollout.state import Facts, Outcome, State
from slipway.core.rollout.target import rested
from slipway.core.scene import Scene
from slipway.core.sight import facts_of
from slipway.core.status.compose import status_of
from slipway.core.status.conditions import conditions, phase
from slipway.core.status.summary import Summary, summary_of
from slipway.core.traffic_policy import guard_of
from slipway.core.wait import Wait


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
    before = ModelDeploymentStatus.of_readable(status or {})  # for the rest: recall.py, and what the cluster holds
    try:
        parsed = ModelDeploymentSpec.model_validate(spec)
    except ValidationError as error:
        return _unreadable(before, error, owner, now)
    ask = ask_of(parsed)
    seen, known = observed.adopted(owner), bounded(before, parsed, now)
    return _decide(Scene(owner=owner, spec=parsed, ask=ask, observed=seen, before=known, platform=platform, now=now))


def _unreadable(before: ModelDeploymentStatus, error: ValidationError, owner: Owner, now: datetime) -> Plan:
    """A spec that this version cannot read. What serves is left exactly as it is."""
    first = error.errors(include_url=False)[0]
    path = ".".join(("spec", *(str(part) for part in first["loc"])))
    found = finding(Reason.SPEC_INVALID, f"{path}: {first['msg']}; correct the field and apply again")
    serving = next((r for r in before.revisions if r.state is RevisionState.STABLE), None)
    summary = Summary(
        serving=serving.version if serving else None,
        available=serving.available if serving else 0,
        wanted=serving.replicas if serving else 0,
        finding=found,
        stalled=True,
    )
    status = before.evolve(
        observed_generation=owner.generation,
        phase=phase(summary),
        conditions=conditions(summary, before.conditions, generation=owner.generation, now=now),
    )
    return Plan(status=status, notes=_told(before, summary))


def _decide(scene: Scene) -> Plan:
    before = scene.before
    outcome, record = _recorded(scene, _outage(scene, _step(scene, retargeted(scene, remembered(scene)))))
    outcome = _counted(scene, outcome)
    state = outcome.state
    lineup = line_up(scene, state, traffic=traffic_of(scene, outcome), ends_standby=outcome.ends_standby)
    desired = desired_state(scene, outcome, lineup, record)
    changes = diff(desired, scene.observed, scene.owner)
    blocked = hindrance(scene.observed, scene.now, changes.conflicts) or unreadable(scene, state)
    summary = summary_of(scene, outcome, desired, blocked)
    told = _told(before, summary) if not outcome.notes else ()
    state = _having_told(state, told)
    status = status_of(
        scene=scene, outcome=replace(outcome, state=state), lineup=lineup, desired=desired, summary=summary
    )
    cut = tuple(_cut(scene, known) for known in cut_off(scene, lineup))
    looks = looks_of(scene, state, lineup)
    routed_at = scene.route.wait.until if scene.route else None
    wakes = [outcome.wait.until, lineup.ends_at, routed_at, scene.policies.wait.until, wakes_at(looks, scene.now)]
    if is_fresh(scene) and before.rollout and any(each.record is None for each in desired.revisions):
        wakes.append(before.rollout.phase_started_at + HEARD_WITHIN)
    wakes += told_at(scene.observed, scene.now, scene.policy.progress_deadline)
    if blocked is None and _goes_on(scene, outcome, _unhindered(scene, changes)):
        wakes.append(scene.now)
    return Plan(
        status=status,
        actions=tuple(changes.actions),
        notes=(*outcome.notes, *told, *cut),
        relies_on=_relied_on(scene, desired, changes) if state.stable else {},
        relies_on_guards=_guards_relied_on(scene, changes),
        looks=looks,
        wake_at=min((at for at in wakes if at), default=None),
    )


def _outage(scene: Scene, outcome: Outcome) -> Outcome:
    """No pod of what serves is available and nothing is on its way: that too is waited for with a deadline."""
    stable, rollout = outcome.state.stable, outcome.state.rollout
    moving = rollout is not None and rollout.phase is not RolloutPhase.SOAKING
    if moving or stable is None or scene.suspended:
        return outcome
    if scene.facts(stable).available:
        return _unroutable(scene, outcome)
    since = scene.before.outage_since if scene.before.outage_since and not scene.slept else scene.now
    return _patient(scene, replace(outcome, outage_since=since), since)


def _unroutable(scene: Scene, outcome: Outcome) -> Outcome:
    """It serves, and no gateway takes its route."""
    if scene.route is None or scene.route.wait.finding is None:
        return outcome
    ready = next((c for c in scene.before.conditions if c.type == "Ready"), None)
    since = ready.last_transition_time if ready and ready.status == "False" and not scene.slept else scene.now
    return _patient(scene, outcome, since)


def _patient(scene: Scene, outcome: Outcome, since: datetime) -> Outcome:
    deadline = since + scene.policy.progress_deadline
    patience = Wait(until=deadline) if scene.now < deadline else Wait(stalled=True)
    return replace(outcome, wait=outcome.wait | patience)


def _unhindered(scene: Scene, changes: Changes) -> list[Action]:
    """The actions that will be carried out: no other can be what the next step waits for."""
    places = hindered(scene.observed)
    return [action for action in changes.actions if place_of(action) not in places]


def _goes_on(scene: Scene, outcome: Outcome, actions: Sequence[Action]) -> bool:
    """Whether the next step waits for nothing but our own writes, which bring no event."""
    before, rollout = scene.before.rollout, outcome.state.rollout
    stepped = rollout is not None and (before is None or before.phase is not rollout.phase)
    ended = before is not None and rollout is None  # from here on an autoscaler's own count is the one that counts
    verified = rollout is not None and bool(rollout.strategy.bundles_verified)
    proved = verified and not (before and before.strategy.bundles_verified)
    dropped = rollout is not None and any(isinstance(a, Delete) and a.kind == "Deployment" for a in actions)
    forgets = bool(refusals.to_forget(outcome.state.also_refused))
    permits = bool(outcome.discard) or outcome.resolved is not None or dropped
    return (
        stepped
        or ended
        or proved
        or ((permits or forgets) and bool(actions))
        or _moves_traffic(scene, outcome, actions)
        or _writes_route(actions)
    )


def _relied_on(scene: Scene, desired: DesiredState, changes: Changes) -> dict[str, int]:
    """What makes it right to take capacity or traffic away: the pods that the traffic reaches afterwards."""
    named = {of_revision(scene.owner.name, each.revision): each for each in desired.revisions}
    counts = {name: scene.count(each.revision) for name, each in named.items()}
    takes = any(_lowers(action, counts) for action in changes.actions)
    service = desired.traffic.service or scene.selected
    moves = scene.selected != service or (scene.route and not scene.route.splits_by(desired.weights))
    if not (takes or moves):
        return {}
    left = {name: each for name, each in named.items() if each.revision in desired.traffic.reaches}
    relied = {name: min(scene.available(each.revision), each.replicas.count) for name, each in left.items()}
    return {name: available for name, available in relied.items() if available}


def _guards_relied_on(scene: Scene, changes: Changes) -> dict[tuple[str, str], str]:
    """What makes it right to open a route: the guard that was seen in force."""
    routes = (a.manifest for a in changes.actions if isinstance(a, Apply) and a.manifest["kind"] == ROUTE)
    relied = (guard_of(scene.policies, route, scene.observed, scene.owner) for route in routes)
    return {(guard.kind, guard.name): guard.resource_version for guard in relied if guard}


def _lowers(action: Action, counts: Mapping[str, int]) -> bool:
    """Whether a write takes pods from a revision."""
    match action:
        case (
            Scale(name=name, replicas=replicas)
            | Apply(manifest={"kind": "Deployment", "metadata": {"name": name}, "spec": {"replicas": int(replicas)}})
        ):
            return replicas < counts.get(name, 0)
    return False


def _writes_route(actions: Sequence[Action]) -> bool:
    """What a gateway had said of a route is no longer said of it, and its silence will count; a new one is an owner of
    what guards it."""
    return any(isinstance(a, Apply) and a.manifest["kind"] in ROUTES for a in actions)


def _moves_traffic(scene: Scene, outcome: Outcome, actions: Sequence[Action]) -> bool:
    """Whether the root Service is written anew for what was decided: the next step follows from it."""
    roots = (a for a in actions if isinstance(a, Apply) and a.manifest["kind"] == "Service")
    written = [a for a in roots if a.manifest["metadata"]["name"] == scene.owner.name]
    to_come = outcome.state.stable is None and not any(map(scene.available, scene.deployed))
    return any(not apply.first or not to_come for apply in written)


def _step(scene: Scene, state: State) -> Outcome:
    text = scene.owner.request
    if not text:
        state = replace(state, requests=requests.withdrawn(state.requests))
    facts = facts_of(scene, state)
    if text and requests.is_new(text, state.requests):
        return _asked(scene, state, facts, text)
    return _stepped(scene, state, facts)


def _asked(scene: Scene, state: State, facts: Facts, text: str) -> Outcome:
    """Somebody asks for something: latched in status before it has any effect, and told."""
    try:
        answer = requests.carry_out(state, requests.Request.parse(text), facts, scene.policy, scene.now)
    except ValueError as error:
        answer = requests.Answer(state=state, outcome=str(error), done=False)
    heard = requests.remembered(state.requests, text, answer.outcome, scene.now)
    state = replace(answer.state, requests=heard)
    facts = facts_of(scene, state)
    if answer.send_home is None:
        outcome = _stepped(scene, state, facts)
    elif state.candidate:
        outcome = machine.refuse(state, answer.send_home, facts, scene.now)
    else:
        outcome = machine.sent_home(state, answer.send_home, facts, scene.now)
    reason = Reason.REQUEST_DONE if answer.done else Reason.REQUEST_IGNORED
    note = Note(reason=reason, message=f"{requests.shortened(text)}: {answer.outcome}", warning=not answer.done)
    wait = outcome.wait | Wait(until=scene.now)
    return replace(outcome, notes=(note, *outcome.notes), ends_standby=answer.ends_standby, wait=wait)


def _stepped(scene: Scene, state: State, facts: Facts) -> Outcome:
    candidate, rollout = state.candidate, state.rollout
    if candidate and candidate.revision and rollout:
        if scene.suspended and rollout.phase is not RolloutPhase.ROLLING_BACK:
            state = state if rollout.phase is RolloutPhase.STARTING else rested(state, scene.now)
            return Outcome(state=state, allocation=standing_still(state, facts))
        if rollout.phase is not RolloutPhase.ROLLING_BACK and scene.slept:
            state = rested(state, scene.now)
    outcome = machine.step(state, facts, scene.policy, scene.now)
    if not (candidate and candidate.revision) and outcome.state.candidate and outcome.state.candidate.revision:
        # Its revision is known: nothing has to be waited for before its pods may come.
        onward = _stepped(scene, outcome.state, facts_of(scene, outcome.state))
        return replace(onward, notes=(*outcome.notes, *onward.notes))
    return outcome


def _recorded(scene: Scene, outcome: Outcome) -> tuple[Outcome, RevisionRecord | None]:
    """The revision made of a source that was just resolved. It is stored first; the next pass finds it in history and
    starts it, so that status never names a revision that a cut between two writes has lost."""
    if outcome.resolved is None:
        return outcome, None
    rollout, candidate = outcome.state.rollout, outcome.state.candidate
    ask = candidate.ask if candidate else scene.ask  # of a restart while the manifest is refused: what serves
    try:
        record = render(
            owner=scene.owner,
            spec=_spec_of(scene, ask),
            ask=ask,
            resolved=outcome.resolved,
            platform=scene.platform,
            restart=rollout.command.restart if rollout else None,
        )
    except ValueError as error:
        return replace(outcome, wait=Wait(finding=finding(Reason.SPEC_INVALID, str(error)), stalled=True)), None
    return outcome, record


def _spec_of(scene: Scene, ask: str) -> ModelDeploymentSpec:
    spec = spec_of(scene, ask)
    if spec is None:
        raise ValueError("history does not say any more how this version was asked for: ask for it in the manifest")
    return spec


def _counted(scene: Scene, outcome: Outcome) -> Outcome:
    """Under an autoscaler the count that carries the load is remembered for as long as versions change."""
    rollout = outcome.state.rollout
    if rollout is None:
        return outcome
    carried = scene.needed if scene.changes(rollout) else None
    if scene.suspended or rollout.desired_replicas == carried:
        return outcome
    return replace(outcome, state=replace(outcome.state, rollout=rollout.evolve(desired_replicas=carried)))


def _told(before: ModelDeploymentStatus, summary: Summary) -> tuple[Note, ...]:
    """An Event when a finding is new; the condition goes on saying it. What may yet prove to be a version's own fault
    is told when it is refused for it."""
    found = summary.finding
    on_its_way = summary.candidate is not None and not summary.stalled
    if found is None or (found.about is About.REVISION and on_its_way):
        return ()
    known = {condition.reason for condition in before.conditions if condition.type == "Ready"}
    known |= set(before.rollout.reported_reasons) if before.rollout else set()
    warns = found.reason not in _NO_WARNING
    return () if str(found.reason) in known else (Note(reason=found.reason, message=found.message, warning=warns),)


_NO_WARNING: Final = frozenset(
    {Reason.PROVING, Reason.DRAINING, Reason.PAUSED, Reason.ANALYSIS_RUNNING, Reason.POD_NOT_READY}
)
"""What goes by in most rollouts that have it."""


def _cut(scene: Scene, known: RevisionStatus) -> Note:
    longest = int(2 * drain_time(scene).total_seconds())
    message = (
        f"{known.version} (revision {known.revision}): its pods go although requests still reach them, {longest} s "
        "after its traffic moved: a client keeps its connection for longer, or a proxy has not followed"
    )
    return Note(reason=Reason.DRAINING, message=message, warning=True)


def _having_told(state: State, told: Sequence[Note]) -> State:
    """Reasons may come and go in turns: each is told once in a rollout."""
    if state.rollout is None or not told:
        return state
    reasons = [*state.rollout.reported_reasons, *(str(note.reason) for note in told)][:32]
    return replace(state, rollout=state.rollout.evolve(reported_reasons=reasons))
