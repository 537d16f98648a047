"""Fair shares: many namespaces want few slots, and none of them can keep another waiting.

First come those who have least, and a quarter of all is kept for those who have less than a quarter: what is in
somebody's hands comes back only when it is done, which a silent server or webhook makes long.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from typing import Final, Generic, TypeVar

Who = TypeVar("Who", bound=Hashable)


class Shares:
    """The pure part: who has how many of the slots, and whether one more is due."""

    def __init__(self, capacity: int) -> None:
        self.quarter: Final = max(1, capacity // 4)
        self.most: Final = max(1, capacity - self.quarter)
        """That one namespace can have."""
        self._free = capacity
        self._held: Counter[str] = Counter()

    def held(self, namespace: str) -> int:
        """How many a namespace has."""
        return self._held[namespace]

    def may_take(self, namespace: str) -> bool:
        """Whether a namespace may have one more, if nobody waits who has less."""
        held = self._held[namespace]
        return held < self.most and self._free > (0 if held < self.quarter else self.quarter)

    def take(self, namespace: str) -> None:
        """Hand one out."""
        self._free -= 1
        self._held[namespace] += 1

    def take_beyond(self, namespace: str) -> None:
        """Count one of a namespace's own that takes no slot from others."""
        self._held[namespace] += 1

    def give_back(self, namespace: str) -> None:
        """Take one back."""
        self._free += 1
        self._held[namespace] -= 1
        if not self._held[namespace]:
            del self._held[namespace]


class Line(Generic[Who]):
    """Those who wait for a slot: within a namespace who came first, among namespaces who has least."""

    def __init__(self) -> None:
        self._waiting: dict[str, dict[Who, None]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))

    def join(self, namespace: str, who: Who) -> None:
        """Wait, in the place that somebody has already."""
        self._waiting.setdefault(namespace, {}).setdefault(who)

    def leave(self, namespace: str, who: Who) -> None:
        """Wait no longer."""
        turns = self._waiting.get(namespace, {})
        turns.pop(who, None)
        if not turns:
            self._waiting.pop(namespace, None)

    def of(self, namespace: str) -> list[Who]:
        """All who wait in a namespace, in their order."""
        return list(self._waiting.get(namespace, ()))

    def next(self, shares: Shares) -> tuple[str, Who] | None:
        """Take out whose turn is now, if it is anybody's."""
        due = [each for each in self._waiting if shares.may_take(each)]
        if not due:
            return None
        namespace = min(due, key=shares.held)
        turns = self._waiting.pop(namespace)
        who = next(iter(turns))
        del turns[who]
        if turns:
            self._waiting[namespace] = turns  # behind the others
        return namespace, who


class FairSlots:
    """A semaphore with fair shares. Use within one event loop."""

    def __init__(self, capacity: int) -> None:
        self._shares = Shares(capacity)
        self._line: Line[asyncio.Future[None]] = Line()

    @asynccontextmanager
    async def slot(self, namespace: str) -> AsyncIterator[None]:
        """A slot for as long as the context lasts."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._line.join(namespace, turn)
        self._hand_out()
        try:
            await turn
        except asyncio.CancelledError:
            self._forsake(namespace, turn)
            raise
        try:
            yield
        finally:
            self._shares.give_back(namespace)
            self._hand_out()

    def _hand_out(self) -> None:
        """Hand out all that is due."""
        while whose := self._line.next(self._shares):
            namespace, turn = whose
            if not turn.done():
                self._shares.take(namespace)
                turn.set_result(None)

    def _forsake(self, namespace: str, turn: asyncio.Future[None]) -> None:
        """Of one that was cancelled neither its place in the line nor the slot that it was just given stays behind."""
        if turn.done() and not turn.cancelled():
            self._shares.give_back(namespace)
        self._line.leave(namespace, turn)
        self._hand_out()
