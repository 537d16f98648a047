"""Withdrawn: what follows for a candidate and for the ways back from a withdrawal in the catalogue.

The table is in catalogue/withdrawal.py. Here is who stands where: a candidate is what somebody begins, unless it is a
restart of what serves; and nothing is sent home while nobody else would answer.
"""

from slipway.core.catalogue.facts import Withdrawal
from slipway.core.catalogue.withdrawal import Effect, Occasion, effect
from slipway.core.reasons import Finding, Reason, finding, fit
from slipway.core.rollout import refusals
from slipway.core.rollout.state import Facts, State
from slipway.core.snapshot import Snapshot


def blocked_candidate(state: State, facts: Facts) -> Finding | None:
    """Why the candidate may not go on, if its digest is withdrawn for those who begin to use it."""
    candidate, rollout = state.candidate, state.rollout
    withdrawal = facts.withdrawals.get(candidate.ask) if candidate else None
    if candidate is None or rollout is None or withdrawal is None:
        return None
    if effect(withdrawal, _occasion(state)) is not Effect.REFUSE or _nobody_else_answers(state, facts):
        return None
    return finding(Reason.WITHDRAWN, f"{candidate.version}: {withdrawal.words}")


def _occasion(state: State) -> Occasion:
    candidate, stable, rollout = state.candidate, state.stable, state.rollout
    if rollout and rollout.command.rollback:
        return Occasion.ROLLBACK
    again = candidate and stable and candidate.ask == stable.ask
    return Occasion.SERVING if rollout and rollout.command.restart and again else Occasion.ASK


def _nobody_else_answers(state: State, facts: Facts) -> bool:
    """Whether the candidate answers clients and the stable version could not."""
    candidate, stable = facts.of(state.candidate), facts.of(state.stable)
    if candidate is None or candidate.revision not in facts.protected or not candidate.available:
        return False
    return stable is None or not stable.available


def ways_back(snapshot: Snapshot, state: State) -> tuple[list[str], Withdrawal | None]:
    """The older revisions of other asks that a person may go back to, newest first; and the withdrawal of the newest
    that is barred by one."""
    stable, withdrawals = state.stable, snapshot.observed.withdrawals
    if stable is None:
        return [], None
    home = refusals.revisions(state)
    older = [
        entry.revision
        for entry in snapshot.past
        if entry.number < (stable.number or 0) and entry.ask != stable.ask and entry.revision not in home
    ]
    if not withdrawals:
        return older, None
    records = {revision: snapshot.record(revision) for revision in older}
    barred = {
        revision: withdrawals[record.resolved.digest]
        for revision, record in records.items()
        if record and effect(withdrawals.get(record.resolved.digest), Occasion.ROLLBACK) is Effect.REFUSE
    }
    return [revision for revision in older if revision not in barred], next(iter(barred.values()), None)


def standing(snapshot: Snapshot, state: State) -> str | None:
    """What people are told of withdrawals for as long as they hold: of what serves, of what is on its way, and that
    nothing is left to go back to."""
    withdrawals = snapshot.observed.withdrawals
    if not withdrawals:
        return None
    sentences = []
    for ref, does in ((state.stable, "serves on"), (state.candidate, "is on its way")):
        record = snapshot.record(ref.revision) if ref and ref.revision else None
        withdrawal = withdrawals.get(record.resolved.digest) if record else None
        if ref and withdrawal:
            sentences.append(f"{ref.version} {does}: {withdrawal.words}")
    free, barred = ways_back(snapshot, state)
    if barred and not free:
        sentences.append(f"every version before is barred from a rollback: {barred.words}")
    return fit("; ".join(sentences)) if sentences else None
