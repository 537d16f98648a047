"""Answers: does the candidate answer as stable does, but for the tolerance and for what stable differs by from itself?

A GPU that sums in another order gives other digits each time. So stable is asked everything twice, and its largest
difference from itself in a tensor is allowed to the candidate there, on top of the tolerance.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from slipway.core.observed.evidence import Answer, Comparison, Output, Trial

FLOATS: Final = frozenset({"FP16", "BF16", "FP32", "FP64"})

Element = float | int | bool | bytes


def compared(trial: Trial, tolerance: float) -> Trial:
    """The trial with its comparison, and without the tensors, which may have megabytes."""
    candidate, stable, again = (replace(each, outputs=()) for each in (trial.candidate, trial.stable, trial.again))
    comparison = compare(trial, tolerance)
    return replace(trial, candidate=candidate, stable=stable, again=again, comparison=comparison)


def compare(trial: Trial, tolerance: float) -> Comparison:
    """The candidate's answer beside stable's two."""
    for answer in (trial.stable, trial.again):
        if not answer.answered:
            return Comparison(unknown=f"{trial.request}: stable's {answer.pod}: {answer.trouble}")
    if not trial.candidate.answered:
        message = f"{trial.request}: the candidate's {trial.candidate.pod}: {trial.candidate.trouble}"
        # No answer at all may be the network's fault or a pod's end, which gates judge; an error is an answer.
        return Comparison(differs=message) if trial.candidate.status else Comparison(unknown=message)
    got, again = _by_name(trial.candidate), _by_name(trial.again)
    if not trial.stable.outputs:
        return Comparison(unknown=f"{trial.request}: stable's answer has no outputs")
    for expected in trial.stable.outputs:
        noise = _noise(expected, again.get(expected.name))
        if noise is None:
            return Comparison(unknown=f"{trial.request}: {expected.name}: stable does not agree with itself")
        difference = _difference(expected, got.get(expected.name), tolerance, noise)
        if difference:
            return Comparison(differs=f"{trial.request}: {difference}")
    return Comparison()


def refused(trials: Sequence[Trial]) -> tuple[int, int]:
    """Of the candidate's answers that came: those with a server's error (5xx), and all."""
    statuses = [trial.candidate.status for trial in trials if trial.candidate.status]
    return sum(status >= 500 for status in statuses), len(statuses)


def _by_name(answer: Answer) -> dict[str, Output]:
    return {output.name: output for output in answer.outputs}


def _noise(one: Output, other: Output | None) -> float | None:
    """The largest difference of stable from itself; None when it is not a matter of digits."""
    if other is None or (one.datatype, one.shape) != (other.datatype, other.shape) or len(one.data) != len(other.data):
        return None
    if one.datatype not in FLOATS:
        return 0.0 if one.data == other.data else None
    distances = [_distance(a, b) for a, b in zip(one.data, other.data, strict=True)]
    return max(distances, default=0.0) if all(map(math.isfinite, distances)) else None


def _difference(expected: Output, got: Output | None, tolerance: float, noise: float) -> str:
    name = expected.name
    if got is None:
        return f"{name}: the candidate has no output of that name"
    if got.datatype != expected.datatype:
        return f"{name}: datatype {got.datatype}, stable's is {expected.datatype}"
    if got.shape != expected.shape or len(got.data) != len(expected.data):
        return f"{name}: shape {list(got.shape)}, stable's is {list(expected.shape)}"
    exact = expected.datatype not in FLOATS
    for index, right, difference in _pairs(expected, got):
        allowed = 0.0 if exact else _allowed(right, tolerance) + noise
        if difference != right if exact else not _distance(right, difference) <= allowed:
            beyond = "" if exact else f", more than {allowed:g} off (tolerance {tolerance:g}, stable's noise {noise:g})"
            return f"{name}[{index}] is {_shown(difference)}, stable's {_shown(right)}{beyond}"
    return ""


def _pairs(expected: Output, got: Output) -> Iterator[tuple[int, Element, Element]]:
    for index, (right, difference) in enumerate(zip(expected.data, got.data, strict=True)):
        yield index, right, difference


def _allowed(right: Element, tolerance: float) -> float:
    size = abs(float(right))
    return tolerance * max(1.0, size) if math.isfinite(size) else 0.0


def _distance(one: Element, other: Element) -> float:
    """NaN is where NaN is, and an infinity where the same one is; else these are as far apart as can be."""
    a, b = float(one), float(other)
    if a == b or (math.isnan(a) and math.isnan(b)):
        return 0.0
    return abs(a - b) if math.isfinite(a) and math.isfinite(b) else math.inf


def _shown(value: Element) -> str:
    text = f"{value:g}" if isinstance(value, float) else repr(value)
    return text if len(text) <= 60 else text[:60] + "…"
