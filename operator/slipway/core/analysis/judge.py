"""The verdict over the rounds of an analysis: it goes on, passes, fails, or cannot tell.

A round is as bad as its worst measurement. Rounds that say nothing are not counted towards `count`, but made again,
`inconclusiveLimit` times at most: an analysis that saw nothing never passes.
"""

from collections.abc import Sequence
from datetime import datetime

from slipway.api.scalars import duration
from slipway.api.v1alpha1.analysis import (
    MEASUREMENTS,
    Analysis,
    AnalysisPhase,
    AnalysisStatus,
    Measurement,
    MeasurementOutcome,
    OnInconclusive,
)
from slipway.core.analysis.outcome import worst
from slipway.core.body import one_more
from slipway.core.reasons import fit


def begun(analysis: Analysis, now: datetime) -> AnalysisStatus:
    """An analysis that starts now. Its first round looks back on one interval, so it is due after one."""
    return AnalysisStatus(
        phase=AnalysisPhase.RUNNING,
        started_at=now,
        next_at=now + duration(analysis.interval),
        message=f"first measurement in {analysis.interval}",
    )


def is_due(status: AnalysisStatus, now: datetime) -> bool:
    """Whether a round is to be made."""
    return status.phase is AnalysisPhase.RUNNING and status.next_at is not None and now >= status.next_at


def judge(
    analysis: Analysis, status: AnalysisStatus, round_: Sequence[Measurement], now: datetime, *, endless: bool = False
) -> AnalysisStatus:
    """The analysis with one round more. `endless`: in the background, where nothing but the rollout's end ends it."""
    if not round_ or not is_due(status, now):
        return status
    outcome = worst([each.outcome for each in round_])
    runs = one_more(status.runs)
    failures, inconclusives = status.failures, status.inconclusives
    if outcome is MeasurementOutcome.FAILURE:
        failures = one_more(failures)
    if outcome is MeasurementOutcome.INCONCLUSIVE:
        inconclusives = one_more(inconclusives)
    phase = _phase(analysis, runs, failures, inconclusives, endless=endless)
    quoted = " · ".join(each.message for each in round_ if each.outcome is outcome)
    return AnalysisStatus(
        phase=phase,
        started_at=status.started_at,
        next_at=now + duration(analysis.interval) if phase is AnalysisPhase.RUNNING else None,
        runs=runs,
        failures=failures,
        inconclusives=inconclusives,
        message=fit(f"{_tally(analysis, runs, failures, inconclusives, outcome)}: {quoted}"),
        measurements=[*status.measurements, *round_][-MEASUREMENTS:],
    )


def _phase(analysis: Analysis, runs: int, failures: int, inconclusives: int, *, endless: bool) -> AnalysisPhase:
    if failures > analysis.failure_limit:
        return AnalysisPhase.FAILED
    if inconclusives > analysis.inconclusive_limit:
        pauses = analysis.on_inconclusive is OnInconclusive.PAUSE
        return AnalysisPhase.INCONCLUSIVE if pauses else AnalysisPhase.FAILED
    if not endless and runs - inconclusives >= analysis.count:
        return AnalysisPhase.PASSED
    return AnalysisPhase.RUNNING


def _tally(analysis: Analysis, runs: int, failures: int, inconclusives: int, outcome: MeasurementOutcome) -> str:
    """The counts that the verdict hangs on."""
    if outcome is MeasurementOutcome.FAILURE:
        return f"round {runs} failed, {failures} in all (failureLimit {analysis.failure_limit})"
    if outcome is MeasurementOutcome.INCONCLUSIVE:
        return f"round {runs} says nothing, {inconclusives} in all (inconclusiveLimit {analysis.inconclusive_limit})"
    return f"round {runs} passed, {runs - inconclusives} of {analysis.count} with a result"
