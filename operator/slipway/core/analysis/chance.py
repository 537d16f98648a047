"""Chance: whether a candidate's few failures more than stable's may be luck.

A candidate at 10 % that failed one request of 200 where stable failed none of 1,800 has an infinite ratio and proves
nothing. Given how many requests failed on both sides together, those of the candidate are binomial if its rate is
`ratio` times stable's: a breach counts once so many would come about in fewer than one of a hundred cases.
"""

from math import erfc, exp, lgamma, log, sqrt
from typing import Final

LEVEL: Final = 0.01
_NEGLIGIBLE: Final = 1e-12
_MANY: Final = 1e6
"""From so many failures on the sum would take a pass's time, and the normal distribution says the same."""


def may_be_chance(candidate: tuple[float, float], stable: tuple[float, float], ratio: float) -> bool:
    """Each side is (failures, requests). Whether a candidate's rate that is above `ratio` times stable's may be so by
    luck alone."""
    failures, all_failures = candidate[0], candidate[0] + stable[0]
    weight = ratio * candidate[1]
    if not (weight and stable[1]):
        return False
    return _tail(round(failures), round(all_failures), weight / (weight + stable[1])) > LEVEL


def _tail(at_least: int, of: int, chance: float) -> float:
    """The probability of `at_least` or more successes in `of` tries. They are more than the mean, so that each further
    term is smaller."""
    if not 0 < chance < 1:  # a ratio so large, or small, that one side has it all
        return float(chance >= 1)
    if of > _MANY:
        spread = sqrt(of * chance * (1 - chance))
        return erfc((at_least - 0.5 - of * chance) / spread / sqrt(2)) / 2
    term = exp(
        lgamma(of + 1)
        - lgamma(at_least + 1)
        - lgamma(of - at_least + 1)
        + at_least * log(chance)
        + (of - at_least) * log(1 - chance)
    )
    total = 0.0
    for k in range(at_least, of + 1):
        total += term
        if term < _NEGLIGIBLE:
            break
        term *= (of - k) / (k + 1) * chance / (1 - chance)
    return total
