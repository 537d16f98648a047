"""Resolve slots: how many resolve Jobs run at a time in all, with fair shares for namespaces.

Who holds one is read from the cluster: an unfinished Job does. So no slot is lost, whatever ends this process, and a
Job of an earlier one counts. Memory has only who waits, and to whom a slot was given that has yet to make its Job.

How long a Job runs is for its owner to say (`fetchTimeout`), and for whoever keeps its pod from a node or its source
from an answer. So one that takes long counts against its own namespace alone: nobody waits longer for others than that.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Set
from datetime import datetime, timedelta
from typing import Final

from slipway.controller.fair_shares import Line, Shares
from slipway.controller.kinds import Key

Place = tuple[Key, str]
"""A ModelDeployment and the name of its resolve Job."""

LONG: Final = timedelta(minutes=2)
"""Most are done in seconds; after this one takes no slot from other namespaces."""
GIVEN_FOR: Final = timedelta(minutes=1)
"""How long a slot is kept for one whose turn it is: until a worker has come to it."""


class ResolveSlots:
    """Says whose resolve Job may be made now, and wakes those whose turn has come."""

    def __init__(
        self,
        limit: int,
        *,
        running: Callable[[int], Iterable[tuple[Place, datetime | None]]],
        wake: Callable[[Key], None] = lambda _: None,
    ) -> None:
        """`running`: whose unfinished Jobs there are, at most so many of a namespace, and since when."""
        self.limit: Final = limit
        self._running, self._wake = running, wake
        self._line: Line[Place] = Line()
        self._given: dict[Place, datetime] = {}

    def take(self, key: Key, name: str, now: datetime) -> bool:
        """Whether a Job may be made now; if not, it waits for its turn."""
        place = key, name
        if place not in self._given:
            self._line.join(key.namespace, place)
            self._hand_out(now, asking=place)
        return place in self._given

    def settle(self, key: Key, wanted: Set[str], now: datetime) -> None:
        """A pass over a ModelDeployment has ended that wanted these Jobs: what it did not make of a slot goes on, and
        what it wants no more waits no more."""
        for place in [each for each in self._given if each[0] == key]:
            del self._given[place]
        for place in self._line.of(key.namespace):
            if place[0] == key and place[1] not in wanted:
                self._line.leave(key.namespace, place)
        self._hand_out(now)

    def _hand_out(self, now: datetime, *, asking: Place | None = None) -> None:
        if not self._line:
            return
        self._given = {place: until for place, until in self._given.items() if until > now}
        shares = self._shares(now)
        while whose := self._line.next(shares):
            namespace, place = whose
            shares.take(namespace)
            self._given[place] = now + GIVEN_FOR
            if place != asking:
                self._wake(place[0])

    def _shares(self, now: datetime) -> Shares:
        """Who has how many. Whoever may make Jobs can make any number that look like ours: a namespace counts for no
        more than it can be given."""
        since = dict.fromkeys(self._given, now) | dict(self._running(self.limit))
        long = {place for place, begun in since.items() if begun and begun <= now - LONG}
        held, beyond = (Counter(key.namespace for key, _ in places) for places in (since.keys() - long, long))
        shares = Shares(self.limit)
        for namespace in held | beyond:
            taken = min(held[namespace], shares.most)
            for _ in range(taken):
                shares.take(namespace)
            for _ in range(min(beyond[namespace], shares.most - taken)):
                shares.take_beyond(namespace)
        return shares
