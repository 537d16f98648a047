"""The work queue: which ModelDeployments are due, when, and that no two workers ever hold the same one.

`Schedule` is the pure part: times come in as arguments. `WorkQueue` puts it on an event loop's clock.
"""

import asyncio
import heapq
import itertools
import random
from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True)
class Taken(Generic[K]):
    """A key in somebody's hands, and since when it had been due."""

    key: K
    due: float


class Schedule(Generic[K]):
    """Keys with the earliest time at which each is wanted. A key that is held is not handed out again until done."""

    def __init__(self) -> None:
        self._due: dict[K, float] = {}
        self._held: set[K] = set()
        self._heap: list[tuple[float, int, K]] = []
        self._order = itertools.count()

    def __len__(self) -> int:
        return len(self._due)

    @property
    def held(self) -> int:
        """How many keys are in somebody's hands."""
        return len(self._held)

    def add(self, key: K, at: float) -> None:
        """Want the key at a time. Of several wishes for one key the earliest wins and the others are met with it."""
        if at >= self._due.get(key, float("inf")):
            return
        self._due[key] = at
        if key not in self._held:
            self._push(key)

    def take(self, now: float) -> Taken[K] | None:
        """The key that has been due longest, now held; None when nothing is due."""
        at = self.next_at()
        if at is None or at > now:
            return None
        key = heapq.heappop(self._heap)[2]
        self._held.add(key)
        return Taken(key, self._due.pop(key))

    def done(self, key: K) -> None:
        """Let go of a held key. If it was wanted again meanwhile, it is handed out at that time."""
        self._held.remove(key)
        if key in self._due:
            self._push(key)

    def next_at(self) -> float | None:
        """When the next key that is not held is due."""
        while self._heap and not self._stands(*self._heap[0]):
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def _push(self, key: K) -> None:
        heapq.heappush(self._heap, (self._due[key], next(self._order), key))

    def _stands(self, at: float, _: int, key: K) -> bool:
        """Whether a heap entry is still the wish for its key; overtaken entries stay in the heap until they surface."""
        return key not in self._held and self._due.get(key) == at


class Backoff(Generic[K]):
    """How long to leave a key alone after failures in a row: doubling from a base to a cap, with jitter."""

    def __init__(
        self, *, base_seconds: float = 0.5, cap_seconds: float = 120, jitter: Callable[[], float] = random.random
    ):
        self._base, self._cap, self._jitter = base_seconds, cap_seconds, jitter
        self._failures: dict[K, int] = {}

    def failed(self, key: K) -> float:
        """Note a failure. Seconds to wait: between half and the whole of the step, so that a crowd spreads out."""
        before = self._failures.get(key, 0)
        self._failures[key] = before + 1
        step: float = min(self._cap, self._base * 2 ** min(before, 30))
        return step * (0.5 + self._jitter() / 2)

    def attempt(self, key: K) -> int:
        """Which try in a row the next one is, from 1."""
        return self._failures.get(key, 0) + 1

    def forget(self, key: K) -> None:
        """A success: the next failure starts again from the base."""
        self._failures.pop(key, None)


class WorkQueue(Generic[K]):
    """A Schedule that workers can wait on. Use within one event loop."""

    def __init__(self, *, coalesce_seconds: float = 0.1, backoff: Backoff[K] | None = None) -> None:
        self.backoff: Backoff[K] = backoff or Backoff()
        self._coalesce = coalesce_seconds
        self._schedule: Schedule[K] = Schedule()
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False
        self._settled = asyncio.Event()
        self._settled.set()

    def __len__(self) -> int:
        return len(self._schedule)

    def notice(self, key: K) -> None:
        """Something changed. A burst of changes within the coalescing time is one piece of work."""
        self.add(key, self._coalesce)

    def add(self, key: K, delay_seconds: float = 0) -> None:
        """Want the key worked on after a delay; an earlier wish stands."""
        self._schedule.add(key, self._now() + delay_seconds)
        if delay_seconds <= 0:
            self._settled.clear()
        self._arm()

    async def get(self) -> Taken[K] | None:
        """Wait for a key that is due and hold it until it is given to `done`; None once the queue is closed."""
        while self._closed or (taken := self._schedule.take(self._now())) is None:
            if self._closed:
                return None
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            self._arm()
            try:
                await waiter
            finally:
                self._forsake(waiter)
        self._arm()
        return taken

    def done(self, key: K) -> None:
        """Let go of a key."""
        self._schedule.done(key)
        next_at = self._schedule.next_at()
        if not self._schedule.held and (next_at is None or next_at > self._now()):
            self._settled.set()
        self._arm()

    def close(self) -> None:
        """Hand out nothing more."""
        self._closed = True
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def settled(self) -> None:
        """Wait until all that was due has been worked on once."""
        await self._settled.wait()

    def _forsake(self, waiter: asyncio.Future[None]) -> None:
        """A worker that was cancelled on its way must not take a wake-up call with it."""
        if waiter in self._waiters:
            self._waiters.remove(waiter)
        self._arm()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        next_at = self._schedule.next_at()
        if self._waiters and next_at is not None:
            self._timer = asyncio.get_running_loop().call_at(next_at, self._rouse)

    def _rouse(self) -> None:
        self._timer = None
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
