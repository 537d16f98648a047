"""One turn of the rollout: what somebody asks for by annotation, then one step of the machine.

An abort or a rollback speaks of the rollout that ran when somebody wrote it. Where an edit in the same write has
replaced that one, it is sent home all the same, and then what the edit asks for begins.
"""

from dataclasses import replace

from slipway.api.v1alpha1.status import RolloutPhase
from slipway.core.plan import Note
from slipway.core.reasons import Finding, Reason
from slipway.core.rollout import machine, requests
from slipway.core.rollout.allocation import standing_still
from slipway.core.rollout.inputs import facts_of
from slipway.core.rollout.outage import with_outage
from slipway.core.rollout.recovery import remembered, retargeted
from slipway.core.rollout.state import Facts, Outcome, State
from slipway.core.rollout.target import rested, still_going_back
from slipway.core.snapshot import Snapshot
from slipway.core.wait import Wait


def outcome_of(snapshot: Snapshot) -> Outcome:
    """What the rollout decides, from what status remembers and what is asked for now."""
    outcome = with_outage(snapshot, _step(snapshot, remembered(snapshot)))
    if problem := outcome.wait.finding:
        said = requests.in_new_words(problem, outcome.state.requests)
        outcome = replace(outcome, wait=replace(outcome.wait, finding=said))
    return _counted(snapshot, _handing_back(snapshot, outcome))


def _step(snapshot: Snapshot, before: State) -> Outcome:
    text, state = snapshot.owner.request, retargeted(snapshot, before)
    if not text:
        state = replace(state, requests=requests.withdrawn(state.requests))
    if text and requests.is_new(text, state.requests):
        return _asked(snapshot, before, state, text)
    return _stepped(snapshot, state, facts_of(snapshot, state))


def _asked(snapshot: Snapshot, before: State, state: State, text: str) -> Outcome:
    """Somebody asks for something: latched in status before it has any effect, and told."""
    try:
        answer, outcome = _carried_out(snapshot, before, state, requests.Request.parse(text))
    except ValueError as error:
        answer = requests.Answer(state=state, outcome=str(error), done=False)
        outcome = _stepped(snapshot, state, facts_of(snapshot, state))
    answered = requests.remembered(state.requests, text, answer.outcome, snapshot.now)
    reason = Reason.REQUEST_DONE if answer.done else Reason.REQUEST_IGNORED
    note = Note(reason=reason, message=f"{requests.shortened(text)}: {answer.outcome}", warning=not answer.done)
    return replace(
        outcome,
        state=replace(outcome.state, requests=answered),
        notes=(note, *outcome.notes),
        ends_standby=answer.ends_standby,
        wait=outcome.wait | Wait(until=snapshot.now),
    )


def _carried_out(
    snapshot: Snapshot, before: State, state: State, request: requests.Request
) -> tuple[requests.Answer, Outcome]:
    """What a request leads to, and the step that follows."""
    answer = _answer(snapshot, state, request)
    if answer.send_home:
        return answer, _sent_home(snapshot, answer.state, answer.send_home)
    replaced = _answer(snapshot, before, request) if not answer.done and before.rollout else answer
    if replaced.send_home is None:
        return answer, _stepped(snapshot, answer.state, facts_of(snapshot, answer.state))
    gone = _sent_home(snapshot, replaced.state, replaced.send_home)
    onward = retargeted(snapshot, gone.state)
    outcome = _stepped(snapshot, onward, facts_of(snapshot, onward))
    reported = replace(replaced, outcome=f"{replaced.outcome}{_what_begins(gone.state, onward)}")
    return reported, replace(outcome, notes=(*gone.notes, *outcome.notes))


def _what_begins(gone: State, onward: State) -> str:
    """In words, the candidate of the edit beside a request; nothing where what was sent home holds that back."""
    begins = onward.candidate if onward.candidate != gone.candidate else None
    return f"; {begins.version} begins, as the edit beside it asks" if begins else ""


def _answer(snapshot: Snapshot, state: State, request: requests.Request) -> requests.Answer:
    facts, lost = facts_of(snapshot, state), snapshot.before.requests is None
    return requests.carry_out(state, request, facts, snapshot.policy, snapshot.now, lost=lost)


def _sent_home(snapshot: Snapshot, state: State, problem: Finding) -> Outcome:
    """The candidate goes, or what soaks."""
    go = machine.refuse if state.candidate else machine.sent_home
    return go(state, problem, facts_of(snapshot, state), snapshot.now)


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


def _handing_back(snapshot: Snapshot, outcome: Outcome) -> Outcome:
    """Under an autoscaler a rollout that was given up ends when stable has the pods again that it gave up: from then on
    nothing but its own count tells what carries the load."""
    stable, rollout, count = outcome.state.stable, snapshot.before.rollout, 0
    if stable and stable.revision and snapshot.before.stable and stable.revision == snapshot.before.stable.revision:
        count = snapshot.count(stable.revision)  # none at all are made anew by the plan
    counted = snapshot.spec.autoscaling and rollout and rollout.desired_replicas and snapshot.changes(rollout)
    if rollout is None or outcome.state.rollout or not (counted and 0 < count < snapshot.needed):
        return outcome
    notes = tuple(note for note in outcome.notes if note.reason != Reason.ROLLED_BACK)
    return replace(outcome, state=still_going_back(outcome.state, rollout, snapshot.now), notes=notes)


def _counted(snapshot: Snapshot, outcome: Outcome) -> Outcome:
    """Under an autoscaler the count that carries the load is remembered for as long as versions change."""
    rollout = outcome.state.rollout
    if rollout is None:
        return outcome
    carried = snapshot.needed if snapshot.changes(rollout) else None
    if snapshot.suspended or rollout.desired_replicas == carried:
        return outcome
    return replace(outcome, state=replace(outcome.state, rollout=rollout.evolve(desired_replicas=carried)))
