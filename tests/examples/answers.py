"""What the examples' clients print when the model answers rightly, as lines of words."""

from collections.abc import Callable, Mapping
from typing import Final

import pytest

Lines = list[list[str]]


def in_reverse(lines: Lines) -> None:
    assert [float(word) for word in lines[0]] == pytest.approx([0.9 - place / 10 for place in range(10)], abs=0.02)


def a_line(lines: Lines) -> None:
    assert [float(word) for word in lines[0]] == pytest.approx([-1, 1, 7], abs=0.1)


def who_leaves(lines: Lines) -> None:
    assert [(label, float(leaves) > 0.5) for label, _, leaves in lines] == [("leaves", True), ("stays", False)]


def what_is_meant(lines: Lines) -> None:
    assert [(label, float(praise) > 0.5) for label, _, praise in lines] == [("praise", True), ("complaint", False)]


RIGHT: Final[Mapping[str, Callable[[Lines], None]]] = {
    "mlp": in_reverse,
    "keras-regression": a_line,
    "churn": who_leaves,
    "sentiment": what_is_meant,
    "text-ensemble": what_is_meant,
}
