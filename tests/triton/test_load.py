"""What a pod's guard says of its start: facts, or none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.triton import load
from slipway.triton.load import StartFacts
from slipway.triton.metrics import MetricsError

LOAD = "slipway_load_ratio 0.5\nslipway_backlog_seconds 0\n"
TIMES = "slipway_start_load_seconds 12.5\nslipway_start_first_answer_seconds 13\n"
BYTES = "slipway_start_memory_bytes 3e6\nslipway_start_gpu_memory_bytes 4e9\nslipway_shared_memory_peak_bytes 24576\n"


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        (TIMES + BYTES, StartFacts(load=12.5, first_answer=13, memory=3_000_000, gpu_memory=4_000_000_000, shared_memory=24576)),  # noqa: E501
        (TIMES, StartFacts(load=12.5, first_answer=13)),
        (BYTES, None),  # an earlier guard's, or one that has no answer yet
        ("", None),
        (TIMES + "slipway_start_memory_bytes 1e30\n", None),
        (TIMES + "slipway_start_memory_bytes NaN\n", None),
        (TIMES + "slipway_start_gpu_memory_bytes -1\n", None),
        (TIMES.replace("13", "1e9"), None),
    ],
)  # fmt: skip
def test_a_number_that_cannot_be_costs_the_facts_and_not_the_load(text: str, facts: StartFacts | None) -> None:
    found = load.parse(LOAD + text)
    assert (found.ratio, found.start) == (0.5, facts)


@given(st.text(max_size=300))
def test_whatever_else_is_written_there_is_read_without_harm(text: str) -> None:
    try:
        found = load.parse(LOAD + TIMES + text)
    except MetricsError:
        return
    assert found.start is None or 0 <= found.start.load <= 7 * 86400
