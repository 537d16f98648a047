"""Measurements: one metric's number for candidate and stable, held to its conditions, in a sentence that quotes it.

Whatever keeps a number from being known makes it Inconclusive, in words of its own; never a Success. What is known to
break a condition is a Failure even where something else is not known.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from slipway.api.v1alpha1.analysis import BuiltIn, Measurement, MeasurementOutcome, Metric
from slipway.core.analysis.answers import compare, refused
from slipway.core.analysis.chance import may_be_chance
from slipway.core.analysis.outcome import Check, worst
from slipway.core.analysis.score import scored
from slipway.core.analysis.window import Window, window
from slipway.core.observed.evidence import NO_GOLDEN, Evidence, Golden, Reading, Readings, Scores, Trials
from slipway.core.reasons import fit
from slipway.triton.metrics import KEEP_LATENCIES, QUANTILE_SECONDS, QUANTILES

LONGEST: Final = 1024
_MAY_BE: Final = "as some requests may be Slipway's own, perhaps"
_NEGLIGIBLE: Final = 0.05
_QUANTILES: Final = {BuiltIn.LATENCY_P50: 0.5, BuiltIn.LATENCY_P90: 0.9, BuiltIn.LATENCY_P99: 0.99}
_READ: Final = ", ".join(f"{each:g}" for each in sorted(QUANTILES))


@dataclass(frozen=True, kw_only=True)
class Contender:
    """A revision in an analysis."""

    revision: str
    version: str
    golden: Golden = NO_GOLDEN


@dataclass(frozen=True, kw_only=True)
class Number:
    """A number, as a lowest and a highest, and what it was made from; or why there is none."""

    low: float = math.nan
    high: float = math.nan
    shown: str = ""
    """The number as people read it."""
    trouble: str = ""
    failures: float | None = None
    """Where the number is failures by requests."""
    requests: tuple[float, float] = (0, 0)
    """The fewest and the most that there may have been, of those failures."""
    doubt: str = ""
    """Why it may not be the whole truth: it can condemn, and not acquit."""

    @classmethod
    def exactly(cls, value: float, shown: str, *, doubt: str = "") -> "Number":
        """A number that is known exactly."""
        return cls(low=value, high=value, shown=shown, doubt=doubt)


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A metric's numbers."""

    candidate: Number
    stable: Number


NOT_ASKED: Final = Number(trouble="was not asked")


def measure(metric: Metric, evidence: Evidence, candidate: Contender, stable: Contender) -> Measurement:
    """One metric of one round."""
    if metric.score:
        scores = evidence.scores.get(metric.name) or Scores(trouble="no labelled rows were asked")
        outcome, says = scored(metric, scores, candidate.version, stable.version)
    else:
        outcome, says = _verdict(metric, _pair(metric, evidence, candidate, stable), candidate.version, stable.version)
    return Measurement(
        metric=metric.name, at=evidence.after.at, outcome=outcome, message=fit(f"{metric.name}: {says}", LONGEST)
    )


def numbers_in_words(evidence: Evidence, of: Contender, *asked: BuiltIn) -> str:
    """When numbers of one revision were seen, and they in words, held to nothing. What keeps several from being known
    is said once."""
    numbers = [_counted(built_in, evidence, of, probed=True) for built_in in asked]
    notes = (words for number in numbers for words in (number.trouble or number.shown, number.doubt) if words)
    return fit(f"at {evidence.after.at:%H:%M:%S} UTC: {'; '.join(dict.fromkeys(notes))}", LONGEST)


# -- conditions


def _verdict(metric: Metric, pair: Pair, version: str, stable: str) -> Check:
    number = pair.candidate
    if number.trouble:
        return MeasurementOutcome.INCONCLUSIVE, f"{version}: {number.trouble}"
    checks = list(_checks(metric, pair, stable))
    outcome = worst([each for each, _ in checks])
    words = ", ".join(words for each, words in checks if each is outcome)
    return outcome, f"{version}: {number.shown}; {words}"


def _checks(metric: Metric, pair: Pair, stable: str) -> Iterator[Check]:
    number = pair.candidate
    highest = "0" if metric.answers and metric.max is None else metric.max
    if highest is not None:
        yield _limit_check(number.high <= float(highest), number.low > float(highest), f"above max {highest}")
    if metric.min is not None:
        yield _limit_check(number.low >= float(metric.min), number.high < float(metric.min), f"below min {metric.min}")
    if metric.max_ratio is not None:
        yield _ratio_check(pair, float(metric.max_ratio), stable)
    if number.doubt:
        yield MeasurementOutcome.INCONCLUSIVE, number.doubt


def _limit_check(within: bool, beyond: bool, words: str) -> Check:
    """The limit is held, broken, or between the lowest and the highest that the number may be."""
    if within:
        return MeasurementOutcome.SUCCESS, f"not {words}"
    return (MeasurementOutcome.FAILURE, words) if beyond else (MeasurementOutcome.INCONCLUSIVE, f"{_MAY_BE} {words}")


def _ratio_check(pair: Pair, ratio: float, version: str) -> Check:
    candidate, stable = pair.candidate, pair.stable
    if stable.trouble:
        return MeasurementOutcome.INCONCLUSIVE, f"nothing to compare with: {version}: {stable.trouble}"
    beside = f"above {ratio:g} times {version}'s ({stable.shown})"
    within, beyond = candidate.high <= ratio * stable.low, candidate.low > ratio * stable.high
    if beyond and _may_be_chance(candidate, stable, ratio):
        return MeasurementOutcome.INCONCLUSIVE, f"{beside}, which so few failures may be by chance"
    return _limit_check(within, beyond, beside)


def _may_be_chance(candidate: Number, stable: Number, ratio: float) -> bool:
    """At the numbers of requests that speak for the candidate most."""
    if candidate.failures is None or stable.failures is None:
        return False
    most, fewest = candidate.requests[1], stable.requests[0]
    return may_be_chance((candidate.failures, most), (stable.failures, fewest), ratio)


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
    return Number.exactly(reading.value, f"{reading.value:g}")


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
    return Number.exactly(len(differ) / compared, shown, doubt=unknown[0] if unknown else "")


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
    fewest, most = totals.fewest, totals.most
    if built_in is BuiltIn.REQUESTS:
        return Number(low=fewest, high=most, shown=f"{_span(fewest, most)} requests in {_seconds(totals)}")
    if not fewest:
        own = " but Slipway's own" if totals.own_most else ""
        return Number(trouble=f"no requests{own} in {_seconds(totals)}")
    if built_in is BuiltIn.ERROR_RATE:
        return _error_rate(totals, trials)
    return _queue_time(totals) if built_in is BuiltIn.QUEUE_TIME else _latency(totals, _QUANTILES[built_in])


def _error_rate(totals: Window, trials: Mapping[str, Trials]) -> Number:
    """Of what Triton counted, the failed part; and of what is left, the part that our own requests saw answered 5xx:
    not every failure is in a counter (triton/metrics.py)."""
    requests = totals.fewest, totals.most
    shown = f"{totals.failures:g} of {_span(*requests)} requests failed in {_seconds(totals)}"
    if totals.failed:
        shown += " (" + ", ".join(f"{reason} {count:g}" for reason, count in totals.failed.items()) + ")"
    failing, asked = refused([trial for each in trials.values() for trial in each.trials])
    high, low = (totals.failures / each for each in requests)
    if failing:
        low, high = (counted + (1 - counted) * failing / asked for counted in (low, high))
        shown += f" and {failing} of {asked} of Slipway's own were answered 5xx"
    rate = f"{high:.2%}" if _is_as_good_as_one(*requests) else f"{low:.2%} to {high:.2%}"
    failures = None if failing else totals.failures
    return Number(low=low, high=high, shown=f"{shown}, {rate}", failures=failures, requests=requests)


def _span(fewest: float, most: float) -> str:
    return f"{fewest:g}" if _is_as_good_as_one(fewest, most) else f"{fewest:g} to {most:g}"


def _is_as_good_as_one(fewest: float, most: float) -> bool:
    """To a reader; limits are held to both."""
    return most - fewest <= most * _NEGLIGIBLE


def _queue_time(totals: Window) -> Number:
    if not totals.succeeded:
        return Number(trouble="no request was answered, so none has a time in the queue")
    mean = totals.queue_milliseconds / totals.succeeded
    return Number.exactly(mean, f"{mean:.3g} ms in the queue over {totals.succeeded:g} requests")


def _latency(totals: Window, quantile: float) -> Number:
    if not totals.keeps_quantiles:
        why = f"they run without {KEEP_LATENCIES}, or with other quantiles than {_READ}"
        return Number(trouble=f"its servers keep no latencies: {why}")
    worst = totals.slowest.get(quantile)
    if worst is None:
        return Number(trouble=f"no pod has a p{quantile * 100:g} of the last {QUANTILE_SECONDS} s")
    shown = f"p{quantile * 100:g} {worst.milliseconds:.3g} ms on its slowest pod {worst.pod}"
    return Number.exactly(worst.milliseconds, shown)


def _seconds(totals: Window) -> str:
    return f"{round(totals.length.total_seconds(), 1):g} s"
