"""Metrics in plain Python are scikit-learn's, number for number; what one is not made for is said."""

import math
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sklearn

from slipway.api.v1alpha1.analysis import ScoreMetric
from slipway.guard.metric import METRICS, CannotMeasure, Graded, measure

PROBABILITY = st.floats(0, 1, width=32)
NUMBER = st.floats(-1e6, 1e6, width=32)


def of_sklearn(name: str, labels: Any, answers: Any, /, **more: Any) -> float:
    function = getattr(sklearn, name if name.endswith(("score", "error", "loss")) else f"{name}_score")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a class that no row has
        return float(function(labels, answers, **more))


def same(found: float, right: float) -> bool:
    return math.isclose(found, right, rel_tol=1e-9, abs_tol=1e-9)


@st.composite
def binary(draw: st.DrawFn) -> tuple[list[int], list[float]]:
    rows = draw(st.lists(st.tuples(st.integers(0, 1), PROBABILITY), min_size=2, max_size=40))
    return [label for label, _ in rows], [p for _, p in rows]


@st.composite
def classes(draw: st.DrawFn) -> tuple[list[int], list[list[float]]]:
    width = draw(st.integers(2, 5))
    row = st.lists(st.integers(1, 1000), min_size=width, max_size=width)
    rows = draw(st.lists(st.tuples(st.integers(0, width - 1), row), min_size=1, max_size=30))
    return [label for label, _ in rows], [[each / sum(row) for each in row] for _, row in rows]


def test_the_api_offers_what_can_be_measured() -> None:
    assert set(METRICS) == {each.value for each in ScoreMetric}


@given(binary())
def test_two_classes_by_one_probability(case: tuple[list[int], list[float]]) -> None:
    labels, probabilities = case
    graded = Graded(labels, [(p,) for p in probabilities], floats=True)
    predicted = [int(p > 0.5) for p in probabilities]
    for name in ("accuracy", "balanced_accuracy"):
        assert same(measure(name, graded), of_sklearn(name, labels, predicted))
    for name in ("f1", "precision", "recall"):
        assert same(measure(name, graded), of_sklearn(name, labels, predicted, zero_division=0))
    assert same(measure("log_loss", graded), of_sklearn("log_loss", labels, probabilities, labels=[0, 1]))
    if len(set(labels)) == 2:
        assert same(measure("roc_auc", graded), of_sklearn("roc_auc", labels, probabilities))


@given(classes())
def test_a_probability_for_each_class(case: tuple[list[int], list[list[float]]]) -> None:
    labels, answers = case
    graded = Graded(labels, answers, floats=True)
    predicted = np.argmax(answers, axis=1)
    assert same(measure("accuracy", graded), of_sklearn("accuracy", labels, predicted))
    assert same(measure("balanced_accuracy", graded), of_sklearn("balanced_accuracy", labels, predicted))
    assert same(measure("f1_macro", graded), of_sklearn("f1", labels, predicted, average="macro", zero_division=0))
    every = list(range(len(answers[0])))
    assert same(measure("log_loss", graded), of_sklearn("log_loss", labels, answers, labels=every))


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abcd")), min_size=1, max_size=30))
def test_classes_that_are_texts(rows: list[tuple[str, str]]) -> None:
    labels, predicted = [label for label, _ in rows], [said for _, said in rows]
    graded = Graded(labels, [(said.encode(),) for said in predicted], floats=False)
    assert same(measure("accuracy", graded), of_sklearn("accuracy", labels, predicted))
    assert same(measure("f1_macro", graded), of_sklearn("f1", labels, predicted, average="macro", zero_division=0))


@given(st.lists(st.tuples(NUMBER, NUMBER), min_size=2, max_size=40))
def test_numbers(rows: list[tuple[float, float]]) -> None:
    labels, answers = [label for label, _ in rows], [answer for _, answer in rows]
    graded = Graded(labels, [(answer,) for answer in answers], floats=True)
    for name in ("mean_absolute_error", "mean_squared_error", "r2"):
        right = of_sklearn(name, labels, answers)
        assert math.isclose(measure(name, graded), right, rel_tol=1e-6, abs_tol=1e-6)


CANNOT: list[tuple[str, list[Any], list[Any], bool, str]] = [
    (
        "f1",
        [0, 1, 2],
        [(1, 0, 0), (0, 1, 0), (0, 0, 1)],
        True,
        "other classes than 0 and 1; for more there is f1_macro",
    ),
    ("accuracy", [0, 1], [(0.5,), (math.nan,)], True, "the answer to row 2 is nan"),
    # what is never equal is no score of 0
    (
        "accuracy",
        ["1", "0"],
        [(1,), (0,)],
        False,
        "row 1: label: is a text ('1'), and the output says whole numbers; label rows with numbers",
    ),
    (
        "f1_macro",
        [1, 0],
        [(b"1",), (b"0",)],
        False,
        "row 1: label: is a number (1), and the output says texts; label rows with texts",
    ),
    (
        "balanced_accuracy",
        ["yes", "no"],
        [(0.9,), (0.2,)],
        True,
        "row 1: label: is a text ('yes'), and the output says how probable",
    ),
    (
        "accuracy",
        [1, "0"],
        [(1,), (0,)],
        False,
        "row 2: label: is a text, and that of row 1 is a number; label all rows",
    ),
    ("log_loss", ["a", 1], [(0.5, 0.5), (0.1, 0.9)], True, "row 2: label: is a number, and that of row 1 is a text"),
    ("r2", [1, "2"], [(1.0,), (2.0,)], True, "row 2: label: is a text; it takes labels that are numbers"),
    ("accuracy", [0, 1], [(3.5,), (0.5,)], True, "row 1 is 3.5, and no probability"),
    ("accuracy", [0.5, 1], [(0.5,), (0.5,)], True, "labels are fractions"),
    ("accuracy", [0, 1], [(1, 2), (2, 1)], False, "it takes one class a row"),
    ("accuracy", ["a", "b", "c"], [(0.5, 0.5)] * 3, True, "2 numbers a row and the labels 3 classes"),
    ("accuracy", [0, 1], [(0.5,), (0.5, 0.5)], True, "as many for each"),
    ("roc_auc", [1, 1], [(0.5,), (0.7,)], True, "all rows have the same label"),
    ("log_loss", [0, 1], [(3.0, -2.0), (0.1, 0.9)], True, "adds up to 1, and is no probabilities"),
    ("log_loss", [0, 1], [(0.3, 0.2), (0.1, 0.9)], True, "adds up to 0.5, and is no probabilities"),
    ("log_loss", [0, 1], [(0,), (1,)], False, "none of floats"),
    ("r2", [1.0, 2.0], [(1.0, 2.0), (2.0, 3.0)], True, "one number a row"),
    ("r2", ["a", "b"], [(1.0,), (2.0,)], True, "labels that are numbers"),
    ("r2", [1.0], [(1.0,)], True, "it takes two rows"),
    ("accuracy", [], [], True, "no labelled row"),
]


@pytest.mark.parametrize(("name", "labels", "answers", "floats", "says"), CANNOT)
def test_what_it_is_not_made_for(name: str, labels: list[Any], answers: list[Any], *, floats: bool, says: str) -> None:
    with pytest.raises(CannotMeasure) as raised:
        measure(name, Graded(labels, answers, floats))
    assert says in str(raised.value)


def test_labels_in_their_order_are_the_classes_of_an_answer_with_a_number_for_each() -> None:
    graded = Graded(["cat", "dog", "dog"], [(0.9, 0.1), (0.2, 0.8), (0.7, 0.3)], floats=True)
    assert measure("accuracy", graded) == pytest.approx(2 / 3)
