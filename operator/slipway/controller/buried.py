"""Buried: deletions that are remembered, so that no news on its way brings back what is gone."""

from math import inf
from typing import Final

MOST_BURIED: Final = 50_000
"""Deletions remembered at a time: as many as a thousand ModelDeployments leave behind, several times over."""


class Buried:
    """Which objects are gone, and since which version."""

    def __init__(self) -> None:
        self._now: dict[str, float] = {}
        self._before: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._now)

    def gone_at(self, uid: str) -> float:
        """The version at which an object was gone; -1 where that is not known."""
        return max(self._now.get(uid, -1), self._before.get(uid, -1))

    def bury(self, uid: str, version: float = inf) -> None:
        """Remember that an object is gone; the oldest is forgotten for it where there are too many."""
        self._now[uid] = max(version, self.gone_at(uid))
        if len(self._now) > MOST_BURIED:
            del self._now[next(iter(self._now))]

    def age(self) -> None:
        """Forget what was buried before the last time that somebody said so."""
        self._before, self._now = self._now, {}
