"""What the machine aims at: the candidate for what is asked now, and what becomes of the one before."""

from collections.abc import Set
from dataclasses import replace
from datetime import datetime

from slipway.api.v1alpha1.status import CommandStatus, RevisionRef, RolloutPhase, RolloutStatus
from slipway.core.body import one_more
from slipway.core.plan import Note
from slipway.core.reasons import Finding, Reason
from slipway.core.rollout import refusals
from slipway.core.rollout.bundle_check import settled
from slipway.core.rollout.canary import stood_still
from slipway.core.rollout.failure import forgotten
from slipway.core.rollout.progress import attempt_begun, paused, phase_entered, unpaused
from slipway.core.rollout.refusals import Asked
from slipway.core.rollout.state import Facts, State


def retarget(state: State, *, asked: Asked, root: Set[str], now: datetime, lost: Set[str] = frozenset()) -> State:
    """Aim at what is asked for now: keep going, go back to stable, stay refused, or begin with a new candidate. What a
    `lost` revision was made of is gone, so the ask is resolved anew beside what is left of it. `root` is what the
    traffic reaches."""
    aimed = _aimed(refusals.still_true(state, asked), asked, root, now, lost)
    return refusals.still_true(aimed, asked)  # also of what has just gone out of sight


def _aimed(state: State, asked: Asked, root: Set[str], now: datetime, lost: Set[str]) -> State:
    if _is(state.stable, asked.ask, lost):
        return _home(state, root, now)
    refusal = refusals.holding_back(state, asked)
    if _is(state.candidate, asked.ask, lost) and not (refusal and refusal.ask == asked.ask):
        return _forward(state, now)
    if refusal:
        return _refused(refusals.in_sight(state, refusal))
    return begun(refusals.out_of_sight(state), RevisionRef(ask=asked.ask, version=asked.version), now)


def begun(state: State, candidate: RevisionRef, now: datetime, *, restart: str | None = None) -> State:
    """A rollout at its start."""
    # What carries the load now has to be carried on: a rollout that supersedes another keeps its count.
    before = state.rollout
    replicas = before.desired_replicas if before else None
    # Since versions began to change: what serves may have been stopped for a candidate that is asked for no more.
    since = before.started_at if before and before.phase is not RolloutPhase.SOAKING else now
    rollout = RolloutStatus(
        phase=RolloutPhase.RESOLVING,
        started_at=since,
        phase_started_at=now,
        desired_replicas=replicas,
        command=CommandStatus(restart=restart),
    )
    return replace(state, candidate=candidate, rollout=rollout)


def under_way_since(rollout: RolloutStatus, since: datetime) -> RolloutStatus:
    """The rollout as one of versions that began to change at `since`, if not later."""
    return rollout.evolve(started_at=min(since, rollout.started_at))


def restored(state: State, root: Set[str], now: datetime) -> State:
    """The state with a rollout for its candidate, where status holds none that can be read: as far along as the traffic
    shows, with all its time, its steps from the first on, and what somebody asked for."""
    rollout, candidate, stable, refused = state.rollout, state.candidate, state.stable, state.refused
    if candidate is None:
        return replace(state, rollout=_without_target(rollout)) if rollout else state
    if rollout is not None:
        return state
    home = {each.ask for each in (*state.also_refused, *((refused,) if refused else ()))}
    back = stable is not None and stable.ask in home
    again = stable is not None and candidate.ask == stable.ask
    made = RolloutStatus(
        phase=_phase_by_traffic(state, candidate, root),
        started_at=now,
        phase_started_at=now,
        command=CommandStatus(rollback=back or None, restart=_restart_request(state) if again else None),
    )
    return replace(state, rollout=paused(made, now) if _was_paused(state, candidate) else made)


def _was_paused(state: State, candidate: RevisionRef) -> bool:
    """Whether the last that somebody asked for about the candidate, and got, is a pause."""
    name = candidate.revision or candidate.ask[:8]
    about = (entry for entry in reversed(state.requests) if entry.request.split("@")[0].endswith(f"/{name}"))
    done = next((entry for entry in about if not entry.outcome.startswith("stale")), None)
    return done is not None and done.outcome == "paused"


def _without_target(rollout: RolloutStatus) -> RolloutStatus:
    """A command is called off whose candidate nobody knows any more; it would be waited for without end."""
    if rollout.phase in (RolloutPhase.SOAKING, RolloutPhase.ROLLING_BACK) or rollout.command == CommandStatus():
        return rollout
    return rollout.evolve(command=CommandStatus())


def _phase_by_traffic(state: State, candidate: RevisionRef, root: Set[str]) -> RolloutPhase:
    if state.refused and state.refused.ask == candidate.ask:
        return RolloutPhase.ROLLING_BACK
    if candidate.revision is None:
        return RolloutPhase.RESOLVING
    return RolloutPhase.SHIFTING if state.stable and candidate.revision in root else RolloutPhase.STARTING


def _restart_request(state: State) -> str:
    """What the candidate's revision was made for, as `status.requests` remembers it."""
    handled = (entry for entry in reversed(state.requests) if entry.request.startswith("restart/"))
    return next((restart_mark(entry.request, entry.at) for entry in handled), "restart")


def restart_mark(request: str, at: datetime) -> str:
    """What tells the pods of a restart from all others, also where the same text has asked for one before."""
    return f"{request} {at:%Y-%m-%dT%H:%M:%SZ}"


def started(state: State, *, revision: str, now: datetime) -> State:
    """The candidate has a revision now: number it and let its pods come."""
    if state.candidate is None or state.rollout is None:
        return state
    if state.stable and state.stable.revision == revision:  # what serves was lost sight of, and is what was asked for
        stable = state.stable.evolve(ask=state.candidate.ask, version=state.candidate.version)
        return replace(state, stable=stable, candidate=None, rollout=None)
    number = one_more(state.last_number)
    candidate = state.candidate.evolve(revision=revision, number=number)
    rollout = settled(at_phase(state.rollout, RolloutPhase.STARTING, now))
    return replace(state, candidate=candidate, rollout=rollout, last_number=number)


def at_phase(rollout: RolloutStatus, phase: RolloutPhase, now: datetime) -> RolloutStatus:
    """The rollout in a phase; the deadline of a new one counts from its start."""
    if rollout.phase is phase:
        return rollout
    return phase_entered(rollout.evolve(phase=phase, phase_started_at=now))


def rested(state: State, now: datetime) -> State:
    """The candidate may have pods only from now on: what it waited until then is not its own time."""
    if state.rollout is None:
        return state
    held = stood_still(state.rollout, None, now)
    again = held.evolve(phase=RolloutPhase.STARTING, phase_started_at=now)
    return replace(state, rollout=attempt_begun(again))


def promoted(state: State, now: datetime, *, soaks: bool) -> tuple[State, tuple[Note, ...]]:
    """The candidate has all the traffic: it is the stable revision now."""
    candidate, rollout = state.candidate, state.rollout
    if candidate is None or rollout is None:
        return state, ()
    was = f", in place of {state.stable.version}" if state.stable else ""
    note = Note(reason=Reason.PROMOTED, message=f"{candidate.version} (revision {candidate.revision}) serves{was}")
    left = forgotten(at_phase(rollout, RolloutPhase.SOAKING, now)) if soaks and state.stable else None
    return replace(state, stable=candidate, candidate=None, rollout=left), (note,)


def still_going_back(state: State, rollout: RolloutStatus, now: datetime) -> State:
    """The state with the rest of a rollout that was given up: nobody is on his way any more, and stable is not yet what
    it was."""
    began = rollout.phase_started_at if rollout.phase is RolloutPhase.ROLLING_BACK else now
    back = RolloutStatus(phase=RolloutPhase.ROLLING_BACK, started_at=rollout.started_at, phase_started_at=began)
    return replace(state, candidate=None, rollout=back)


def fallen_back(state: State, problem: Finding, standby: RevisionRef, facts: Facts, now: datetime) -> State:
    """What has just taken over is sent home: the version before, whose pods are still there, is stable again."""
    if state.stable is None or state.rollout is None:
        return state
    number, sent_home, rollout = one_more(state.last_number), state.stable, state.rollout
    state = replace(state, stable=standby.evolve(number=number))
    return replace(
        refusals.with_refusal(state, refusals.refused_as(sent_home, problem, facts, now), facts),
        candidate=sent_home,
        rollout=at_phase(rollout, RolloutPhase.ROLLING_BACK, now),
        last_number=number,
    )


def _is(ref: RevisionRef | None, ask: str, lost: Set[str]) -> bool:
    return ref is not None and ref.ask == ask and ref.revision not in lost


def _home(state: State, root: Set[str], now: datetime) -> State:
    """What is asked for is what serves, or served before this rollout."""
    rollout = state.rollout
    elsewhere = root - {state.stable.revision if state.stable else None}
    if rollout is None and elsewhere:  # a change of share that was called off arrived nevertheless
        back = RolloutStatus(phase=RolloutPhase.ROLLING_BACK, started_at=now, phase_started_at=now)
        return replace(refusals.out_of_sight(state), candidate=None, rollout=back)
    if rollout is None or rollout.phase is RolloutPhase.SOAKING:
        return replace(refusals.out_of_sight(state), candidate=None)
    if _restarts(state):
        return state
    if rollout.command.rollback and state.refused and state.stable and state.refused.ask == state.stable.ask:
        return state
    state = refusals.out_of_sight(state)
    if elsewhere:
        return replace(state, rollout=at_phase(unpaused(rollout), RolloutPhase.ROLLING_BACK, now))
    return replace(state, candidate=None, rollout=None)


def _restarts(state: State) -> bool:
    """Whether somebody has asked for new pods of what serves."""
    rollout, candidate, stable = state.rollout, state.candidate, state.stable
    return bool(rollout and rollout.command.restart and candidate and stable and candidate.ask == stable.ask)


def _forward(state: State, now: datetime) -> State:
    """The candidate is what is asked for, perhaps again."""
    if state.rollout and state.rollout.phase is RolloutPhase.ROLLING_BACK:
        phase = RolloutPhase.STARTING if state.candidate and state.candidate.revision else RolloutPhase.RESOLVING
        return replace(state, rollout=forgotten(at_phase(state.rollout, phase, now)))
    return state


def _refused(state: State) -> State:
    rollout = state.rollout
    commanded = rollout is not None and (rollout.command.rollback or _restarts(state))
    if rollout and (commanded or rollout.phase is RolloutPhase.ROLLING_BACK):
        return state
    return replace(state, candidate=None, rollout=None)
