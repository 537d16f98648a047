"""The rollout as a state machine: where a candidate is on its way, and what may happen next.

Pure: `step(state, facts, now)` says the next state, what the cluster should be moved towards, and when to look again.
All state lives in status, so that a pass which is cut off at any write is simply made again. The candidate is started
whole beside the old revision, takes over by one change of the root Service's selector once all of it has answered
correctly, and the old revision goes when connections to it have had time to end.

    Resolving → Starting → Shifting → promoted
        └──────────┴── a finding about the revision → refused, until the ask changes
"""

from collections.abc import Set
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from slipway.api.v1alpha1.status import Refused, RevisionRef, RolloutStatus, Step
from slipway.core.children.resolved import Resolved
from slipway.core.plan import Note
from slipway.core.reasons import About, Finding, Reason, finding, found_before
from slipway.core.rollout.facts import ResolveFacts, RevisionFacts
from slipway.core.rollout.gates import Policy, deadline, first_finding, missed_deadline, refusable
from slipway.core.verdict import answer, verdict

RETRY_FIRST: Final = timedelta(seconds=10)
RETRY_CAP: Final = timedelta(minutes=5)
STALLED_AFTER: Final = timedelta(minutes=5)
"""How long the world may be in the way before `Reconciling` becomes `Stalled`; the trying goes on."""


@dataclass(frozen=True, kw_only=True)
class State:
    """What the machine remembers; a part of status."""

    stable: RevisionRef | None = None
    candidate: RevisionRef | None = None
    refused: Refused | None = None
    rollout: RolloutStatus | None = None
    last_number: int = 0


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What the cluster says about the candidate."""

    version: str
    resolve: ResolveFacts
    candidate: RevisionFacts | None = None
    known: str | None = None
    """A revision of this ask that history already holds."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The machine's answer."""

    state: State
    resolve: bool = False
    """The resolve Job should exist."""
    discard_job: bool = False
    """The resolve Job that exists is of a failed try, and should go."""
    resolved: Resolved | None = None
    """The source has been resolved: make a revision of it."""
    shift: bool = False
    """The root Service should select the candidate."""
    finding: Finding | None = None
    stalled: bool = False
    notes: tuple[Note, ...] = ()
    wake_at: datetime | None = None


def retarget(state: State, *, ask: str, version: str, now: datetime, lost: Set[str] = frozenset()) -> State:
    """Aim at what is asked for now: keep going, go back to stable, stay refused, or begin with a new candidate. What a
    `lost` revision was made of is gone, so the ask is resolved anew beside what is left of it."""
    if state.stable and state.stable.ask == ask and state.stable.revision not in lost:
        return replace(state, candidate=None, rollout=None, refused=None)
    if state.candidate and state.candidate.ask == ask and state.candidate.revision not in lost:
        return state
    if state.refused and state.refused.ask == ask:
        return replace(state, candidate=None, rollout=None)
    rollout = RolloutStatus(step=Step.RESOLVING, started_at=now, step_started_at=now)
    return replace(state, candidate=RevisionRef(ask=ask, version=version), rollout=rollout, refused=None)


def promoted(state: State, serving: str | None) -> tuple[State, tuple[Note, ...]]:
    """Settle a shift that the root Service shows as done: the candidate is the stable revision now."""
    candidate, rollout = state.candidate, state.rollout
    if not (candidate and rollout and rollout.step is Step.SHIFTING and candidate.revision == serving):
        return state, ()
    was = f", in place of {state.stable.version}" if state.stable else ""
    note = Note(reason=Reason.PROMOTED, message=f"{candidate.version} (revision {candidate.revision}) serves{was}")
    return replace(state, stable=candidate, candidate=None, rollout=None), (note,)


def rested(state: State, now: datetime) -> State:
    """The candidate may have pods only from now on: what it waited until then is not its own time."""
    if state.rollout is None:
        return state
    return replace(state, rollout=state.rollout.model_copy(update={"step": Step.STARTING, "step_started_at": now}))


def step(state: State, facts: Facts, policy: Policy, now: datetime) -> Outcome:
    """One step of the candidate. `state` has been retargeted at what is asked."""
    if state.candidate is None or state.rollout is None:
        return Outcome(state=state)
    if state.rollout.step is Step.RESOLVING:
        return _resolve(state, state.rollout, facts, now)
    return _start(state, state.rollout, facts, policy, now)


def started(state: State, *, revision: str, now: datetime) -> State:
    """The candidate has a revision now: number it and let its pods come."""
    if state.candidate is None or state.rollout is None:
        return state
    if state.stable and state.stable.revision == revision:  # what serves was lost sight of, and is what was asked for
        known = {"ask": state.candidate.ask, "version": state.candidate.version}
        return replace(state, stable=state.stable.model_copy(update=known), candidate=None, rollout=None)
    number = state.last_number + 1
    candidate = state.candidate.model_copy(update={"revision": revision, "number": number})
    rollout = state.rollout.model_copy(
        update={"step": Step.STARTING, "step_started_at": now, "retry_at": None, "reason": None, "message": None}
    )
    return replace(state, candidate=candidate, rollout=rollout, last_number=number)


def _resolve(state: State, rollout: RolloutStatus, facts: Facts, now: datetime) -> Outcome:
    if facts.known:
        return Outcome(state=started(state, revision=facts.known, now=now))
    if rollout.retry_at:
        return _wait_to_retry(state, rollout, facts, now)
    pod, job = facts.resolve.pod, facts.resolve.job
    if pod and pod.fetch.finished and (said := _resolved(pod.fetch.termination_message)):
        return Outcome(state=state, resolved=said)
    if facts.resolve.ended and not (job is None or job.deleting):
        return _resolve_failed(state, rollout, facts, now)
    return _blocked(Outcome(state=state, resolve=True), rollout, _resolve_waits(facts) or _last_failure(rollout), now)


def _blocked(outcome: Outcome, rollout: RolloutStatus, found: Finding | None, now: datetime) -> Outcome:
    """The outcome with what is in its way, stalled at once where only an edit helps, and after a while otherwise."""
    if found is None:
        return outcome
    patience = rollout.started_at + STALLED_AFTER
    stalled = found.about is About.REVISION or now >= patience
    wake_at = min((at for at in (outcome.wake_at, None if stalled else patience) if at), default=None)
    return replace(outcome, finding=found, stalled=stalled, wake_at=wake_at)


def _last_failure(rollout: RolloutStatus) -> Finding | None:
    """What the try before this one found; it stands until there is a better answer."""
    return found_before(rollout.reason, rollout.message or "") if rollout.reason else None


def _resolved(message: str | None) -> Resolved | None:
    said = answer(message)
    with suppress(ValueError):
        return Resolved.parse(said["resolved"]) if said and "resolved" in said else None
    return None


def _resolve_waits(facts: Facts) -> Finding | None:
    """What keeps the resolve Job's pod from running, in the same words as for a model's pods."""
    if facts.resolve.pod is None:
        return None
    waiting = RevisionFacts(revision="", version=facts.version, wanted=1, pods=(facts.resolve.pod,))
    return first_finding(waiting, Policy(fetch_timeout=STALLED_AFTER, progress_deadline=STALLED_AFTER))


def _resolve_failed(state: State, rollout: RolloutStatus, facts: Facts, now: datetime) -> Outcome:
    pod = facts.resolve.pod
    said = (pod and verdict(pod.fetch.termination_message)) or finding(
        Reason.FETCH_FAILED,
        "the resolve Job ended without an answer: it took longer than rollout.fetchTimeout, or crashed",
    )
    found = finding(said.reason, f"{facts.version}: {said.message}")
    attempts = rollout.attempts + 1
    delay: timedelta = min(RETRY_FIRST * 2 ** min(attempts - 1, 10), RETRY_CAP)
    failed = rollout.model_copy(
        update={"attempts": attempts, "retry_at": now + delay, "reason": str(found.reason), "message": found.message}
    )
    return _wait_to_retry(replace(state, rollout=failed), failed, facts, now)


def _wait_to_retry(state: State, rollout: RolloutStatus, facts: Facts, now: datetime) -> Outcome:
    """A failed try is shown until the next one's answer. Resolving costs no GPU, so it is tried for ever, ever slower:
    a bundle that is put right in the store is picked up without an edit."""
    retry_at = rollout.retry_at or now
    again = Outcome(state=replace(state, rollout=rollout.model_copy(update={"retry_at": None})), resolve=True)
    if now < retry_at:
        again = Outcome(state=state, wake_at=retry_at)
    elif facts.resolve.job is not None:
        again = Outcome(state=state, discard_job=True)
    return _blocked(again, rollout, _last_failure(rollout), now)


def _start(state: State, rollout: RolloutStatus, facts: Facts, policy: Policy, now: datetime) -> Outcome:
    candidate = facts.candidate
    if candidate is None:
        return Outcome(state=state)
    if candidate.whole:
        return _shift(state, rollout, now)
    if rollout.step is Step.SHIFTING:
        rollout = rollout.model_copy(update={"step": Step.STARTING, "step_started_at": now})
        state = replace(state, rollout=rollout)
    late = missed_deadline(candidate, policy, since=rollout.step_started_at, now=now)
    found = first_finding(candidate, policy) or late
    if found and (refusable(found, candidate) or (late and found.about is About.REVISION)):
        return _refuse(state, found, now)
    wake_at = None if late else deadline(candidate, policy, rollout.step_started_at)
    return Outcome(state=state, finding=found, stalled=late is not None, wake_at=wake_at)


def _shift(state: State, rollout: RolloutStatus, now: datetime) -> Outcome:
    if rollout.step is not Step.SHIFTING:
        rollout = rollout.model_copy(update={"step": Step.SHIFTING, "step_started_at": now})
    return Outcome(state=replace(state, rollout=rollout), shift=True)


def _refuse(state: State, found: Finding, now: datetime) -> Outcome:
    candidate = state.candidate
    if candidate is None:
        return Outcome(state=state)
    refused = Refused(
        ask=candidate.ask,
        revision=candidate.revision,
        version=candidate.version,
        reason=found.reason,
        message=found.message,
        at=now,
    )
    note = Note(reason=found.reason, message=f"refused: {found.message}", warning=True)
    return Outcome(state=replace(state, candidate=None, rollout=None, refused=refused), notes=(note,))
