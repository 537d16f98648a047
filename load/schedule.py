"""When requests are due. Pure."""

import itertools
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Self

Step = tuple[float, float]
"""Requests a second, and for how many seconds."""


@dataclass(frozen=True)
class Schedule:
    """Arrivals at one rate."""

    rate: float
    """A second."""
    first_seconds: float = 0.0

    def due(self, number: int) -> float:
        """When the request of that number, from 0, is due: seconds from the begin of the run."""
        return self.first_seconds + number / self.rate

    @classmethod
    def interleaved(cls, names: Collection[str], rate: float) -> dict[str, Self]:
        """One for each name, evenly shifted: not all of them send in the same moment."""
        return {name: cls(rate, place / rate / len(names)) for place, name in enumerate(names)}


@dataclass(frozen=True)
class Stairs:
    """Arrivals at one rate after the other; that of the last step goes on."""

    steps: Sequence[Step]

    def due(self, number: int) -> float:
        """When the request of that number, from 0, is due: seconds from the begin of the run."""
        begins, left = 0.0, float(number)
        for rate, seconds in self.steps[:-1]:
            if left < rate * seconds:
                return begins + left / rate
            begins, left = begins + seconds, left - rate * seconds
        return begins + left / self.steps[-1][0]

    @property
    def seconds(self) -> float:
        """How long all steps take."""
        return sum(seconds for _, seconds in self.steps)

    @classmethod
    def parse(cls, text: str) -> Self:
        """RATE:SECONDS,… as a command has it; ValueError where a number is none, or not above zero."""
        pairs = (step.partition(":") for step in text.split(","))
        steps = tuple((float(rate), float(seconds)) for rate, _, seconds in pairs)
        if not all(number > 0 for number in itertools.chain.from_iterable(steps)):
            raise ValueError(f"{text}: rates and seconds are above zero")
        return cls(steps)
