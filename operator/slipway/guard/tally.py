"""The guard's own requests to the model: how many, and how much of the server's time they took.

How long an answer took from here is queue and work together. The fastest answer to the same question had no queue
before it, so that long is the work of each.
"""

from __future__ import annotations

from typing import NamedTuple


class Own(NamedTuple):
    """Requests that have ended by some moment. Triton counts them with everybody's."""

    requests: int
    seconds: float
    """That the server has worked on them."""

    def at_most(self, seconds: float) -> Own:
        """With no more work than that: of a part, which does some of it."""
        return self._replace(seconds=min(self.seconds, seconds))

    def __add__(self, other: object) -> Own:
        if not isinstance(other, Own):
            return NotImplemented
        return Own(self.requests + other.requests, self.seconds + other.seconds)


class Tally:
    """Counts them, in one thread; any other may read `own`."""

    def __init__(self) -> None:
        self.own = Own(0, 0.0)
        self._fastest: dict[str, float] = {}

    def answered(self, question: str, seconds: float) -> None:
        """One more has been answered within that time."""
        self._fastest[question] = min(seconds, self._fastest.get(question, seconds))
        self.ended(question)

    def ended(self, question: str) -> None:
        """One more has ended; how, does not matter."""
        self.own = self.own + Own(1, self._fastest.get(question, 0.0))
