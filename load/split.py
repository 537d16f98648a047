"""Whether requests were split as weights say: what a fair coin would give, within chance. Pure."""

import math
from collections.abc import Mapping
from typing import Final

SIGMAS: Final = 4
"""A fair split of some hundred requests is farther off once in ten thousand runs."""


def tolerance(requests: int, share: float) -> float:
    """How far a share between 0 and 1, seen in so many requests, may be off."""
    return SIGMAS * math.sqrt(share * (1 - share) / requests)


def is_fair(counts: Mapping[str, int], weights: Mapping[str, int]) -> bool:
    """Whether each version was answered by as often as its weight says, but for chance."""
    answered, whole = sum(counts.values()), sum(weights.values())
    shares = {version: weight / whole for version, weight in weights.items()}
    return set(counts) <= set(weights) and all(
        abs(counts.get(version, 0) / answered - share) <= tolerance(answered, share)
        for version, share in shares.items()
    )
