"""What a run came to: pods over time beside those that the offered load needed. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf

from bench.staircase.models import Model
from load.report import Report
from load.schedule import Stairs

SEEN_SECONDS = 30.0
"""Beside the time for which every scaler keeps pods that were needed: until it has seen that they are not any more."""
SETTLED_SECONDS = 90.0
"""After a step: what was missing until then had to be noticed, started and proven first."""


@dataclass(frozen=True)
class Moment:
    """One look at a Deployment."""

    at: float
    """Seconds since the load began."""
    wanted: int
    """Pods that its scaler asks for."""
    available: int


@dataclass(frozen=True)
class Course:
    """One model under one scaler."""

    model: Model
    stairs: Stairs
    stabilization: float
    """Seconds for which the scaler keeps pods that were needed."""
    moments: Sequence[Moment]
    answered: int
    late: int
    """Requests that were answered after the objective, or not at all."""

    def needed(self, at: float) -> int:
        """Pods that the load at that second needs."""
        end = 0.0
        for rate, seconds in self.stairs.steps:
            end += seconds
            if at < end:
                return self.model.needs(rate)
        return self.model.needs(self.stairs.steps[-1][0])

    def kept(self, at: float) -> int:
        """The most pods that were needed within the time for which pods are kept."""
        return max(self.needed(at - ago) for ago in range(int(self.stabilization + SEEN_SECONDS)) if at >= ago)

    def is_settled(self, at: float) -> bool:
        """Whether the load has not risen for long enough."""
        return self.needed(at) <= self.needed(max(0.0, at - SETTLED_SECONDS))

    @property
    def pod_minutes(self) -> float:
        """Of the pods that were asked for."""
        return sum(each.wanted * seconds for each, seconds in self._spans()) / 60

    @property
    def missing_minutes(self) -> float:
        """Pod-minutes that were needed and not available."""
        return sum(max(0, self.needed(each.at) - each.available) * seconds for each, seconds in self._spans()) / 60

    @property
    def most_missing(self) -> int:
        """Pods that were still not asked for when they should have been there."""
        return max((self.needed(m.at) - m.wanted for m in self.moments if self.is_settled(m.at)), default=0)

    @property
    def most_beyond(self) -> int:
        """Pods beyond those that were needed within the time for which pods are kept."""
        return max((m.wanted - self.kept(m.at) for m in self.moments), default=0)

    @property
    def turns(self) -> int:
        """How often the number that was asked for changed its direction."""
        ways = [
            after.wanted > before.wanted for before, after in pairwise(self.moments) if after.wanted != before.wanted
        ]
        return sum(one != other for one, other in pairwise(ways))

    def _spans(self) -> Iterator[tuple[Moment, float]]:
        return ((each, after.at - each.at) for each, after in pairwise(self.moments))


def late_requests(report: Report, model: Model, seconds: float = inf) -> tuple[int, int]:
    """How many requests were sent in so many seconds, and how many of them were answered later than the objective,
    wrongly or not at all."""
    whole = report.between(0, seconds)
    slow = sum(n for us, n in whole.latencies.items() if us > model.objective_seconds * 1e6)
    return whole.sent, slow + whole.failed.total() + whole.wrong.total()
