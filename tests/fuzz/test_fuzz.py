"""A short run of the fuzzers, on the same inputs each time. A long one: `make fuzz MINUTES=60`."""

import pytest

from tests.fuzz.fuzzing import corpus, fuzz
from tests.fuzz.targets import TARGETS

INPUTS = 300


@pytest.mark.parametrize("target", TARGETS)
def test_no_input_brings_an_exception_or_takes_long(target: str) -> None:
    assert corpus(target)
    find = fuzz(target, 0, inputs=INPUTS).find
    assert not find, find
