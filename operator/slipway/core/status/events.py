"""Which findings become Events: each is told once."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from slipway.api.v1alpha1 import ModelDeploymentStatus
from slipway.api.v1alpha1.status import RevisionStatus
from slipway.core.catalogue.follow import Following
from slipway.core.plan import Note
from slipway.core.reasons import About, Reason
from slipway.core.rollout.covering import in_words
from slipway.core.rollout.draining import drain_time
from slipway.core.rollout.roles import RevisionRoles
from slipway.core.rollout.state import State
from slipway.core.shares import Traffic
from slipway.core.snapshot import Snapshot
from slipway.core.status.conditions import FOLLOWING, WITHDRAWN
from slipway.core.status.summary import Summary


def news(before: ModelDeploymentStatus, summary: Summary) -> tuple[Note, ...]:
    """An Event when a finding is new; the condition goes on saying it. What may yet prove to be a version's own fault
    is told when it is refused for it."""
    problem = summary.finding
    on_its_way = summary.candidate is not None and not summary.stalled
    if problem is None or problem.reason in _NO_NEWS or (problem.about is About.REVISION and on_its_way):
        return ()
    reported = {condition.reason for condition in before.conditions if condition.type == "Ready"}
    reported |= set(before.rollout.reported_reasons) if before.rollout else set()
    warns = problem.reason not in _NO_WARNING
    return (
        ()
        if str(problem.reason) in reported
        else (Note(reason=problem.reason, message=problem.message, warning=warns),)
    )


def withdrawal_notes(before: ModelDeploymentStatus, summary: Summary) -> tuple[Note, ...]:
    """An Event when a withdrawal is new, or says something else; the condition goes on saying it."""
    reported = {condition.message for condition in before.conditions if condition.type == WITHDRAWN}
    if summary.withdrawn is None or summary.withdrawn in reported:
        return ()
    return (Note(reason=Reason.WITHDRAWN, message=summary.withdrawn, warning=True),)


def following_notes(before: ModelDeploymentStatus, follows: Following | None) -> tuple[Note, ...]:
    """An Event when following an alias has come to something new. Of a refusal the version's own Event tells."""
    reported = {(condition.reason, condition.message) for condition in before.conditions if condition.type == FOLLOWING}
    if follows is None or not follows.is_news or (str(follows.says.reason), follows.says.message) in reported:
        return ()
    warns = follows.says.reason not in _FOLLOWS_WELL
    return (Note(reason=follows.says.reason, message=follows.says.message, warning=warns),)


_FOLLOWS_WELL: Final = frozenset({Reason.FOLLOWING, Reason.PROPOSED, Reason.SUSPENDED})
_NO_NEWS: Final = frozenset({Reason.RESOLVE_QUEUED})
"""What says so in status alone: of a thousand that are asked for at once nearly all wait for their turn."""
_NO_WARNING: Final = frozenset(
    {Reason.PROVING, Reason.DRAINING, Reason.PAUSED, Reason.ANALYSIS_RUNNING, Reason.POD_NOT_READY}
)
"""What goes by in most rollouts that have it."""


def cut_off_note(snapshot: Snapshot, entry: RevisionStatus) -> Note:
    """The Event for pods that go although requests still reach them."""
    longest = int(2 * drain_time(snapshot).total_seconds())
    message = (
        f"{entry.version} (revision {entry.revision}): its pods go although requests still reach them, {longest} s "
        "after its traffic moved: a client keeps its connection for longer, or a proxy has not followed"
    )
    return Note(reason=Reason.DRAINING, message=message, warning=True)


def covering_notes(snapshot: Snapshot, roles: RevisionRoles, traffic: Traffic) -> Iterator[Note]:
    """The Event for pods that stay beyond their drain, in the pass in which that is over."""
    for entry in roles.retiring:
        listed, until = snapshot.listed(entry.revision), roles.covering.get(entry.revision)
        if until and listed and listed.retire_at:
            yield Note(reason=Reason.DRAINING, message=in_words(snapshot, entry, traffic, until), warning=False)


def signature_note(snapshot: Snapshot, state: State) -> Note | None:
    """The Event for what came of looking for a signature, in the pass that begins to use what was resolved: once for
    each ask, since one that is used again was not being resolved before."""
    candidate, before = state.candidate, snapshot.before.candidate
    if candidate is None or before is None or before.ask != candidate.ask or before.revision or not candidate.revision:
        return None
    record = snapshot.record(candidate.revision)
    signature = record.resolved.signature if record else None
    if signature is None:
        return None
    if signature.warning is None:
        message = f"{candidate.version}: signed by {', '.join(signature.signed_by)}"
        return Note(reason=Reason.SIGNED, message=message, warning=False)
    word, _, fault = signature.warning.partition(": ")
    reason = Reason(word) if word in _OF_SIGNATURES else Reason.SIGNATURE_WRONG
    message = f"{candidate.version}: {fault or word}; it is served all the same (source.signature.mode: Warn)"
    return Note(reason=reason, message=message, warning=True)


_OF_SIGNATURES: Final = frozenset({Reason.SIGNATURE_MISSING, Reason.SIGNATURE_WRONG, Reason.SIGNER_UNKNOWN})


def remembering(state: State, events: Sequence[Note]) -> State:
    """Reasons may come and go in turns: each is told once in a rollout."""
    if state.rollout is None or not events:
        return state
    reasons = [*state.rollout.reported_reasons, *(str(note.reason) for note in events)][:32]
    return replace(state, rollout=state.rollout.evolve(reported_reasons=reasons))
