"""The examples in the real tritonserver, asked by their own clients: what a newcomer runs, and sees."""

from collections.abc import Callable
from pathlib import Path

import pytest

from testbed.training import EXAMPLES, train, trainable
from tests.examples.clients import Lines, words_of

pytestmark = pytest.mark.triton


def in_reverse(lines: Lines) -> None:
    assert [float(word) for word in lines[0]] == pytest.approx([0.9 - place / 10 for place in range(10)], abs=0.02)


def a_line(lines: Lines) -> None:
    assert [float(word) for word in lines[0]] == pytest.approx([-1, 1, 7], abs=0.1)


def who_leaves(lines: Lines) -> None:
    assert [(label, float(leaves) > 0.5) for label, _, leaves in lines] == [("leaves", True), ("stays", False)]


def what_is_meant(lines: Lines) -> None:
    assert [(label, float(praise) > 0.5) for label, _, praise in lines] == [("praise", True), ("complaint", False)]


RIGHT: dict[str, Callable[[Lines], None]] = {
    "mlp": in_reverse,
    "keras-regression": a_line,
    "churn": who_leaves,
    "sentiment": what_is_meant,
    "text-ensemble": what_is_meant,
}
ASKED = [name for name in trainable() if name in RIGHT]


def test_every_example_with_clients_has_a_test() -> None:
    assert {file.parent.name for file in EXAMPLES.glob("*/ask_*.py")} == set(RIGHT)


@pytest.mark.parametrize("name", ASKED)
def test_both_clients_get_the_same_right_answer(name: str, tmp_path: Path) -> None:
    train(name, tmp_path / name)
    rest, grpc = words_of(tmp_path / name, name)
    assert rest == grpc
    RIGHT[name](rest)
