"""Requests that a gateway copies to a candidate: what became of them, for people to read.

It decides nothing. That is what an analysis is for, and while one runs it measures them.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from slipway.api.v1alpha1.analysis import BuiltIn
from slipway.api.v1alpha1.status import CanaryStatus, RolloutStatus
from slipway.core.analysis.measure import numbers_in_words
from slipway.core.observed.evidence import Evidence
from slipway.core.rollout.analysis_gate import contender
from slipway.core.rollout.state import Facts, State

LOOK_EVERY: Final = timedelta(seconds=30)
_MEASURED: Final = (BuiltIn.ERROR_RATE, BuiltIn.LATENCY_P50, BuiltIn.LATENCY_P99)


def topic(revision: str) -> str:
    """What the looks are kept under."""
    return f"{revision}/shadow"


def is_measured(rollout: RolloutStatus) -> bool:
    """Whether requests are mirrored that nothing else measures."""
    canary = rollout.canary
    if canary is None or not canary.shadow or rollout.clock.paused_at:
        return False
    return canary.analysis is None or canary.analysis.next_at is None


def look_due(evidence: Evidence | None, now: datetime) -> datetime:
    """When to look at the candidate's counters again."""
    return evidence.after.at + LOOK_EVERY if evidence else now


def measured(state: State, facts: Facts) -> State:
    """The rollout with what the last two looks say. One look alone counts nothing, and what was said goes with the
    shadow, or when an analysis begins."""
    rollout, candidate = state.rollout, state.candidate
    canary = rollout.canary if rollout else None
    if not (rollout and canary and candidate) or rollout.clock.paused_at:
        return state
    if not is_measured(rollout):
        return _telling(state, rollout, canary, None)
    evidence = facts.evidence.get(topic(candidate.revision or ""))
    if evidence is None or evidence.before is None:
        return state
    return _telling(state, rollout, canary, numbers_in_words(evidence, contender(candidate, facts), *_MEASURED))


def _telling(state: State, rollout: RolloutStatus, canary: CanaryStatus, words: str | None) -> State:
    return replace(state, rollout=rollout.evolve(canary=canary.evolve(mirrored=words)))
