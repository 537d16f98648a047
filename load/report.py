"""What a run came to, second by second, and the questions that people ask of it. Pure."""

import itertools
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic import TypeAdapter

from load.latencies import Latencies, described
from load.tally import Tally, total

AROUND_A_SWITCH_SECONDS: Final = 1


@dataclass(frozen=True)
class Report:
    """One run, whole or so far."""

    began: float
    """Seconds since the epoch. All other times count from here."""
    seconds: float
    rate: float
    """Requests a second that were due by each protocol."""
    timeline: Mapping[str, Mapping[int, Tally]]
    """By protocol and by the second in which a request was due."""
    late: Latencies
    """How late requests left: when this is not small, the generator and not the server is what was measured."""
    failures: tuple[str, ...]
    """The first failures and wrong answers, with their time and their words."""

    def total(self, *protocols: str) -> Tally:
        """All requests, of all protocols or those named."""
        return self.between(0, math.inf, *protocols)

    def between(self, start: float, end: float, *protocols: str) -> Tally:
        """The requests that were due from second `start` up to `end`, by whole seconds."""
        return total(
            tally
            for protocol in protocols or self.timeline
            for second, tally in self.timeline[protocol].items()
            if math.floor(start) <= second < end
        )

    def since(self, start: float) -> dict[str, dict[int, Tally]]:
        """The timeline from second `start` on."""
        return {
            protocol: {second: tally for second, tally in tallies.items() if second >= math.floor(start)}
            for protocol, tallies in self.timeline.items()
        }

    def switched(self, *versions: str) -> bool:
        """Whether only these versions answered, by every protocol, and took over from each other in this order.

        An earlier version may go on answering on connections that it kept: it must have begun first and ended first.
        """
        return all(_in_order(self.total(protocol), versions) for protocol in self.timeline)

    def phases(self, before: str, after: str, *protocols: str) -> dict[str, Tally]:
        """A switch from one version to another: before, while both answered (and a second around it), and after."""
        whole = self.total(*protocols)
        first, last = whole.answered[after].first, whole.answered[before].last
        start = math.floor(min(first, last)) - AROUND_A_SWITCH_SECONDS
        end = math.ceil(max(first, last)) + AROUND_A_SWITCH_SECONDS
        return {
            "before": self.between(0, start, *protocols),
            "during": self.between(start, end, *protocols),
            "after": self.between(end, math.inf, *protocols),
        }

    def describe(self) -> dict[str, Any]:
        """The numbers that people look at first."""
        seconds = sorted({second for tallies in self.timeline.values() for second in tallies})
        return {
            "seconds": round(self.seconds, 3),
            "rate": self.rate,
            "late": described(self.late),
            "protocols": {protocol: self.total(protocol).describe() for protocol in self.timeline},
            "each_second": [_line(second, self.between(second, second + 1)) for second in seconds],
        }

    def to_json(self) -> str:
        """All of it, and the description beside it."""
        return json.dumps({"description": self.describe(), **_AS_DATA.dump_python(self, mode="json")})

    @classmethod
    def from_json(cls, text: str | bytes) -> "Report":
        """What `to_json` wrote."""
        return _AS_DATA.validate_json(text)


_AS_DATA: Final = TypeAdapter(Report)


def _in_order(tally: Tally, versions: Sequence[str]) -> bool:
    if tally.wrong or set(tally.answered) != set(versions):
        return False
    answered = [tally.answered[version] for version in versions]
    return all(one.first < next_.first and one.last < next_.last for one, next_ in itertools.pairwise(answered))


def _line(second: int, tally: Tally) -> dict[str, Any]:
    return {
        "second": second,
        "answered": tally.counts,
        "failed": tally.failed.total(),
        "wrong": tally.wrong.total(),
        **{name: value for name, value in described(tally.latencies).items() if name == "p99_ms"},
    }
