"""When requests are due. Pure."""

from collections.abc import Collection
from dataclasses import dataclass


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
    def interleaved(cls, names: Collection[str], rate: float) -> "dict[str, Schedule]":
        """One for each name, evenly shifted: not all of them send in the same moment."""
        return {name: cls(rate, place / rate / len(names)) for place, name in enumerate(names)}
