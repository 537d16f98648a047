"""The odds: numbers that can be worked out by hand."""

import pytest

from slipway.core.analysis.chance import LEVEL, may_be_chance


@pytest.mark.parametrize(
    ("candidate", "stable", "ratio", "chance"),
    [
        ((1, 200), (0, 1800), 1, True),  # one failure, and one request in ten is the candidate's: 0.1
        ((3, 200), (0, 1800), 1, False),  # 0.1 ** 3
        ((1, 1), (0, 9), 1, True),
        ((7, 10), (0, 10), 1, False),  # 0.5 ** 7 = 0.0078
        ((6, 10), (0, 10), 1, True),  # 0.5 ** 6 = 0.0156
        ((7, 10), (0, 10), 2, True),  # (2 / 3) ** 7 = 0.059
        ((50_000, 100_000), (450_000, 1_000_000), 1, False),
        ((5, 5), (0, 0), 1, False),
        ((5, 5), (0, 10), 0, False),
        ((5, 5), (0, 10), 1e17, True),  # as good as all requests are the candidate's
        ((5, 5), (2, 10), 1e99, True),
        ((5, 5), (0, 10), 1e-300, False),
        # so many that a sum over them would never end
        ((5e14 + 1e7, 1e15), (5e14, 1e15), 1, True),
        ((5e14 + 1e9, 1e15), (5e14, 1e15), 1, False),
        ((2e15, 2.0**53), (2e15, 2.0**53), 1.5, True),
    ],
)
def test_few_failures_may_be_by_chance(
    candidate: tuple[int, int], stable: tuple[int, int], ratio: float, chance: bool
) -> None:
    assert LEVEL == 0.01
    assert may_be_chance(candidate, stable, ratio) is chance
