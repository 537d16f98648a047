"""A canary's analysis: judged with each look that has come in, and what follows from it for the rollout.

It belongs to the steps: rollout/canary.py begins it, and goes no further while it has not passed. What is to be looked
at for it says core/looks.py.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from slipway.api.v1alpha1.analysis import AnalysisPhase, AnalysisStatus
from slipway.api.v1alpha1.status import CanaryStatus, RevisionRef, RolloutStatus
from slipway.core.analysis.course import advanced
from slipway.core.analysis.measure import Contender
from slipway.core.analysis.samples import NO_GOLDEN
from slipway.core.plan import Note
from slipway.core.reasons import Finding, Reason, finding
from slipway.core.rollout.gates import Policy
from slipway.core.rollout.state import Facts, State


def topic(revision: str, status: AnalysisStatus) -> str:
    """What the looks for an analysis are kept under: those for an earlier one count for nothing."""
    return f"{revision}/analysis-{status.started_at:%Y%m%dT%H%M%S}"


def analysed(state: State, facts: Facts, policy: Policy, now: datetime) -> tuple[State, tuple[Note, ...]]:
    """The rollout with its analysis as far as it can be told now, and what there is to tell of it."""
    rollout, candidate, stable = state.rollout, state.candidate, state.stable
    canary = rollout.canary if rollout else None
    if not (rollout and canary and canary.analysis and policy.analysis and candidate and stable):
        return state, ()
    if rollout.paused_at or rollout.waiting_since:
        return state, ()
    before = canary.analysis
    after = advanced(
        policy.analysis,
        before,
        facts.evidence.get(topic(candidate.revision or "", before)),
        candidate=_contender(candidate, facts),
        stable=_contender(stable, facts),
        now=now,
        endless=policy.in_background,
    )
    if after == before:
        return state, ()
    status = canary.model_copy(update={"analysis": after})
    known = replace(state, rollout=rollout.model_copy(update={"canary": status}))
    return known, tuple(_told(candidate, before, after))


def failure(rollout: RolloutStatus, candidate: RevisionRef | None) -> Finding | None:
    """An analysis that failed, as a finding about the revision."""
    seen = rollout.canary.analysis if rollout.canary else None
    if candidate is None or seen is None or seen.phase is not AnalysisPhase.FAILED:
        return None
    weight = rollout.canary.weight if rollout.canary else 0
    return finding(Reason.ANALYSIS_FAILED, f"{candidate.version}: at {weight} %: {seen.message}")


def holds(status: CanaryStatus, policy: Policy) -> bool:
    """Whether the step that is being made has to wait for the analysis."""
    seen, analysis = status.analysis, policy.analysis
    if seen is None or analysis is None or seen.phase is AnalysisPhase.PASSED:
        return False
    if seen.phase is not AnalysisPhase.RUNNING or not policy.in_background:
        return True
    last = status.step == len(policy.canary_steps) - 1
    return last and seen.runs - seen.inconclusives < analysis.count


def wait(status: CanaryStatus, policy: Policy, candidate: RevisionRef) -> Finding | None:
    """What is waited for, in words."""
    seen = status.analysis
    if seen is None or not holds(status, policy):
        return None
    said = f"{candidate.version}: step {status.step + 1} of {len(policy.canary_steps)}: analysis at {status.weight} %"
    if seen.phase is AnalysisPhase.INCONCLUSIVE:
        ways = f"promote/{candidate.revision} goes on, abort/{candidate.revision} sends it home"
        return finding(Reason.ANALYSIS_INCONCLUSIVE, f"{said}: {seen.message}; {ways}")
    return finding(Reason.ANALYSIS_RUNNING, f"{said}: {seen.message}")


def _contender(ref: RevisionRef, facts: Facts) -> Contender:
    revision = ref.revision or ""
    return Contender(revision=revision, version=ref.version, golden=facts.golden.get(revision, NO_GOLDEN))


def _told(candidate: RevisionRef, before: AnalysisStatus, after: AnalysisStatus) -> Iterator[Note]:
    """An Event for a verdict, and for each round that was no success. What failed is told with the refusal."""
    message = f"{candidate.version}: {after.message}"
    if after.phase is AnalysisPhase.PASSED:
        yield Note(reason=Reason.ANALYSIS_PASSED, message=message)
    elif after.phase is AnalysisPhase.RUNNING and (after.failures, after.inconclusives) != (
        before.failures,
        before.inconclusives,
    ):
        yield Note(reason=Reason.ANALYSIS_RUNNING, message=message, warning=True)
