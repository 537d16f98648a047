"""The examples in the real tritonserver, asked by their own clients: what a newcomer runs, and sees."""

from pathlib import Path

import pytest

from testbed.training import EXAMPLES, train, trainable
from tests.examples.answers import RIGHT
from tests.examples.clients import words_of

pytestmark = pytest.mark.triton

ASKED = [name for name in trainable() if name in RIGHT]


def test_every_example_with_clients_has_a_test() -> None:
    assert {file.parent.name for file in EXAMPLES.glob("*/ask_*.py")} == set(RIGHT)


@pytest.mark.parametrize("name", ASKED)
def test_both_clients_get_the_same_right_answer(name: str, tmp_path: Path) -> None:
    train(name, tmp_path / name)
    rest, grpc = words_of(tmp_path / name, name)
    assert rest == grpc
    RIGHT[name](rest)
