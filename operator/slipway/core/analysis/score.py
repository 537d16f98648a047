"""Scores: how good a candidate's answers to labelled rows are, held to a limit and to what stable reaches on the same.

Of several pods the candidate's worst counts and stable's best. Where one could not be asked, what the others show may
condemn and not acquit; without any, nothing is said. A pod whose rows are still being asked is left out.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from slipway.api.v1alpha1.analysis import MeasurementOutcome, Metric
from slipway.core.analysis.outcome import Check, held, worst
from slipway.core.observed.evidence import Score, Scores

_NOISE: Final = 1e-6
"""Of floats that are added up in another order: a candidate that is equal has not dropped."""


def scored(metric: Metric, scores: Scores, candidate: str, stable: str) -> Check:
    """The outcome, and the sentence with the numbers. `candidate` and `stable` are versions."""
    if not metric.score:
        raise ValueError(f"{metric.name}: is no score")
    numbers = _measured(scores.candidate)
    if not numbers:
        return MeasurementOutcome.INCONCLUSIVE, f"{candidate}: {scores.trouble or _trouble(scores.candidate)}"
    sign = -1 if metric.score.metric.less_is_better else 1
    number = min(numbers, key=lambda each: sign * _value(each))
    checks = list(_checks(metric, number, scores, stable, sign))
    outcome = worst([each for each, _ in checks])
    words = ", ".join(words for each, words in checks if each is outcome)
    value, rows = _shown(number), f"{number.rows} labelled row{'' if number.rows == 1 else 's'}"
    return outcome, f"{candidate}: {metric.score.metric} {value}, {words} ({rows}, {number.pod})"


def pending(scores: Scores) -> str:
    """What is still being asked, or nothing."""
    waits = [each.pod for each in (*scores.candidate, *scores.stable) if each.pending]
    return f"{', '.join(waits)}: labelled rows are still being asked" if waits else ""


def _checks(metric: Metric, number: Score, scores: Scores, stable: str, sign: int) -> Iterator[Check]:
    value = _value(number)
    if metric.min is not None:
        yield held(value >= float(metric.min)), f"at least {metric.min}"
    if metric.max is not None:
        yield held(value <= float(metric.max)), f"at most {metric.max}"
    if metric.max_drop is not None:
        yield _drop_check(metric.max_drop, number, scores.stable, stable, sign)
    if any(each.value is None and not each.pending for each in scores.candidate):
        yield MeasurementOutcome.INCONCLUSIVE, _trouble(scores.candidate)


def _drop_check(limit: str, number: Score, stable: Sequence[Score], version: str, sign: int) -> Check:
    numbers = _measured(stable)
    if not numbers:
        return MeasurementOutcome.INCONCLUSIVE, f"nothing to compare with: {version}: {_trouble(stable)}"
    others = [each for each in numbers if each.digest != number.digest]
    if others:
        return MeasurementOutcome.INCONCLUSIVE, (
            f"nothing to compare with: {version} has other labelled rows ({others[0].digest[:12]}) than these "
            f"({number.digest[:12]}); give both versions the same, by score.configMapName or in their bundles"
        )
    best = max(numbers, key=lambda each: sign * _value(each))
    dropped = sign * (_value(best) - _value(number))
    way = "drop" if sign > 0 else "rise"
    within = dropped <= float(limit) + _NOISE
    return held(within), f"{_shown(best)} in the version that serves, may {way} by {limit}"


def _measured(scores: Sequence[Score]) -> list[Score]:
    return [each for each in scores if each.value is not None]


def _trouble(scores: Sequence[Score]) -> str:
    """Why there is no number, of a pod that has ended sooner than of one that is still being asked."""
    without = sorted((each for each in scores if each.value is None), key=lambda each: each.pending)
    words = [f"{each.pod}: {each.trouble or 'labelled rows are still being asked'}" for each in without]
    return words[0] if words else "has no pod that could be asked"


def _value(score: Score) -> float:
    return float("nan") if score.value is None else score.value


def _shown(score: Score) -> str:
    return f"{score.value:.4g}"
