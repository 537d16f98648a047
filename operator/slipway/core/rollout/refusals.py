"""Refusals: which versions were sent home, how long each stays there, and what may be used of it again.

`status.refused` is the refusal of what the manifest asks for, and holds it back. What failed is tried again when
anything that it is made of changes; what a person sent home with another version or source, and not with an edit
beside it. Both with `retry`. `status.alsoRefused` remembers the others: neither a restart nor a rollback brings them
back, and what a person sent home waits there while the manifest asks for what serves.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from slipway.api.v1alpha1.status import Refused, RevisionRef, RolloutPhase
from slipway.core.catalogue.refused_digests import short
from slipway.core.reasons import BY_A_PERSON, Finding, fit
from slipway.core.rollout.state import Facts, State

REMEMBERED: Final = 4
"""Refusals beside that of the manifest. Of an older one the ControllerRevision goes, and then the memory."""
STORED: Final = 8
"""As many as status takes while ControllerRevisions go."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What the manifest asks for."""

    ask: str
    version: str
    source: str = ""


def refused_as(ref: RevisionRef, problem: Finding, facts: Facts, now: datetime) -> Refused:
    """The record of a version that is sent home."""
    source = facts.sources.get(ref.ask) if problem.reason in BY_A_PERSON else None
    return Refused(
        ask=ref.ask,
        revision=ref.revision,
        version=ref.version,
        source=fit(source, 1024) if source else None,
        digest=facts.digests.get(ref.ask),
        reason=problem.reason,
        message=problem.message,
        at=now,
    )


def with_refusal(state: State, refusal: Refused, facts: Facts) -> State:
    """The state with one refusal more. The one that holds back what the manifest asks for stays the one in sight."""
    held, stable = state.refused, state.stable
    stays = held is not None and refusal.ask not in (held.ask, facts.asked) and not (stable and held.ask == stable.ask)
    if stays:
        return replace(state, also_refused=_added(state.also_refused, refusal))
    others = [each for each in state.also_refused if not _is_same(each, refusal)]
    beside = held is not None and stable is not None and held.ask != stable.ask and not _is_same(held, refusal)
    return replace(state, refused=refusal, also_refused=_added(others, held) if held and beside else others)


def holding_back(state: State, asked: Asked) -> Refused | None:
    """The refusal for which what the manifest asks for is not tried."""
    if state.refused and (state.refused.ask == asked.ask or _is_same_version(state.refused, asked)):
        return state.refused
    return next((each for each in reversed(state.also_refused) if _is_same_version(each, asked)), None)


def in_sight(state: State, refusal: Refused) -> State:
    """The state with a refusal as the one that people are told of."""
    if state.refused == refusal:
        return state
    others = [each for each in state.also_refused if each != refusal]
    return replace(state, refused=refusal, also_refused=_added(others, state.refused) if state.refused else others)


def out_of_sight(state: State) -> State:
    """The state in which nothing holds back what the manifest asks for."""
    if state.refused is None:
        return state
    return replace(state, refused=None, also_refused=_added(state.also_refused, state.refused))


def still_true(state: State, asked: Asked) -> State:
    """The refusals without what has become of them: a person's word holds until the manifest asks for another version
    or source, and what serves is not refused, unless it is on its way out."""
    rollout, stable = state.rollout, state.stable
    leaves = rollout is not None and rollout.command.rollback
    serving = stable.revision if stable and stable.revision and not leaves else None
    others = [
        each if each.source is None or _is_same_version(each, asked) else each.evolve(source=None)
        for each in state.also_refused
        if serving is None or each.revision != serving
    ]
    return state if others == state.also_refused else replace(state, also_refused=others)


def lifted(state: State, refusal: Refused, *, keeps_revision: bool = False) -> State:
    """The state after somebody has a version tried again. `keeps_revision`: its own revision is still not used."""
    refused = None if state.refused == refusal else state.refused
    others = [each for each in state.also_refused if each != refusal and not _is_same_choice(each, refusal)]
    if keeps_revision:
        others = _added(others, refusal.evolve(source=None))
    return replace(state, refused=refused, also_refused=others)


def named(state: State, name: str) -> Refused | None:
    """The refusal that a request means by a revision, or by the beginning of an ask or digest."""
    before = [*([state.refused] if state.refused else ()), *reversed(state.also_refused)]
    return next((each for each in before if name in (each.revision, each.ask[:8], short(each.digest or ""))), None)


def revisions(state: State) -> frozenset[str]:
    """Those that were sent home."""
    before = (*state.also_refused, *((state.refused,) if state.refused else ()))
    return frozenset(each.revision for each in before if each.revision)


def going_home(state: State) -> frozenset[str]:
    """Those that may get no more of the traffic: the candidate on its way back, and what was sent home before. What
    serves is not among them, whatever was said of it: it answers until something else does."""
    back = state.rollout is not None and state.rollout.phase is RolloutPhase.ROLLING_BACK
    candidate = {state.candidate.revision} if back and state.candidate and state.candidate.revision else set()
    return (revisions(state) | candidate) - {state.stable.revision if state.stable else None}


def to_forget(others: Sequence[Refused]) -> frozenset[str]:
    """Revisions that are remembered no longer than history holds them."""
    return frozenset(each.revision for each in others[:-REMEMBERED] if each.revision)


def kept(others: Sequence[Refused], held: frozenset[str]) -> list[Refused]:
    """The latest refusals, and older ones whose revision history still `held`."""
    older = [each for each in others[:-REMEMBERED] if each.revision in held]
    return [*older, *others[-REMEMBERED:]][-STORED:]


def _added(others: Sequence[Refused], refusal: Refused) -> list[Refused]:
    """Without a revision there is nothing that could come back, unless a person's word holds."""
    rest = [each for each in others if not _is_same(each, refusal)]
    return [*rest, refusal][-STORED:] if refusal.revision or refusal.source else rest


def _is_same(one: Refused, other: Refused) -> bool:
    return (one.ask, one.revision) == (other.ask, other.revision)


def _is_same_version(refusal: Refused, asked: Asked) -> bool:
    """Whether a person sent home this version of this source."""
    return refusal.source is not None and (refusal.version, refusal.source) == (asked.version, asked.source)


def _is_same_choice(one: Refused, other: Refused) -> bool:
    return one.source is not None and (one.version, one.source) == (other.version, other.source)
