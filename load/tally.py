"""What the requests of one protocol in one stretch of time came to. Tallies of stretches add up. Pure."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from load.latencies import Latencies, described, kept

WRONG_ANSWERS_KEPT: Final = 20


@dataclass
class Answered:
    """One version's right answers: their latencies, and when the first and the last came, in seconds of the run."""

    first: float
    last: float
    latencies: Latencies = field(default_factory=Latencies)

    @property
    def count(self) -> int:
        """How many."""
        return self.latencies.total()

    def add(self, other: "Answered") -> None:
        """Take another stretch's along."""
        self.first, self.last = min(self.first, other.first), max(self.last, other.last)
        self.latencies.update(other.latencies)


@dataclass
class Tally:
    """Every request is in one of three: answered, failed or wrong."""

    answered: dict[str, Answered] = field(default_factory=dict)
    """By version."""
    failed: Counter[str] = field(default_factory=Counter)
    """By kind: `connect`, `closed`, `timeout`, `status 503`, `grpc UNAVAILABLE`, `too large`, `unreadable`."""
    wrong: Counter[str] = field(default_factory=Counter)
    """Answers that are no version's, as text."""
    reconnected: int = 0
    """Of those with an answer: sent again because a kept connection had ended."""

    @property
    def sent(self) -> int:
        """All requests."""
        return sum(each.count for each in self.answered.values()) + self.failed.total() + self.wrong.total()

    @property
    def counts(self) -> dict[str, int]:
        """Right answers by version."""
        return {version: each.count for version, each in self.answered.items()}

    @property
    def latencies(self) -> Latencies:
        """Those of all right answers."""
        return sum((each.latencies for each in self.answered.values()), Latencies())

    def count_answer(self, version: str, *, latency_seconds: float, at: float) -> None:
        """A version's answer came at that second of the run."""
        self._take(version, Answered(at, at, Latencies([kept(latency_seconds)])))

    def count_wrong(self, answer: str) -> None:
        """An answer came that is no version's. Beyond some different ones only the number is kept."""
        room = answer in self.wrong or len(self.wrong) < WRONG_ANSWERS_KEPT
        self.wrong[answer if room else "others"] += 1

    def add(self, other: "Tally") -> None:
        """Take another stretch's along."""
        for version, answered in other.answered.items():
            self._take(version, answered)
        self.failed.update(other.failed)
        self.wrong.update(other.wrong)
        self.reconnected += other.reconnected

    def describe(self) -> dict[str, Any]:
        """For people and for JSON."""
        return {
            "sent": self.sent,
            "failed": dict(self.failed),
            "wrong": dict(self.wrong),
            "reconnected": self.reconnected,
            **described(self.latencies),
            "versions": {
                version: {
                    "answered": each.count,
                    "first_seconds": round(each.first, 3),
                    "last_seconds": round(each.last, 3),
                    **described(each.latencies),
                }
                for version, each in self.answered.items()
            },
        }

    def _take(self, version: str, answered: Answered) -> None:
        known = self.answered.setdefault(version, Answered(answered.first, answered.last))
        known.add(answered)


def total(tallies: Iterable[Tally]) -> Tally:
    """All of them as one."""
    whole = Tally()
    for tally in tallies:
        whole.add(tally)
    return whole
