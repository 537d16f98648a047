"""Which rate a pod is asked at next, and what the rounds so far come to. Pure: latencies in, a rate or an end out.

One request at a time first: where that is too slow, no rate will do. Then doubled while it holds, and halved towards
the highest rate that does; that one is asked for longer, before anybody relies on it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import sqrt
from typing import Final

ALONE_SECONDS: Final = 3.0
_SHORTEST, _LONGEST = 3.0, 15.0
_ENOUGH: Final = 200
"""Requests, of which the 99th percentile is the third largest."""
_CONFIRMING: Final = 3
"""The rate that is answered with is asked for so many times as long as others."""
_CLOSE: Final = 1.1
"""A rate that holds and one that does not are that near to each other: the machine's own noise is as large."""
TRIES: Final = 2
"""A rate fails when it has failed so often: once may be somebody else's doing."""
_SLOWEST: Final = 0.05
"""Of what one at a time comes to. What does not hold even then holds at no rate."""
_LEFT_OVER: Final = 0.05
"""Of the time of sending: as much work may be left at its end, beside one answer."""
_MOST_ROUNDS: Final = 100
"""More than any server takes that is what it says: rounds that are over at once, and always hold, are forged."""
_MOST_LATE: Final = 0.25
"""Of the objective: when requests leave later, the generator is what was measured."""


@dataclass(frozen=True, kw_only=True)
class Round:
    """What came of one rate. Times are in seconds."""

    rate: float
    """Requests a second; 0: one at a time."""
    sent: int
    answered: int
    failed: Mapping[str, int]
    seconds: float
    p50: float | None
    p99: float | None
    late: float | None
    """The 99th percentile of how late requests left."""
    words: str = ""
    """Of the first failure."""
    confirming: bool = False
    sending: float = 0
    """For so long requests were sent; answers came for `seconds`."""

    def holds(self, objective: float, answer_time: float) -> bool:
        """Whether all were answered, in time, and as fast as they came. `answer_time`: of one that is asked alone."""
        in_time = self.p99 is not None and self.p99 <= objective
        return self.answered == self.sent > 0 and not self.failed and in_time and self._keeps_up(answer_time)

    def _keeps_up(self, answer_time: float) -> bool:
        """Whether no queue was left: what is too much shows in latencies only once the queue is as long as the
        objective, which a short round may not see."""
        return not self.rate or self.seconds - self.sending - answer_time <= _LEFT_OVER * self.sending


@dataclass(frozen=True, kw_only=True)
class Ask:
    """The next round."""

    rate: float
    seconds: float
    confirming: bool = False


class Ended(StrEnum):
    """Why there is no next round."""

    HELD = "held"
    """There is a rate that holds."""
    UNREACHABLE = "unreachable"
    FAILED = "failed"
    """It does not answer."""
    TIME = "time"
    """The time was up before any rate was known to hold."""


def next_round(rounds: Sequence[Round], objective: float, left: float) -> Ask | Ended:
    """What to ask next, with so many seconds left; or what it has come to."""
    if not rounds:
        return Ask(rate=0, seconds=min(ALONE_SECONDS, left)) if left > 0 else Ended.TIME
    alone = rounds[0]
    if not alone.answered or alone.failed or not alone.p50 or alone.p99 is None:
        return Ended.FAILED
    if alone.p99 > objective:
        return Ended.UNREACHABLE
    ask = _next(rounds, objective)
    if isinstance(ask, Ended) or (ask.seconds <= left and len(rounds) < _MOST_ROUNDS):
        return ask
    return Ended.HELD if best(rounds, objective) else Ended.TIME


def held(rounds: Sequence[Round], objective: float, tries: int = TRIES) -> Round | None:
    """The round at the highest rate that holds below all that have failed so often; of several the longest one."""
    least = limit(rounds, objective, tries)
    alone = answer_time(rounds)
    good = [
        each for each in rounds if each.rate and each.holds(objective, alone) and (least is None or each.rate < least)
    ]
    return max(good, key=lambda each: (each.rate, each.confirming, each.sent), default=None)


def answer_time(rounds: Sequence[Round]) -> float:
    """Seconds that an answer takes where nothing else is asked, by the first round."""
    return (rounds[0].p99 or 0) if rounds else 0


def best(rounds: Sequence[Round], objective: float) -> Round | None:
    """The round to answer with: where the highest rate was not asked for longer, one below all that ever failed."""
    highest = held(rounds, objective)
    return highest if highest is None or highest.confirming else held(rounds, objective, tries=1)


def limit(rounds: Sequence[Round], objective: float, tries: int = TRIES) -> float | None:
    """The lowest rate that has failed so often."""
    alone = answer_time(rounds)
    bad = [each.rate for each in rounds if each.rate and not each.holds(objective, alone)]
    return min((rate for rate in bad if bad.count(rate) >= tries), default=None)


def is_of_the_generator(measured: Round, objective: float) -> bool:
    """Whether requests left so late that the machine, and not the model, may be what was measured."""
    return measured.late is not None and measured.late > _MOST_LATE * objective


def _next(rounds: Sequence[Round], objective: float) -> Ask | Ended:
    last, one = rounds[-1], 1 / max(rounds[0].p50 or 0, 1e-6)
    low, high = held(rounds, objective), limit(rounds, objective)
    if last.rate and not last.holds(objective, answer_time(rounds)) and (high is None or last.rate < high):
        return _ask(last.rate, confirming=last.confirming)  # once more
    if low is None and high is None:
        return _ask(one / 2)
    if low is None:
        assert high is not None
        return _ask(high / 2) if high / 2 > _SLOWEST * one else Ended.UNREACHABLE
    if high is None:
        return _ask(low.rate * 2)
    if high / low.rate > _CLOSE:
        return _ask(sqrt(high * low.rate))
    return Ended.HELD if low.confirming else _ask(low.rate, confirming=True)


def _ask(rate: float, *, confirming: bool = False) -> Ask:
    seconds = min(max(_SHORTEST, _ENOUGH / rate), _LONGEST)
    return Ask(rate=rate, seconds=seconds * (_CONFIRMING if confirming else 1), confirming=confirming)
