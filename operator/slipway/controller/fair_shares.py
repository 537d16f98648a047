"""Fair shares: many namespaces want few slots, and none of them can keep another waiting.

First come those who have least, and a quarter of all is kept for those who have less than a quarter: what is in
somebody's hands comes back only when it is done, which a silent server or webhook makes long.
"""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final


class Shares:
    """The pure part: who has how many of the slots, and whether one more is due."""

    def __init__(self, capacity: int) -> None:
        self.quarter: Final = max(1, capacity // 4)
        self._free = capacity
        self._held: Counter[str] = Counter()

    def held(self, namespace: str) -> int:
        """How many a namespace has."""
        return self._held[namespace]

    def may_take(self, namespace: str) -> bool:
        """Whether a namespace may have one more, if nobody waits who has less."""
        return self._free > (0 if self._held[namespace] < self.quarter else self.quarter)

    def take(self, namespace: str) -> None:
        """Hand one out."""
        self._free -= 1
        self._held[namespace] += 1

    def give_back(self, namespace: str) -> None:
        """Take one back."""
        self._free += 1
        self._held[namespace] -= 1
        if not self._held[namespace]:
            del self._held[namespace]


class FairSlots:
    """A semaphore with fair shares. Use within one event loop."""

    def __init__(self, capacity: int) -> None:
        self._shares = Shares(capacity)
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}

    @asynccontextmanager
    async def slot(self, namespace: str) -> AsyncIterator[None]:
        """A slot for as long as the context lasts."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(namespace, deque()).append(turn)
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
        """Hand out all that is due, first to those who have least."""
        while due := [each for each in self._waiting if self._shares.may_take(each)]:
            namespace = min(due, key=self._shares.held)
            turns = self._waiting.pop(namespace)
            turn = turns.popleft()
            if turns:
                self._waiting[namespace] = turns  # behind the others
            if not turn.done():
                self._shares.take(namespace)
                turn.set_result(None)

    def _forsake(self, namespace: str, turn: asyncio.Future[None]) -> None:
        """Of one that was cancelled neither its place in the line nor the slot that it was just given stays behind."""
        if turn.done() and not turn.cancelled():
            self._shares.give_back(namespace)
        turns = self._waiting.get(namespace)
        if turns and turn in turns:
            turns.remove(turn)
            if not turns:
                del self._waiting[namespace]
        self._hand_out()
