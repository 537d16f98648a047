"""One turn of the rollout: what somebody asks for by annotation, then one step of the machine."""

from dataclasses import replace

from slipway.api.v1alpha1.status import RolloutPhase
from slipway.core.plan import Note
from slipway.core.reasons import Reason
from slipway.core.rollout import machine, requests
from slipway.core.rollout.allocation import standing_still
from slipway.core.rollout.inputs import facts_of
from slipway.core.rollout.outage import with_outage
from slipway.core.rollout.recovery import remembered, retargeted
from slipway.core.rollout.state import Facts, Outcome, State
from slipway.core.rollout.target import rested
from slipway.core.snapshot import Snapshot
from slipway.core.wait import Wait


def outcome_of(snapshot: Snapshot) -> Outcome:
    """What the rollout decides, from what status remembers and what is asked for now."""
    state = retargeted(snapshot, remembered(snapshot))
    return _counted(snapshot, with_outage(snapshot, _step(snapshot, state)))


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


def _counted(snapshot: Snapshot, outcome: Outcome) -> Outcome:
    """Under an autoscaler the count that carries the load is remembered for as long as versions change."""
    rollout = outcome.state.rollout
    if rollout is None:
        return outcome
    carried = snapshot.needed if snapshot.changes(rollout) else None
    if snapshot.suspended or rollout.desired_replicas == carried:
        return outcome
    return replace(outcome, state=replace(outcome.state, rollout=rollout.evolve(desired_replicas=carried)))
