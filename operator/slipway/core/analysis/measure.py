"""Measurements: one metric's number for candidate and stable, held to its conditions, in a sentence that quotes it.

Whatever keeps a number from being known makes it Inconclusive, in words of its own; never a Success. What is known to
break a condition is a Failure even where something else is not known.
"""

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from slipway.api.v1alpha1.analysis import BuiltIn, Measurement, MeasurementOutcome, Metric
from slipway.core.analysis.answers import compare, refused
from slipway.core.analysis.chance import may_be_chance
from slipway.core.analysis.window import Window, window
from slipway.core.observed.evidence import NO_GOLDEN, Evidence, Golden, Reading, Readings, Trials
from slipway.core.reasons import fit
from slipway.triton.metrics import KEEP_LATENCIES, QUANTILE_SECONDS

LONGEST: Final = 1024
_QUANTILES: Final = {BuiltIn.LATENCY_P50: 0.5, BuiltIn.LATENCY_P90: 0.9, BuiltIn.LATENCY_P99: 0.99}


@dataclass(frozen=True, kw_only=True)
class Contender:
    """A revision in an analysis."""

    revision: str
    version: str
    golden: Golden = NO_GOLDEN


@dataclass(frozen=True, kw_only=True)
class Number:
    """A number and what it was made from; or why there is none."""

    value: float = math.nan
    shown: str = ""
    """The number as people read it."""
    trouble: str = ""
    counts: tuple[float, float] | None = None
    """Failures and requests, where the number is one by the other."""
    doubt: str = ""
    """Why it may not be the whole truth: it can condemn, and not acquit."""


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A metric's numbers."""

    candidate: Number
    stable: Number


NOT_ASKED: Final = Number(trouble="was not asked")


def measure(metric: Metric, evidence: Evidence, candidate: Contender, stable: Contender) -> Measurement:
    """One metric of one round."""
    outcome, says = _verdict(metric, _pair(metric, evidence, candidate, stable), candidate.version, stable.version)
    return Measurement(
        metric=metric.name, at=evidence.after.at, outcome=outcome, message=fit(f"{metric.name}: {says}", LONGEST)
    )


def told(evidence: Evidence, of: Contender, *asked: BuiltIn) -> str:
    """When numbers of one revision were seen, and they in words, held to nothing. What keeps several from being known
    is said once."""
    numbers = [_counted(built_in, evidence, of, probed=True) for built_in in asked]
    notes = (words for number in numbers for words in (number.trouble or number.shown, number.doubt) if words)
    return fit(f"at {evidence.after.at:%H:%M:%S} UTC: {'; '.join(dict.fromkeys(notes))}", LONGEST)


# -- conditions

_Check = tuple[MeasurementOutcome, str]
_WORST_FIRST: Final = (MeasurementOutcome.FAILURE, MeasurementOutcome.INCONCLUSIVE, MeasurementOutcome.SUCCESS)


def worst(outcomes: Collection[MeasurementOutcome]) -> MeasurementOutcome:
    """The one that counts of several; there must be one."""
    return next(outcome for outcome in _WORST_FIRST if outcome in outcomes)


def _verdict(metric: Metric, pair: Pair, version: str, stable: str) -> _Check:
    number = pair.candidate
    if number.trouble:
        return MeasurementOutcome.INCONCLUSIVE, f"{version}: {number.trouble}"
    checks = list(_checks(metric, pair, stable))
    outcome = worst([each for each, _ in checks])
    words = ", ".join(words for each, words in checks if each is outcome)
    return outcome, f"{version}: {number.shown}; {words}"


def _checks(metric: Metric, pair: Pair, stable: str) -> Iterator[_Check]:
    value = pair.candidate.value
    highest = "0" if metric.answers and metric.max is None else metric.max
    if highest is not None:
        within = value <= float(highest)
        yield _outcome(within), f"{'not ' if within else ''}above max {highest}"
    if metric.min is not None:
        enough = value >= float(metric.min)
        yield _outcome(enough), f"{'not ' if enough else ''}below min {metric.min}"
    if metric.max_ratio is not None:
        yield _ratio_check(pair, float(metric.max_ratio), stable)
    if pair.candidate.doubt:
        yield MeasurementOutcome.INCONCLUSIVE, pair.candidate.doubt


def _outcome(held: bool) -> MeasurementOutcome:
    return MeasurementOutcome.SUCCESS if held else MeasurementOutcome.FAILURE


def _ratio_check(pair: Pair, ratio: float, version: str) -> _Check:
    candidate, stable = pair.candidate, pair.stable
    if stable.trouble:
        return MeasurementOutcome.INCONCLUSIVE, f"nothing to compare with: {version}: {stable.trouble}"
    beside = f"above {ratio:g} times {version}'s ({stable.shown})"
    if candidate.value <= ratio * stable.value:
        return MeasurementOutcome.SUCCESS, f"not {beside}"
    if candidate.counts and stable.counts and may_be_chance(candidate.counts, stable.counts, ratio):
        return MeasurementOutcome.INCONCLUSIVE, f"{beside}, which so few failures may be by chance"
    return MeasurementOutcome.FAILURE, beside


# -- numbers


def _pair(metric: Metric, evidence: Evidence, candidate: Contender, stable: Contender) -> Pair:
    if metric.prometheus:
        readings = evidence.readings.get(metric.name) or Readings(candidate=Reading(trouble="the query was not asked"))
        return Pair(
            candidate=_read(readings.candidate), stable=_read(readings.stable) if readings.stable else NOT_ASKED
        )
    if metric.answers:
        trials = evidence.trials.get(metric.name) or Trials(trouble="no requests were asked")
        return Pair(candidate=_differing(trials, float(metric.answers.tolerance)), stable=NOT_ASKED)
    built_in = metric.built_in or BuiltIn.REQUESTS
    return Pair(
        candidate=_counted(built_in, evidence, candidate, probed=True),
        stable=_counted(built_in, evidence, stable, probed=False),
    )


def _read(reading: Reading) -> Number:
    if reading.value is None:
        return Number(trouble=reading.trouble or "Prometheus was not asked")
    if not math.isfinite(reading.value):
        return Number(trouble=f"Prometheus says {reading.value}, which is no number to go by")
    return Number(value=reading.value, shown=f"{reading.value:g}")


def _differing(trials: Trials, tolerance: float) -> Number:
    if trials.trouble or not trials.trials:
        return Number(trouble=trials.trouble or "no requests were asked")
    comparisons = [trial.comparison or compare(trial, tolerance) for trial in trials.trials]
    differ = [each.differs for each in comparisons if each.differs]
    unknown = [each.unknown for each in comparisons if each.unknown]
    if len(unknown) == len(comparisons):
        return Number(trouble=unknown[0])
    compared = len(comparisons) - len(unknown)
    shown = f"{len(differ)} of {compared} answers differ from stable's" + (f" ({differ[0]})" if differ else "")
    return Number(value=len(differ) / compared, shown=shown, doubt=unknown[0] if unknown else "")


def _counted(built_in: BuiltIn, evidence: Evidence, of: Contender, *, probed: bool) -> Number:
    if evidence.before is None:
        return Number(trouble="counters have been read once so far, and it takes two looks")
    totals = window(evidence.before, evidence.after, of.revision, golden=of.golden, asked=evidence.asked)
    if not totals.pods:
        return Number(trouble=totals.missing[0] if totals.missing else "no pod was there at both looks")
    number = _number(built_in, totals, evidence.trials if probed else {})
    # Pods that could not be looked at may be the bad ones.
    return replace(number, doubt=f"not measured: {', '.join(totals.missing)}") if totals.missing else number


def _number(built_in: BuiltIn, totals: Window, trials: Mapping[str, Trials]) -> Number:
    if built_in is BuiltIn.REQUESTS:
        return Number(value=totals.requests, shown=f"{totals.requests:g} requests in {_seconds(totals)}")
    if not totals.requests:
        own = " but Slipway's own" if totals.own else ""
        return Number(trouble=f"no requests{own} in {_seconds(totals)}")
    if built_in is BuiltIn.ERROR_RATE:
        return _error_rate(totals, trials)
    return _queue_time(totals) if built_in is BuiltIn.QUEUE_TIME else _latency(totals, _QUANTILES[built_in])


def _error_rate(totals: Window, trials: Mapping[str, Trials]) -> Number:
    """Of what Triton counted, the failed part; and of what is left, the part that our own requests saw answered 5xx:
    not every failure is in a counter (triton/metrics.py)."""
    counted = totals.failures / totals.requests
    shown = f"{totals.failures:g} of {totals.requests:g} requests failed in {_seconds(totals)}"
    if totals.failed:
        shown += " (" + ", ".join(f"{reason} {count:g}" for reason, count in totals.failed.items()) + ")"
    failing, asked = refused([trial for each in trials.values() for trial in each.trials])
    rate = counted
    if failing:
        rate = counted + (1 - counted) * failing / asked
        shown += f" and {failing} of {asked} of Slipway's own were answered 5xx"
    counts = None if failing else (totals.failures, totals.requests)
    return Number(value=rate, shown=f"{shown}, {rate:.2%}", counts=counts)


def _queue_time(totals: Window) -> Number:
    answered = totals.succeeded + totals.own
    if not answered:
        return Number(trouble="no request was answered, so none has a time in the queue")
    mean = totals.queue_milliseconds / answered
    return Number(value=mean, shown=f"{mean:.3g} ms in the queue over {answered:g} requests")


def _latency(totals: Window, quantile: float) -> Number:
    if not totals.keeps_quantiles:
        return Number(trouble=f"its servers keep no latencies: they run without {KEEP_LATENCIES}")
    worst = totals.slowest.get(quantile)
    if worst is None:
        return Number(trouble=f"no pod has a p{quantile * 100:g} of the last {QUANTILE_SECONDS} s")
    shown = f"p{quantile * 100:g} {worst.milliseconds:.3g} ms on its slowest pod {worst.pod}"
    return Number(value=worst.milliseconds, shown=shown)


def _seconds(totals: Window) -> str:
    return f"{round(totals.length.total_seconds(), 1):g} s"
