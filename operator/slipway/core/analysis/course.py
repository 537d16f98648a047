"""The course of an analysis: it begins, waits for its looks, and is judged round by round.

status = advanced(analysis, status, evidence, candidate, stable, now)
looks_at(status, evidence)      when the shell is to look, for Look.at
"""

from datetime import datetime

from slipway.api.scalars import duration
from slipway.api.v1alpha1.analysis import Analysis, AnalysisStatus
from slipway.core.analysis.judge import begun, is_due, judge
from slipway.core.analysis.measure import Contender, measure
from slipway.core.observed.evidence import Evidence


def advanced(
    analysis: Analysis,
    status: AnalysisStatus | None,
    evidence: Evidence | None,
    *,
    candidate: Contender,
    stable: Contender,
    now: datetime,
    endless: bool = False,
) -> AnalysisStatus:
    """The analysis as far as it can be told now. Without a look that is recent enough it stays as it is."""
    if status is None:
        return begun(analysis, now)
    if not is_due(status, now) or evidence is None or (status.next_at and evidence.after.at < status.next_at):
        return status
    if evidence.before is None and any(metric.built_in for metric in analysis.metrics):
        # The operator has started since, and knows no earlier look: its fault, not a round that says nothing.
        return status.evolve(next_at=evidence.after.at + duration(analysis.interval))
    round_ = [measure(metric, evidence, candidate, stable) for metric in analysis.metrics]
    return judge(analysis, status, round_, now, endless=endless)


def looks_at(status: AnalysisStatus, evidence: Evidence | None) -> datetime | None:
    """When a look is due: at once for the first one, then with each round; None when all is said."""
    if status.next_at is None:
        return None
    return status.started_at if evidence is None else status.next_at
