"""Metrics of quality by scikit-learn's names and numbers, in plain Python: the server's image has no scikit-learn.

A model's answer for a row is a sequence of elements: one number, one class, or a number a class.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import Any, Callable, Mapping, NamedTuple, Sequence

# scikit-learn clips a probability by what a float64 can tell from 1.
_SMALLEST = 2.0**-52
# How far probabilities of FP16 may be from adding up to 1.
_SUM_TOLERANCE = 1e-2

Answer = Sequence[Any]


class CannotMeasure(ValueError):
    """Answers or labels that the metric is not made for: what was found, and what it takes."""


class Graded(NamedTuple):
    """A model's answers beside the labels of the rows, at least one of them."""

    labels: Sequence[Any]
    """Whole numbers or texts for classes; numbers for a regression."""
    answers: Sequence[Answer]
    floats: bool
    """Whether the output is one of floats, so numbers or probabilities and no classes."""
    rows: Sequence[str] = ()
    """What messages call each row; without, its place."""

    def name(self, index: int) -> str:
        """What messages call a row."""
        return self.rows[index] if self.rows else f"row {index + 1}"


def measure(name: str, graded: Graded) -> float:
    """The metric; CannotMeasure where there is none."""
    _check(graded)
    try:
        return METRICS[name](graded)
    except OverflowError:
        raise CannotMeasure("labels or answers are so large that no float64 holds the metric; scale them") from None


def _check(graded: Graded) -> None:
    if not graded.labels:
        raise CannotMeasure("no labelled row was asked")
    widths = {len(answer) for answer in graded.answers}
    if len(widths) != 1 or 0 in widths:
        raise CannotMeasure(f"answers have {min(widths)} to {max(widths)} elements a row; it takes as many for each")
    for index, answer in enumerate(graded.answers):
        if graded.floats and not all(map(math.isfinite, answer)):
            raise CannotMeasure(f"the answer to {graded.name(index)} is {_first_odd(answer)}")


def _first_odd(answer: Answer) -> float:
    return next(float(value) for value in answer if not math.isfinite(value))


# -- classes


def _kind(value: Any) -> str:
    """What a label, or a class that was said, is."""
    return "a text" if isinstance(value, (str, bytes)) else "a number"


def _check_kind(graded: Graded, says: str, means: str) -> None:
    """CannotMeasure where the output says numbers and rows are labelled with texts, or the other way round: no two of
    them are ever equal. `says`: of what kind the output's classes are."""
    kind = _kind(graded.labels[0])
    if kind != says:
        raise CannotMeasure(
            f"{graded.name(0)}: label: is {kind} ({graded.labels[0]!r}), and the output says {means}; label rows with "
            f"{'texts' if says == 'a text' else 'numbers'}, or name another output"
        )


def _labels(graded: Graded) -> list[Any]:
    """Classes: true and false count as 1 and 0, as scikit-learn has them."""
    if any(isinstance(label, float) for label in graded.labels):
        raise CannotMeasure("labels are fractions; classes are whole numbers or texts")
    odd = [index for index, label in enumerate(graded.labels) if _kind(label) != _kind(graded.labels[0])]
    if odd:
        raise CannotMeasure(
            f"{graded.name(odd[0])}: label: is {_kind(graded.labels[odd[0]])}, and that of {graded.name(0)} is "
            f"{_kind(graded.labels[0])}; label all rows with whole numbers, or all with texts"
        )
    return [int(label) if isinstance(label, bool) else label for label in graded.labels]


def _classes(labels: Sequence[Any], width: int) -> list[Any]:
    """Which class each number of an answer is for: 0, 1, 2 …, or the labels in their order."""
    if all(isinstance(label, int) and 0 <= label < width for label in labels):
        return list(range(width))
    classes = sorted(set(labels), key=lambda label: (isinstance(label, str), label))
    if len(classes) != width:
        raise CannotMeasure(
            f"answers have {width} numbers a row and the labels {len(classes)} classes; "
            f"label rows by the number's place, from 0, or name another output"
        )
    return classes


def _predicted(graded: Graded, labels: Sequence[Any]) -> list[Any]:
    width = len(graded.answers[0])
    if graded.floats and width > 1:
        classes = _classes(labels, width)
        return [classes[max(range(width), key=answer.__getitem__)] for answer in graded.answers]
    if graded.floats:
        _check_kind(graded, "a number", "how probable class 1 is")
        _binary(labels)
        return [int(probability > 0.5) for probability in _probabilities(graded)]
    if width > 1:
        raise CannotMeasure(f"answers have {width} elements a row, and no floats; it takes one class a row")
    classes = [_class(answer[0]) for answer in graded.answers]
    _check_kind(graded, _kind(classes[0]), "texts" if isinstance(classes[0], str) else "whole numbers")
    return classes


def _class(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return int(value)


def _binary(labels: Sequence[Any]) -> None:
    if not all(label in (0, 1) for label in labels):
        raise CannotMeasure("labels have other classes than 0 and 1; for more there is f1_macro, or balanced_accuracy")


def _probabilities(graded: Graded) -> list[float]:
    """Of class 1, out of one number a row."""
    for index, answer in enumerate(graded.answers):
        if not 0 <= answer[0] <= 1:
            raise CannotMeasure(f"the answer to {graded.name(index)} is {answer[0]:g}, and no probability")
    return [float(answer[0]) for answer in graded.answers]


class _Counts(NamedTuple):
    """Of one class: rows that are it and were said to be, that were said to be, that are."""

    right: int
    said: int
    are: int

    def precision(self) -> float:
        return self.right / self.said if self.said else 0.0

    def recall(self) -> float:
        return self.right / self.are if self.are else 0.0

    def f1(self) -> float:
        return 2 * self.right / (self.said + self.are) if self.said + self.are else 0.0


def _counts(graded: Graded) -> dict[Any, _Counts]:
    labels = _labels(graded)
    predicted = _predicted(graded, labels)
    are, said = Counter(labels), Counter(predicted)
    right = Counter(label for label, guess in zip(labels, predicted) if label == guess)
    return {each: _Counts(right[each], said[each], are[each]) for each in {*labels, *predicted}}


def _of_ones(graded: Graded) -> _Counts:
    counts = _counts(graded)
    _binary(list(counts))
    return counts.get(1, _Counts(0, 0, 0))


def _accuracy(graded: Graded) -> float:
    return sum(each.right for each in _counts(graded).values()) / len(graded.labels)


def _balanced_accuracy(graded: Graded) -> float:
    return _mean([each.recall() for each in _counts(graded).values() if each.are])


def _f1_macro(graded: Graded) -> float:
    return _mean([each.f1() for each in _counts(graded).values()])


def _roc_auc(graded: Graded) -> float:
    """The chance that a row of class 1 has a larger number than one of class 0; equal ones count half."""
    labels, width = _labels(graded), len(graded.answers[0])
    _binary(labels)
    ones: int = sum(labels)
    if not graded.floats or width > 2:
        raise CannotMeasure("it takes one or two floats a row")
    if not 0 < ones < len(labels):
        raise CannotMeasure("all rows have the same label")
    ranked = sorted(zip((answer[-1] for answer in graded.answers), labels))
    ranks: float = 0
    at = 0
    while at < len(ranked):
        end = at
        while end < len(ranked) and ranked[end][0] == ranked[at][0]:
            end += 1
        ranks += sum(label for _, label in ranked[at:end]) * (at + 1 + end) / 2
        at = end
    return (ranks - ones * (ones + 1) / 2) / (ones * (len(labels) - ones))


def _log_loss(graded: Graded) -> float:
    labels, width = _labels(graded), len(graded.answers[0])
    if not graded.floats:
        raise CannotMeasure("it takes probabilities, and the output is none of floats")
    if width == 1:
        _binary(labels)
        likely = [p if label else 1 - p for p, label in zip(_probabilities(graded), labels)]
    else:
        place = {each: index for index, each in enumerate(_classes(labels, width))}
        for index, answer in enumerate(graded.answers):
            if min(answer) < 0 or abs(sum(answer) - 1) > _SUM_TOLERANCE:
                raise CannotMeasure(
                    f"the answer to {graded.name(index)} adds up to {sum(answer):g}, and is no probabilities"
                )
        likely = [answer[place[label]] for answer, label in zip(graded.answers, labels)]
    return -_mean([math.log(min(max(each, _SMALLEST), 1 - _SMALLEST)) for each in likely])


# -- numbers


def _pairs(graded: Graded) -> list[tuple[float, float]]:
    """Label and answer of each row."""
    if len(graded.answers[0]) != 1 or any(isinstance(answer[0], (str, bytes)) for answer in graded.answers):
        raise CannotMeasure("it takes one number a row; name an output that has one")
    texts = [index for index, label in enumerate(graded.labels) if isinstance(label, str)]
    if texts:
        raise CannotMeasure(f"{graded.name(texts[0])}: label: is a text; it takes labels that are numbers")
    return [(float(label), float(answer[0])) for label, answer in zip(graded.labels, graded.answers)]


def _r2(graded: Graded) -> float:
    pairs = _pairs(graded)
    if len(pairs) < 2:
        raise CannotMeasure("it takes two rows")
    mean = _mean([label for label, _ in pairs])
    missed = math.fsum((label - answer) ** 2 for label, answer in pairs)
    spread = math.fsum((label - mean) ** 2 for label, _ in pairs)
    return 1 - missed / spread if spread else float(not missed)


def _mean_absolute_error(graded: Graded) -> float:
    return _mean([abs(label - answer) for label, answer in _pairs(graded)])


def _mean_squared_error(graded: Graded) -> float:
    return _mean([(label - answer) ** 2 for label, answer in _pairs(graded)])


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


METRICS: Mapping[str, Callable[[Graded], float]] = {
    "accuracy": _accuracy,
    "balanced_accuracy": _balanced_accuracy,
    "f1": lambda graded: _of_ones(graded).f1(),
    "f1_macro": _f1_macro,
    "log_loss": _log_loss,
    "mean_absolute_error": _mean_absolute_error,
    "mean_squared_error": _mean_squared_error,
    "precision": lambda graded: _of_ones(graded).precision(),
    "r2": _r2,
    "recall": lambda graded: _of_ones(graded).recall(),
    "roc_auc": _roc_auc,
}
