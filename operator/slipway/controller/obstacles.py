"""What stood in the way of a first write or of any: taken names and refused children, remembered for a while.

The core is told of them and says so in status; nothing watches strangers' objects, so each is tried again in time.
"""

from dataclasses import dataclass
from datetime import datetime

from slipway.controller.kinds import Key
from slipway.core.facts import Foreign, Rejected


@dataclass(frozen=True, kw_only=True)
class Obstacle:
    """One child that could not be written."""

    found: Foreign | Rejected
    until: datetime
    """When it is tried again."""
    asked: str
    """The hash of what was refused: another manifest may pass. A taken name is taken for any."""


class Obstacles:
    """Obstacles by ModelDeployment, in this process's memory alone: a restart tries everything again."""

    def __init__(self) -> None:
        self._by_key: dict[Key, dict[tuple[str, str], Obstacle]] = {}

    def add(self, key: Key, obstacle: Obstacle) -> bool:
        """Remember one. Answers whether it is news."""
        known = self._by_key.setdefault(key, {})
        at = obstacle.found.kind, obstacle.found.name
        news = at not in known or known[at].found != obstacle.found
        known[at] = obstacle
        return news

    def standing(self, key: Key) -> tuple[Obstacle, ...]:
        """Those that are known, also while they are tried again: what is not known to have gone still stands."""
        return tuple(self._by_key.get(key, {}).values())

    def hinders(self, key: Key, kind: str, name: str, *, asked: str, now: datetime) -> bool:
        """Whether writing that now is known to be in vain."""
        obstacle = self._by_key.get(key, {}).get((kind, name))
        if obstacle is None or obstacle.until <= now:
            return False
        return isinstance(obstacle.found, Foreign) or obstacle.asked == asked

    def clear(self, key: Key, kind: str, name: str) -> bool:
        """It could be written. Answers whether something had been in the way before."""
        return self._by_key.get(key, {}).pop((kind, name), None) is not None

    def drop_expired(self, key: Key, now: datetime) -> bool:
        """After a pass: what was due and was not met again is no longer asked for. Answers whether there was any."""
        known = self._by_key.pop(key, {})
        still = {at: obstacle for at, obstacle in known.items() if obstacle.until > now}
        if still:
            self._by_key[key] = still
        return len(still) < len(known)

    def forget(self, key: Key) -> None:
        """The ModelDeployment is gone."""
        self._by_key.pop(key, None)
