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
from slipway.core.desired.guarded_route import guard_of
from slipway.core.desired.history import spec_of
from slipway.core.desired.objects import DesiredState
from slipway.core.desired.routing import traffic_of
from slipway.core.desired.state import desired_state
from slipway.core.diff import Changes, diff
from slipway.core.identity import ask as ask_of
from slipway.core.looks.due import looks_of, wakes_at
from slipway.core.names import of_revision
from slipway.core.observed.blocked_writes import blocked_write, hindered, told_at
from slipway.core.observed.objects import Observed
from slipway.core.owner import Owner
from slipway.core.plan import Action, Apply, Delete, Note, Plan, Scale, place_of
from slipway.core.platform import Platform
from slipway.core.reasons import About, Reason, finding
from slipway.core.rollout import machine, refusals, requests
from slipway.core.rollout.allocation import standing_still
from slipway.core.rollout.clocks import bounded
from slipway.core.rollout.inputs import facts_of
from slipway.core.rollout.recovery import HEARD_WITHIN, is_fresh, remembered, retargeted
from slipway.core.rollout.roles import cut_off, drain_time, roles_of
from slipway.core.rollout.state import Facts, Outcome, State
from slipway.core.rollout.target import rested
from slipway.core.rollout.unreadable import unreadable
from slipway.core.snapshot import Snapshot
from slipway.core.status.compose import status_of
from slipway.core.status.conditions import conditions, phase
from slipway.core.status.summary import Summary, summary_of
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
    return _decide(Snapshot(owner=owner, spec=parsed, ask=ask, observed=seen, before=known, platform=platform, now=now))


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


def _decide(snapshot: Snapshot) -> Plan:
    before = snapshot.before
    outcome, record = _recorded(
        snapshot, _outage(snapshot, _step(snapshot, retargeted(snapshot, remembered(snapshot))))
    )
    outcome = _counted(snapshot, outcome)
    state = outcome.state
    roles = roles_of(snapshot, state, traffic=traffic_of(snapshot, outcome), ends_standby=outcome.ends_standby)
    desired = desired_state(snapshot, outcome, roles, record)
    changes = diff(desired, snapshot.observed, snapshot.owner)
    blocked = blocked_write(snapshot.observed, snapshot.now, changes.conflicts) or unreadable(snapshot, state)
    summary = summary_of(snapshot, outcome, desired, blocked)
    told = _told(before, summary) if not outcome.notes else ()
    state = _having_told(state, told)
    status = status_of(
        snapshot=snapshot, outcome=replace(outcome, state=state), roles=roles, desired=desired, summary=summary
    )
    cut = tuple(_cut(snapshot, known) for known in cut_off(snapshot, roles))
    looks = looks_of(snapshot, state, roles)
    routed_at = snapshot.route.wait.until if snapshot.route else None
    wakes = [outcome.wait.until, roles.ends_at, routed_at, snapshot.policies.wait.until, wakes_at(looks, snapshot.now)]
    if is_fresh(snapshot) and before.rollout and any(each.record is None for each in desired.revisions):
        wakes.append(before.rollout.phase_started_at + HEARD_WITHIN)
    wakes += told_at(snapshot.observed, snapshot.now, snapshot.policy.progress_deadline)
    if blocked is None and _goes_on(snapshot, outcome, _unhindered(snapshot, changes)):
        wakes.append(snapshot.now)
    return Plan(
        status=status,
        actions=tuple(changes.actions),
        notes=(*outcome.notes, *told, *cut),
        relies_on=_relied_on(snapshot, desired, changes) if state.stable else {},
        relies_on_guards=_guards_relied_on(snapshot, changes),
        looks=looks,
        wake_at=min((at for at in wakes if at), default=None),
    )


def _outage(snapshot: Snapshot, outcome: Outcome) -> Outcome:
    """No pod of what serves is available and nothing is on its way: that too is waited for with a deadline."""
    stable, rollout = outcome.state.stable, outcome.state.rollout
    moving = rollout is not None and rollout.phase is not RolloutPhase.SOAKING
    if moving or stable is None or snapshot.suspended:
        return outcome
    if snapshot.facts(stable).available:
        return _unroutable(snapshot, outcome)
    since = snapshot.before.outage_since if snapshot.before.outage_since and not snapshot.slept else snapshot.now
    return _patient(snapshot, replace(outcome, outage_since=since), since)


def _unroutable(snapshot: Snapshot, outcome: Outcome) -> Outcome:
    """It serves, and no gateway takes its route."""
    if snapshot.route is None or snapshot.route.wait.finding is None:
        return outcome
    ready = next((c for c in snapshot.before.conditions if c.type == "Ready"), None)
    since = ready.last_transition_time if ready and ready.status == "False" and not snapshot.slept else snapshot.now
    return _patient(snapshot, outcome, since)


def _patient(snapshot: Snapshot, outcome: Outcome, since: datetime) -> Outcome:
    deadline = since + snapshot.policy.progress_deadline
    patience = Wait(until=deadline) if snapshot.now < deadline else Wait(stalled=True)
    return replace(outcome, wait=outcome.wait | patience)


def _unhindered(snapshot: Snapshot, changes: Changes) -> list[Action]:
    """The actions that will be carried out: no other can be what the next step waits for."""
    places = hindered(snapshot.observed)
    return [action for action in changes.actions if place_of(action) not in places]


def _goes_on(snapshot: Snapshot, outcome: Outcome, actions: Sequence[Action]) -> bool:
    """Whether the next step waits for nothing but our own writes, which bring no event."""
    before, rollout = snapshot.before.rollout, outcome.state.rollout
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
        or _moves_traffic(snapshot, outcome, actions)
        or _writes_route(actions)
    )


def _relied_on(snapshot: Snapshot, desired: DesiredState, changes: Changes) -> dict[str, int]:
    """What makes it right to take capacity or traffic away: the pods that the traffic reaches afterwards."""
    named = {of_revision(snapshot.owner.name, each.revision): each for each in desired.revisions}
    counts = {name: snapshot.count(each.revision) for name, each in named.items()}
    takes = any(_lowers(action, counts) for action in changes.actions)
    service = desired.traffic.service or snapshot.selected
    moves = snapshot.selected != service or (snapshot.route and not snapshot.route.splits_by(desired.weights))
    if not (takes or moves):
        return {}
    left = {name: each for name, each in named.items() if each.revision in desired.traffic.reaches}
    relied = {name: min(snapshot.available(each.revision), each.replicas.count) for name, each in left.items()}
    return {name: available for name, available in relied.items() if available}


def _guards_relied_on(snapshot: Snapshot, changes: Changes) -> dict[tuple[str, str], str]:
    """What makes it right to open a route: the guard that was seen in force."""
    routes = (a.manifest for a in changes.actions if isinstance(a, Apply) and a.manifest["kind"] == ROUTE)
    relied = (guard_of(snapshot.policies, route, snapshot.observed, snapshot.owner) for route in routes)
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


def _moves_traffic(snapshot: Snapshot, outcome: Outcome, actions: Sequence[Action]) -> bool:
    """Whether the root Service is written anew for what was decided: the next step follows from it."""
    roots = (a for a in actions if isinstance(a, Apply) and a.manifest["kind"] == "Service")
    written = [a for a in roots if a.manifest["metadata"]["name"] == snapshot.owner.name]
    to_come = outcome.state.stable is None and not any(map(snapshot.available, snapshot.deployed))
    return any(not apply.first or not to_come for apply in written)


def _step(snapshot: Snapshot, state: State) -> Outcome:
    text = snapshot.owner.request
    if not text:
        state = replace(state, requests=requests.withdrawn(state.requests))
    facts = facts_of(snapshot, state)
    if text and requests.is_new(text, state.requests):
        return _asked(snapshot, state, facts, text)
    return _stepped(snapshot, state, facts)


def _asked(snapshot: Snapshot, state: State, facts: Facts, text: str) -> Outcome:
    """Somebody asks for something: latched in status before it has any effect, and told."""
    try:
        answer = requests.carry_out(state, requests.Request.parse(text), facts, snapshot.policy, snapshot.now)
    except ValueError as error:
        answer = requests.Answer(state=state, outcome=str(error), done=False)
    heard = requests.remembered(state.requests, text, answer.outcome, snapshot.now)
    state = replace(answer.state, requests=heard)
    facts = facts_of(snapshot, state)
    if answer.send_home is None:
        outcome = _stepped(snapshot, state, facts)
    elif state.candidate:
        outcome = machine.refuse(state, answer.send_home, facts, snapshot.now)
    else:
        outcome = machine.sent_home(state, answer.send_home, facts, snapshot.now)
    reason = Reason.REQUEST_DONE if answer.done else Reason.REQUEST_IGNORED
    note = Note(reason=reason, message=f"{requests.shortened(text)}: {answer.outcome}", warning=not answer.done)
    wait = outcome.wait | Wait(until=snapshot.now)
    return replace(outcome, notes=(note, *outcome.notes), ends_standby=answer.ends_standby, wait=wait)


def _stepped(snapshot: Snapshot, state: State, facts: Facts) -> Outcome:
    candidate, rollout = state.candidate, state.rollout
    if candidate and candidate.revision and rollout:
        if snapshot.suspended and rollout.phase is not RolloutPhase.ROLLING_BACK:
            state = state if rollout.phase is RolloutPhase.STARTING else rested(state, snapshot.now)
            return Outcome(state=state, allocation=standing_still(state, facts))
        if rollout.phase is not RolloutPhase.ROLLING_BACK and snapshot.slept:
            state = rested(state, snapshot.now)
    outcome = machine.step(state, facts, snapshot.policy, snapshot.now)
    if not (candidate and candidate.revision) and outcome.state.candidate and outcome.state.candidate.revision:
        # Its revision is known: nothing has to be waited for before its pods may come.
        onward = _stepped(snapshot, outcome.state, facts_of(snapshot, outcome.state))
        return replace(onward, notes=(*outcome.notes, *onward.notes))
    return outcome


def _recorded(snapshot: Snapshot, outcome: Outcome) -> tuple[Outcome, RevisionRecord | None]:
    """The revision made of a source that was just resolved. It is stored first; the next pass finds it in history and
    starts it, so that status never names a revision that a cut between two writes has lost."""
    if outcome.resolved is None:
        return outcome, None
    rollout, candidate = outcome.state.rollout, outcome.state.candidate
    ask = candidate.ask if candidate else snapshot.ask  # of a restart while the manifest is refused: what serves
    try:
        record = render(
            owner=snapshot.owner,
            spec=_spec_of(snapshot, ask),
            ask=ask,
            resolved=outcome.resolved,
            platform=snapshot.platform,
            restart=rollout.command.restart if rollout else None,
        )
    except ValueError as error:
        return replace(outcome, wait=Wait(finding=finding(Reason.SPEC_INVALID, str(error)), stalled=True)), None
    return outcome, record


def _spec_of(snapshot: Snapshot, ask: str) -> ModelDeploymentSpec:
    spec = spec_of(snapshot, ask)
    if spec is None:
        raise ValueError("history does not say any more how this version was asked for: ask for it in the manifest")
    return spec


def _counted(snapshot: Snapshot, outcome: Outcome) -> Outcome:
    """Under an autoscaler the count that carries the load is remembered for as long as versions change."""
    rollout = outcome.state.rollout
    if rollout is None:
        return outcome
    carried = snapshot.needed if snapshot.changes(rollout) else None
    if snapshot.suspended or rollout.desired_replicas == carried:
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


def _cut(snapshot: Snapshot, known: RevisionStatus) -> Note:
    longest = int(2 * drain_time(snapshot).total_seconds())
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
