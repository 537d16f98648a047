"""A canary's analysis: judged with each look that has come in, and what follows from it for the rollout.

It belongs to the steps: rollout/canary.py begins it, and goes no further while it has not passed. What is to be looked
at for it says core/looks/due.py.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from slipway.api.scalars import duration
from slipway.api.v1alpha1.analysis import AnalysisPhase, AnalysisStatus
from slipway.api.v1alpha1.canary import AnalysisMode, CanaryStep
from slipway.api.v1alpha1.status import CanaryStatus, RevisionRef, RolloutStatus
from slipway.core.analysis.course import advanced
from slipway.core.analysis.measure import Contender
from slipway.core.observed.evidence import NO_GOLDEN
from slipway.core.plan import Note
from slipway.core.policy import Policy
from slipway.core.reasons import Finding, Reason, finding
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
    if rollout.clock.paused_at or rollout.clock.waiting_since:
        return state, ()
    before = canary.analysis
    after = advanced(
        policy.analysis,
        before,
        facts.evidence.get(topic(candidate.revision or "", before)),
        candidate=contender(candidate, facts),
        stable=contender(stable, facts),
        now=now,
        endless=policy.in_background,
    )
    if after == before:
        return state, ()
    state = replace(state, rollout=rollout.evolve(canary=canary.evolve(analysis=after)), analysis=after)
    return state, tuple(_notes(candidate, before, after))


def share(status: CanaryStatus, candidate: RevisionRef, facts: Facts) -> str:
    """The share of the requests that it has, and the one that was asked for where pods do not make that."""
    has = facts.shares.get(candidate.revision or "", 0)
    return f"{has} %" if has == status.weight else f"{has} % (weight: {status.weight})"


def failure(rollout: RolloutStatus, candidate: RevisionRef | None, facts: Facts) -> Finding | None:
    """An analysis that failed, as a finding about the revision."""
    run = rollout.canary.analysis if rollout.canary else None
    if candidate is None or run is None or run.phase is not AnalysisPhase.FAILED:
        return None
    at = share(rollout.canary, candidate, facts) if rollout.canary else "0 %"
    return finding(Reason.ANALYSIS_FAILED, f"{candidate.version}: at {at}: {run.message}")


def is_to_begin(status: CanaryStatus, policy: Policy) -> bool:
    """Whether an analysis should begin that has not: in its own step or, in the background, as soon as there are
    requests to measure."""
    if status.analysis is not None or policy.analysis is None:
        return False
    if AnalysisMode.BACKGROUND not in [step.analysis for step in policy.canary_steps[: status.step + 1]]:
        return _step(status, policy).analysis is AnalysisMode.INLINE
    return bool(status.weight or status.shadow) or _is_last(status, policy)


def holds(status: CanaryStatus, policy: Policy) -> bool:
    """Whether the step that is being made has to wait for the analysis."""
    run, analysis = status.analysis, policy.analysis
    if analysis is None or (run and run.phase in (AnalysisPhase.PASSED, AnalysisPhase.ENDED)):
        return False
    if policy.in_background and (run is None or run.phase is AnalysisPhase.RUNNING):
        return _is_last(status, policy) and (run is None or run.runs - run.inconclusives < analysis.count)
    return run is not None or is_to_begin(status, policy)


def _step(status: CanaryStatus, policy: Policy) -> CanaryStep:
    """The step that is being made; one that asks for nothing where all are."""
    return policy.canary_steps[status.step] if status.step < len(policy.canary_steps) else CanaryStep()


def _is_last(status: CanaryStatus, policy: Policy) -> bool:
    return status.step == len(policy.canary_steps) - 1


def ended(run: AnalysisStatus | None, policy: Policy) -> AnalysisStatus | None:
    """The analysis once nobody waits for its verdict any more: it asks for no further round."""
    if run is None or run.phase not in (AnalysisPhase.RUNNING, AnalysisPhase.INCONCLUSIVE):
        return run
    enough = policy.in_background and policy.analysis and run.runs - run.inconclusives >= policy.analysis.count
    phase = AnalysisPhase.PASSED if enough else AnalysisPhase.ENDED
    return run.evolve(phase=phase, next_at=None)


def rested(run: AnalysisStatus | None) -> AnalysisStatus | None:
    """The analysis with no round due: what was counted until now is not of the time that comes."""
    return run.evolve(next_at=None) if run and run.phase is AnalysisPhase.RUNNING else run


def gone_on(run: AnalysisStatus, policy: Policy, now: datetime) -> AnalysisStatus:
    """The analysis that stood still, and is measured again from now on."""
    rests = run.phase is AnalysisPhase.RUNNING and run.next_at is None
    return run.evolve(next_at=now + duration(policy.analysis.interval)) if rests and policy.analysis else run


def accepted(rollout: RolloutStatus) -> RolloutStatus:
    """The rollout in which nobody waits any more for an analysis that failed."""
    canary = rollout.canary
    if canary is None or canary.analysis is None or canary.analysis.phase is not AnalysisPhase.FAILED:
        return rollout
    return rollout.evolve(canary=canary.evolve(analysis=canary.analysis.evolve(phase=AnalysisPhase.ENDED)))


def tried_anew(rollout: RolloutStatus) -> RolloutStatus:
    """The rollout that makes an analysis that failed once more."""
    canary = rollout.canary
    if canary is None or canary.analysis is None or canary.analysis.phase is not AnalysisPhase.FAILED:
        return rollout
    return rollout.evolve(canary=canary.evolve(analysis=None))


def of_rollout(rollout: RolloutStatus | None) -> AnalysisStatus | None:
    """The analysis that a rollout is in, or was in last."""
    return rollout.canary.analysis if rollout and rollout.canary else None


def wait(status: CanaryStatus, policy: Policy, candidate: RevisionRef, facts: Facts) -> Finding | None:
    """What is waited for, in words."""
    run = status.analysis
    if run is None or not holds(status, policy):
        return None
    place = f"step {status.step + 1} of {len(policy.canary_steps)}"
    message = f"{candidate.version}: {place}: analysis at {share(status, candidate, facts)}"
    if run.phase is AnalysisPhase.INCONCLUSIVE:
        ways = f"promote/{candidate.revision} goes on, abort/{candidate.revision} sends it home"
        return finding(Reason.ANALYSIS_INCONCLUSIVE, f"{message}: {run.message}; {ways}")
    return finding(Reason.ANALYSIS_RUNNING, f"{message}: {run.message}")


def contender(ref: RevisionRef, facts: Facts) -> Contender:
    """A revision as measurements know it."""
    revision = ref.revision or ""
    return Contender(revision=revision, version=ref.version, golden=facts.golden.get(revision, NO_GOLDEN))


def _notes(candidate: RevisionRef, before: AnalysisStatus, after: AnalysisStatus) -> Iterator[Note]:
    """An Event for a verdict, and for each round that was no success. What failed is told with the refusal."""
    message = f"{candidate.version}: {after.message}"
    if after.phase is AnalysisPhase.PASSED:
        yield Note(reason=Reason.ANALYSIS_PASSED, message=message)
    elif after.phase is AnalysisPhase.RUNNING and (after.failures, after.inconclusives) != (
        before.failures,
        before.inconclusives,
    ):
        yield Note(reason=Reason.ANALYSIS_RUNNING, message=message, warning=True)
