"""Keras goes on training from what it saved, and the second bundle answers as the new data does."""

from pathlib import Path

import pytest

from testbed.training import train
from tests.examples.clients import words_of


@pytest.mark.triton
def test_training_goes_on_from_what_was_saved(tmp_path: Path) -> None:
    train("keras-regression", tmp_path / "first")
    told = train("keras-regression", tmp_path / "second", "--continue", "model.keras", "--slope", "3")
    assert "learned y = 2.99" in told
    rest, grpc = words_of(tmp_path / "second", "keras-regression")
    assert rest == grpc
    assert [float(word) for word in rest[0]] == pytest.approx([-2, 1, 10], abs=0.1)
