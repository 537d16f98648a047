"""Watch health: whether watches report what listings show. A watch that is quiet for a minute is deaf, and only a
restart cures it."""

from collections.abc import Mapping
from typing import Final

from slipway.controller.kinds import Kind

DEAF_AFTER_SECONDS: Final = 60


class WatchHealth:
    """Keeps what listings showed and watches have not reported yet, by kind and namespace."""

    def __init__(self) -> None:
        self._missed: dict[str, dict[str | None, dict[str, tuple[int, float]]]] = {}
        self._lag: dict[tuple[str, str | None], float] = {}

    def record_event(self, kind: Kind, uid: str, version: int) -> None:
        """Record that a watch reported an object."""
        for missed in self._missed.get(kind.name, {}).values():
            if uid in missed and version >= missed[uid][0]:
                del missed[uid]

    def record_deletion(self, kind: Kind, uid: str) -> None:
        """Record that a watch reported an object gone, whichever version was missed."""
        for missed in self._missed.get(kind.name, {}).values():
            missed.pop(uid, None)

    def record_listing(
        self,
        kind: Kind,
        listed: Mapping[str, int],
        news: Mapping[str, int],
        now: float,
        *,
        namespace: str | None = None,
    ) -> None:
        """Record the listing of all objects of a kind; `news` were not in the store. A watch owes nothing that went."""
        before = self._missed.setdefault(kind.name, {}).get(namespace, {})
        missed = {uid: entry for uid, entry in before.items() if uid in listed}
        for uid, version in news.items():
            missed.setdefault(uid, (version, now))
        self._missed[kind.name][namespace] = missed
        self._lag[kind.name, namespace] = max((now - since for _, since in missed.values()), default=0.0)

    def is_waiting(self) -> bool:
        """Whether a watch owes anything that a second listing could confirm."""
        return any(missed for places in self._missed.values() for missed in places.values())

    def lag_seconds(self) -> Mapping[str, float]:
        """By kind, how long its watch had kept quiet at the last listing."""
        lag: dict[str, float] = {}
        for (kind, _), seconds in self._lag.items():
            lag[kind] = max(seconds, lag.get(kind, 0.0))
        return lag

    def deaf_kinds(self) -> list[str]:
        """Kinds whose watch is deaf."""
        return [kind for kind, lag in self.lag_seconds().items() if lag > DEAF_AFTER_SECONDS]
