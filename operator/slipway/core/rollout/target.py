"""What the machine aims at: the candidate for what is asked now, and what becomes of the one before."""

from collections.abc import Set
from dataclasses import replace
from datetime import datetime

from slipway.api.v1alpha1.status import Refused, RevisionRef, RolloutStatus, Step
from slipway.core.plan import Note
from slipway.core.reasons import Finding, Reason
from slipway.core.rollout.resolving import settled
from slipway.core.rollout.state import State


def retarget(
    state: State, *, ask: str, version: str, root: Set[str], now: datetime, lost: Set[str] = frozenset()
) -> State:
    """Aim at what is asked for now: keep going, go back to stable, stay refused, or begin with a new candidate. What a
    `lost` revision was made of is gone, so the ask is resolved anew beside what is left of it. `root` is what the
    traffic reaches."""
    if _is(state.stable, ask, lost):
        return _home(state, root, now)
    if _is(state.candidate, ask, lost) and not (state.refused and state.refused.ask == ask):
        return _forward(state, now)
    if state.refused and state.refused.ask == ask:
        return _refused(state)
    return begun(replace(state, refused=None), RevisionRef(ask=ask, version=version), now)


def begun(state: State, candidate: RevisionRef, now: datetime, *, restart: str | None = None) -> State:
    """A rollout at its start."""
    # What carries the load now has to be carried on: a rollout that supersedes another keeps its count.
    replicas = state.rollout.replicas if state.rollout else None
    rollout = RolloutStatus(
        step=Step.RESOLVING, started_at=now, step_started_at=now, replicas=replicas, restart=restart
    )
    return replace(state, candidate=candidate, rollout=rollout)


def started(state: State, *, revision: str, now: datetime) -> State:
    """The candidate has a revision now: number it and let its pods come."""
    if state.candidate is None or state.rollout is None:
        return state
    if state.stable and state.stable.revision == revision:  # what serves was lost sight of, and is what was asked for
        known = {"ask": state.candidate.ask, "version": state.candidate.version}
        return replace(state, stable=state.stable.model_copy(update=known), candidate=None, rollout=None)
    number = state.last_number + 1
    candidate = state.candidate.model_copy(update={"revision": revision, "number": number})
    rollout = settled(at_step(state.rollout, Step.STARTING, now))
    return replace(state, candidate=candidate, rollout=rollout, last_number=number)


def at_step(rollout: RolloutStatus, step: Step, now: datetime) -> RolloutStatus:
    """The rollout at a step; the deadline of a new one counts from its start."""
    if rollout.step is step:
        return rollout
    return rollout.model_copy(update={"step": step, "step_started_at": now, "deadline_from": None})


def rested(state: State, now: datetime) -> State:
    """The candidate may have pods only from now on: what it waited until then is not its own time."""
    if state.rollout is None:
        return state
    again = {"step": Step.STARTING, "step_started_at": now, "deadline_from": None, "progress": None}
    return replace(state, rollout=state.rollout.model_copy(update=again))


def promoted(state: State, now: datetime, *, soaks: bool) -> tuple[State, tuple[Note, ...]]:
    """The candidate has all the traffic: it is the stable revision now."""
    candidate, rollout = state.candidate, state.rollout
    if candidate is None or rollout is None:
        return state, ()
    was = f", in place of {state.stable.version}" if state.stable else ""
    note = Note(reason=Reason.PROMOTED, message=f"{candidate.version} (revision {candidate.revision}) serves{was}")
    left = at_step(rollout, Step.SOAKING, now) if soaks and state.stable else None
    return replace(state, stable=candidate, candidate=None, rollout=left), (note,)


def refused_as(ref: RevisionRef, found: Finding, now: datetime) -> Refused:
    """The record of a version that was sent home."""
    return Refused(
        ask=ref.ask, revision=ref.revision, version=ref.version, reason=found.reason, message=found.message, at=now
    )


def fallen_back(state: State, found: Finding, standby: RevisionRef, now: datetime) -> State:
    """What has just taken over is sent home: the version before, whose pods are still there, is stable again."""
    if state.stable is None or state.rollout is None:
        return state
    number = state.last_number + 1
    return replace(
        state,
        stable=standby.model_copy(update={"number": number}),
        candidate=state.stable,
        refused=refused_as(state.stable, found, now),
        rollout=at_step(state.rollout, Step.ROLLING_BACK, now),
        last_number=number,
    )


def _is(ref: RevisionRef | None, ask: str, lost: Set[str]) -> bool:
    return ref is not None and ref.ask == ask and ref.revision not in lost


def _home(state: State, root: Set[str], now: datetime) -> State:
    """What is asked for is what serves, or served before this rollout."""
    rollout, candidate = state.rollout, state.candidate
    elsewhere = root - {state.stable.revision if state.stable else None}
    if rollout is None and elsewhere:  # a change of share that was called off arrived nevertheless
        back = RolloutStatus(step=Step.ROLLING_BACK, started_at=now, step_started_at=now)
        return replace(state, candidate=None, refused=None, rollout=back)
    if rollout is None or rollout.step is Step.SOAKING:
        return replace(state, candidate=None, refused=None)
    if rollout.restart and candidate and state.stable and candidate.ask == state.stable.ask:
        return state
    if rollout.rollback and state.refused and state.stable and state.refused.ask == state.stable.ask:
        return state
    if elsewhere:
        return replace(state, refused=None, rollout=at_step(_unpaused(rollout), Step.ROLLING_BACK, now))
    return replace(state, candidate=None, rollout=None, refused=None)


def _forward(state: State, now: datetime) -> State:
    """The candidate is what is asked for, perhaps again."""
    if state.rollout and state.rollout.step is Step.ROLLING_BACK:
        step = Step.STARTING if state.candidate and state.candidate.revision else Step.RESOLVING
        return replace(state, rollout=at_step(state.rollout, step, now))
    return state


def _refused(state: State) -> State:
    rollout = state.rollout
    if rollout and (rollout.rollback or rollout.step is Step.ROLLING_BACK):
        return state
    return replace(state, candidate=None, rollout=None)


def _unpaused(rollout: RolloutStatus) -> RolloutStatus:
    return rollout.model_copy(update={"paused_at": None})
