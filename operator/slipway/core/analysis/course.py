"""The course of an analysis: it begins, waits for its looks, and is judged round by round.

status = advanced(analysis, status, evidence, candidate, stable, now)
looks_at(status, evidence)      when the shell is to look, for Look.at
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from slipway.api.scalars import duration
from slipway.api.v1alpha1.analysis import Analysis, AnalysisStatus
from slipway.core.analysis.judge import begun, is_due, judge
from slipway.core.analysis.measure import Contender, measure
from slipway.core.analysis.score import pending
from slipway.core.observed.evidence import Evidence

ASK_AGAIN: Final = timedelta(seconds=10)
"""Whether labelled rows have been asked."""
LONGEST_ASKED: Final = timedelta(minutes=15)
"""Then a round is made of what there is. A guard gives up after ten minutes (guard/scoring.py)."""


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
    if missed := _missed(analysis, evidence, candidate, stable):
        again = f"pods of {missed.version} were replaced since the last look; measured anew in {analysis.interval}"
        return status.evolve(next_at=evidence.after.at + duration(analysis.interval), message=again)
    if waits := _pending(evidence, status, now):
        # How long rows take has nothing to do with the interval.
        return status.evolve(next_at=evidence.after.at + min(duration(analysis.interval), ASK_AGAIN), message=waits)
    round_ = [measure(metric, evidence, candidate, stable) for metric in analysis.metrics]
    return judge(analysis, status, round_, now, endless=endless)


def compared_with(previous: Evidence | None) -> Evidence | None:
    """What the next look is compared with. While labelled rows are asked no round is made, so what is counted meanwhile
    belongs to the next one: the looks at that time are left out."""
    if previous is None or previous.before is None or not any(map(pending, previous.scores.values())):
        return previous
    if previous.after.at - previous.before.at >= LONGEST_ASKED:
        return previous
    return replace(previous, history=previous.history[:-1], guards=previous.guards[:-1])


def _pending(evidence: Evidence, status: AnalysisStatus, now: datetime) -> str:
    """What labelled rows are still being asked; not for longer than an analysis may wait for them."""
    waits = next((words for scores in evidence.scores.values() if (words := pending(scores))), "")
    return waits if now < status.started_at + LONGEST_ASKED else ""


def _missed(analysis: Analysis, evidence: Evidence, candidate: Contender, stable: Contender) -> Contender | None:
    """Who has no pod that was there at both looks, for which the candidate can do nothing: its own were replaced by
    others, as a server that ends starts again in its pod; or those that it is compared with."""
    if evidence.before is None:
        return None
    earlier, later = (
        {sample.pod: sample.revision for sample in look.pods} for look in (evidence.before, evidence.after)
    )
    stay = {revision for pod, revision in later.items() if pod in earlier}
    compared = any(metric.built_in and metric.max_ratio is not None for metric in analysis.metrics)
    if compared and stable.revision not in stay:
        return stable
    own = candidate.revision
    replaced = own in earlier.values() and own in later.values() and own not in stay
    return candidate if replaced and any(metric.built_in for metric in analysis.metrics) else None


def looks_at(status: AnalysisStatus, evidence: Evidence | None) -> datetime | None:
    """When a look is due: at once for the first one, then with each round; None when all is said."""
    if status.next_at is None:
        return None
    return status.started_at if evidence is None else status.next_at
