"""A split is fair when chance alone can explain what it is off by."""

import pytest

from load.split import is_fair, tolerance


@pytest.mark.parametrize(
    ("counts", "fair"),
    [
        ({"1": 900, "2": 100}, True),
        ({"1": 870, "2": 130}, True),
        ({"1": 850, "2": 150}, False),
        ({"1": 1000}, False),
        ({"1": 900, "2": 99, "3": 1}, False),
    ],
)
def test_of_a_thousand_requests_a_tenth_is_a_hundred_but_for_chance(counts: dict[str, int], fair: bool) -> None:
    assert is_fair(counts, {"1": 90, "2": 10}) is fair


def test_no_share_and_the_whole_leave_nothing_to_chance() -> None:
    assert tolerance(100, 0) == 0
    assert tolerance(100, 1) == 0
    assert not is_fair({"1": 99, "2": 1}, {"1": 100, "2": 0})
