"""Obstacles: what stands in the way of writes, and when each is tried again. This process's memory alone holds them.

The core reads them and reports them in status. Nothing announces that an obstacle has gone, so each write is tried
again in time, and no sooner: what is refused, fails or does not stay is the same a moment later.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from slipway.controller.kinds import Key
from slipway.core.observed.blocked_writes import not_kept
from slipway.core.observed.objects import JobQueued, NameTaken, WriteDenied, WriteFailed, WriteNotKept

Place = tuple[str, str]
"""Kind and name of a child."""

BURST: Final = 3
"""Times that the same write is repaired at once, whoever undid it: people do that by hand."""
QUIET_FOR: Final = timedelta(minutes=10)
"""After which a repair is the first one again."""
LONGEST_PAUSE: Final = timedelta(minutes=5)
"""Between two tries of what does not stay."""
LONGEST_ABSENCE: Final = timedelta(seconds=10)
"""Between two tries to make what is deleted each time: nobody answers in its place, and it may be left alone by now."""
LONGEST_WAIT: Final = timedelta(seconds=30)
"""Between two tries of what fails."""


@dataclass(frozen=True, kw_only=True)
class Obstacle:
    """One child that could not be written, or does not stay as written."""

    problem: JobQueued | NameTaken | WriteDenied | WriteFailed | WriteNotKept
    until: datetime
    """When it is tried again."""
    fingerprint: str
    """Identifies what was to be written: another manifest may pass. A taken name is taken for any."""
    tries: int = 1

    @property
    def words(self) -> str:
        """The obstacle in words, for the log."""
        problem, what = self.problem, " ".join(self.place)
        match problem:
            case NameTaken(owned_by=owner):
                return f"{what} is owned by {owner} and stays as it is"
            case WriteDenied(message=message):
                return f"{what} is refused: {message}"
            case WriteFailed(message=message):
                return f"{what} could not be written: {message}"
            case WriteNotKept():
                return not_kept(problem)
            case JobQueued(limit=limit):
                return f"{what} waits for its turn: {limit} may run at a time"

    @property
    def place(self) -> Place:
        """The child that it blocks."""
        return self.problem.kind, self.problem.name


@dataclass(frozen=True, kw_only=True)
class _Write:
    fingerprint: str
    times: int
    at: datetime


class Obstacles:
    """Keeps obstacles by ModelDeployment. A restart forgets them, and so tries everything again."""

    def __init__(self) -> None:
        self._by_key: dict[Key, dict[Place, Obstacle]] = {}
        self._writes: dict[Key, dict[Place, _Write]] = {}

    def add(self, key: Key, obstacle: Obstacle) -> bool:
        """Remember an obstacle. Answers whether it is new or differs from the one before."""
        obstacles = self._by_key.setdefault(key, {})
        is_news = obstacle.place not in obstacles or obstacles[obstacle.place].problem != obstacle.problem
        obstacles[obstacle.place] = obstacle
        return is_news

    def all_for(self, key: Key) -> tuple[Obstacle, ...]:
        """All obstacles, also those whose write is being tried again: one stands until that write has passed."""
        return tuple(self._by_key.get(key, {}).values())

    def get(self, key: Key, place: Place) -> Obstacle | None:
        """The obstacle of one child."""
        return self._by_key.get(key, {}).get(place)

    def blocks(self, key: Key, place: Place, *, fingerprint: str, now: datetime) -> Obstacle | None:
        """The obstacle that makes the same write useless now."""
        obstacle = self.get(key, place)
        if obstacle is None or obstacle.until <= now or isinstance(obstacle.problem, JobQueued):
            return None  # whose turn it is changes at any time
        return obstacle if isinstance(obstacle.problem, NameTaken) or obstacle.fingerprint == fingerprint else None

    def clear(self, key: Key, place: Place) -> bool:
        """Forget the obstacle of a child that could be written. Answers whether there was one."""
        return self._by_key.get(key, {}).pop(place, None) is not None

    def drop_expired(self, key: Key, now: datetime) -> bool:
        """After a pass, forget what was due and was not met again: it is not wanted now. Answers whether any was."""
        obstacles = self._by_key.pop(key, {})
        remaining = {place: obstacle for place, obstacle in obstacles.items() if obstacle.until > now}
        if remaining:
            self._by_key[key] = remaining
        return len(remaining) < len(obstacles)

    def forget(self, key: Key) -> None:
        """Forget a ModelDeployment that is gone."""
        self._by_key.pop(key, None)
        self._writes.pop(key, None)

    # -- how often, and when again

    def for_failed_write(
        self, key: Key, problem: WriteFailed, *, fingerprint: str, now: datetime, at_least: timedelta
    ) -> Obstacle:
        """The obstacle for a write that failed: it has lasted since it first did, and is tried ever more slowly."""
        before = self.get(key, (problem.kind, problem.name))
        tries = 1
        if before and isinstance(before.problem, WriteFailed):
            tries, problem = before.tries + 1, replace(problem, since=before.problem.since)
        wait = max(min(LONGEST_WAIT, timedelta(seconds=2 ** min(tries - 1, 16))), at_least)
        return Obstacle(problem=problem, until=now + wait, fingerprint=fingerprint, tries=tries)

    def for_unkept_write(self, key: Key, problem: WriteNotKept, *, fingerprint: str, now: datetime) -> Obstacle:
        """The obstacle for a write whose own answer shows that it did not stay."""
        before = self.get(key, (problem.kind, problem.name))
        tries = before.tries + 1 if before and isinstance(before.problem, WriteNotKept) else 1
        wait = min(LONGEST_PAUSE, timedelta(minutes=2 ** min(tries - 1, 16)))
        return Obstacle(problem=problem, until=now + wait, fingerprint=fingerprint, tries=tries)

    def count_write(self, key: Key, place: Place, *, fingerprint: str, now: datetime) -> None:
        """Count a write that was taken."""
        writes = self._writes.setdefault(key, {})
        before = writes.get(place)
        again = before is not None and before.fingerprint == fingerprint and now < before.at + QUIET_FOR
        writes[place] = _Write(fingerprint=fingerprint, times=before.times + 1 if before and again else 1, at=now)

    def rewrite_at(
        self, key: Key, place: Place, *, fingerprint: str, now: datetime, absent: bool = False
    ) -> datetime | None:
        """When a write may be made once more that has been undone again and again; None when that is now. `absent`:
        what was written is not there at all."""
        before = self._writes.get(key, {}).get(place)
        if before is None or before.fingerprint != fingerprint or before.times <= BURST or now >= before.at + QUIET_FOR:
            return None
        longest = LONGEST_ABSENCE if absent else LONGEST_PAUSE
        pause = min(longest, timedelta(seconds=2 ** min(before.times - BURST, 16)))
        return before.at + pause if now < before.at + pause else None
