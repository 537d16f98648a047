"""The work queue: which ModelDeployments are due, when, and that no two workers ever hold the same one.

There are two lanes. What serves may not wait behind a crowd that starts: its changes are urgent and go first. Of five
passes one is ordinary as long as any is due, so that neither lane keeps the other waiting for ever. And no namespace
keeps another waiting: see `fair_shares`.

`Schedule` is the pure part: times come in as arguments. `WorkQueue` puts it on an event loop's clock.
"""

import asyncio
import heapq
import itertools
import random
from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from slipway.controller.fair_shares import Shares

K = TypeVar("K", bound=Hashable)

WITHOUT_BOUND: Final = 1_000_000_000
URGENT_IN_A_ROW: Final = 4
"""After so many urgent passes an ordinary one that is due has its turn."""


@dataclass(frozen=True)
class Taken(Generic[K]):
    """A key in somebody's hands, since when it had been due, and in which lane."""

    key: K
    due: float
    urgent: bool = False


def _all_in_one(_: object) -> str:
    return ""


class _Lane(Generic[K]):
    """Keys with the earliest time at which each is wanted, in a line for each namespace."""

    def __init__(self, namespace_of: Callable[[K], str]) -> None:
        self.due: dict[K, float] = {}
        self._namespace_of = namespace_of
        self._lines: dict[str, list[tuple[float, int, K]]] = {}
        self._heads: list[tuple[float, int, str]] = []
        """Of the lines, each with what stood first when it was put here; overtaken ones stay until they surface."""
        self._head: dict[str, tuple[float, int]] = {}
        self._order = itertools.count()

    def want(self, key: K, at: float) -> None:
        """Set the time at which a key is wanted."""
        self.due[key] = at
        self.push(key)

    def push(self, key: K) -> None:
        """Have a key that is wanted stand in line."""
        namespace, entry = self._namespace_of(key), (self.due[key], next(self._order))
        heapq.heappush(self._lines.setdefault(namespace, []), (*entry, key))
        if namespace not in self._head or entry < self._head[namespace]:
            self._put_head(namespace, entry)

    def next(self, held: set[K], shares: Shares) -> tuple[float, K] | None:
        """The key that is due first, of those that nobody holds and whose namespace may have one more."""
        passed_over = []
        first: tuple[float, K] | None = None
        while self._heads and first is None:
            at, order, namespace = self._heads[0]
            if self._head.get(namespace) != (at, order):
                heapq.heappop(self._heads)
            elif not shares.may_take(namespace):  # of those there are few: each holds a quarter
                passed_over.append(heapq.heappop(self._heads))
            else:
                first = self._first(namespace, held)
        for head in passed_over:
            heapq.heappush(self._heads, head)
        return first

    def _first(self, namespace: str, held: set[K]) -> tuple[float, K] | None:
        """The first in a line whose head is before all others; None where it has another head now, or none. Overtaken
        entries stay until they surface here."""
        line = self._lines[namespace]
        while line:
            at, order, key = line[0]
            if key in held or self.due.get(key) != at:
                heapq.heappop(line)
            elif self._head[namespace] == (at, order):
                return at, key
            else:
                self._put_head(namespace, (at, order))
                return None
        del self._lines[namespace], self._head[namespace]
        return None

    def _put_head(self, namespace: str, entry: tuple[float, int]) -> None:
        self._head[namespace] = entry
        heapq.heappush(self._heads, (*entry, namespace))


class Schedule(Generic[K]):
    """Keys, their lanes and times. A key that is held is not handed out again until done."""

    def __init__(self, shares: Shares | None = None, namespace_of: Callable[[K], str] = _all_in_one) -> None:
        self._shares, self._namespace_of = shares or Shares(WITHOUT_BOUND), namespace_of
        self._urgent: _Lane[K] = _Lane(namespace_of)
        self._ordinary: _Lane[K] = _Lane(namespace_of)
        self._lanes = (self._urgent, self._ordinary)
        self._held: set[K] = set()
        self._not_before: dict[K, float] = {}
        self._urgent_in_a_row = 0

    def __len__(self) -> int:
        return len(self._urgent.due.keys() | self._ordinary.due.keys())

    @property
    def held_count(self) -> int:
        """How many keys are in somebody's hands."""
        return len(self._held)

    def add(self, key: K, at: float, *, urgent: bool = False) -> None:
        """Want the key at a time. Of several wishes for one key the earliest wins and the others are met with it."""
        lane = self._urgent if urgent else self._ordinary
        at = max(at, self._not_before.get(key, at))
        if at < lane.due.get(key, float("inf")):
            lane.want(key, at)

    def postpone(self, key: K, until: float) -> None:
        """Hand the key out no sooner than that, whatever is wished for meanwhile."""
        self._not_before[key] = until
        for lane in self._lanes:
            if lane.due.get(key, until) < until:
                lane.want(key, until)

    def release(self, key: K) -> None:
        """Let the next wish for a postponed key count as it is."""
        self._not_before.pop(key, None)

    def take(self, now: float) -> Taken[K] | None:
        """The key whose turn it is, now held; None when nothing is due."""
        urgent, ordinary = (self._next_due(lane, now) for lane in self._lanes)
        goes_first = urgent is not None and (ordinary is None or self._urgent_in_a_row < URGENT_IN_A_ROW)
        chosen = urgent if goes_first else ordinary
        if chosen is None:
            return None
        self._urgent_in_a_row = self._urgent_in_a_row + 1 if goes_first and ordinary else 0
        due, key = chosen
        for lane in self._lanes:
            lane.due.pop(key, None)
        self._not_before.pop(key, None)
        self._held.add(key)
        self._shares.take(self._namespace_of(key))
        return Taken(key, due, goes_first)

    def done(self, key: K) -> None:
        """Let go of a held key. If it was wanted again meanwhile, it is handed out at that time."""
        self._held.remove(key)
        self._shares.give_back(self._namespace_of(key))
        for lane in self._lanes:
            if key in lane.due:
                lane.push(key)

    def next_at(self) -> float | None:
        """When the next key is due that may be taken."""
        waiting = (lane.next(self._held, self._shares) for lane in self._lanes)
        return min((at for at, _ in filter(None, waiting)), default=None)

    def _next_due(self, lane: _Lane[K], now: float) -> tuple[float, K] | None:
        waiting = lane.next(self._held, self._shares)
        return waiting if waiting and waiting[0] <= now else None


class Backoff(Generic[K]):
    """How long to leave a key alone after failures in a row: doubling from a base to a cap, with jitter."""

    def __init__(
        self, *, base_seconds: float = 0.5, cap_seconds: float = 120, jitter: Callable[[], float] = random.random
    ):
        self._base, self._cap, self._jitter = base_seconds, cap_seconds, jitter
        self._failures: dict[K, int] = {}

    def record_failure(self, key: K) -> float:
        """Record a failure. Answers the seconds to wait: half to the whole of the step, so that a crowd spreads out."""
        before = self._failures.get(key, 0)
        self._failures[key] = before + 1
        step: float = min(self._cap, self._base * 2 ** min(before, 30))
        return step * (0.5 + self._jitter() / 2)

    def attempt(self, key: K) -> int:
        """Which try in a row the next one is, from 1."""
        return self._failures.get(key, 0) + 1

    def forget(self, key: K) -> None:
        """Forget a key's failures: the next one starts again from the base."""
        self._failures.pop(key, None)


class WorkQueue(Generic[K]):
    """A Schedule that workers can wait on. Use within one event loop."""

    def __init__(
        self,
        *,
        coalesce_seconds: float = 0.1,
        backoff: Backoff[K] | None = None,
        shares: Shares | None = None,
        namespace_of: Callable[[K], str] = _all_in_one,
    ) -> None:
        self.backoff: Backoff[K] = backoff or Backoff()
        self._coalesce = coalesce_seconds
        self._schedule: Schedule[K] = Schedule(shares, namespace_of)
        self._retry_after: dict[K, float] = {}
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False
        self._settled = asyncio.Event()
        self._settled.set()

    def __len__(self) -> int:
        return len(self._schedule)

    # -- wishes

    def notice(self, key: K, *, urgent: bool = False) -> None:
        """Want a key whose objects changed. A burst of changes within the coalescing time is one piece of work."""
        self.add(key, self._coalesce, urgent=urgent)

    def add(self, key: K, delay_seconds: float = 0, *, urgent: bool = False) -> None:
        """Want the key worked on after a delay; an earlier wish stands."""
        self._schedule.add(key, self._now() + delay_seconds, urgent=urgent)
        if delay_seconds <= 0:
            self._settled.clear()
        self._arm()

    def retry(self, key: K, *, retry_after_seconds: float = 0, urgent: bool = False) -> float:
        """Want a key whose pass failed after its back-off and the server's Retry-After; no change makes it sooner.
        Answers the seconds until then."""
        delay = max(self.backoff.record_failure(key), retry_after_seconds)
        self._retry_after[key] = self._now() + retry_after_seconds
        self._schedule.postpone(key, self._now() + delay)
        self.add(key, delay, urgent=urgent)
        return delay

    def notice_request(self, key: K) -> None:
        """Want a key for which people now ask for something else than what failed: only a Retry-After still holds."""
        self.backoff.forget(key)
        self._schedule.release(key)
        if (until := self._retry_after.get(key, 0)) > self._now():
            self._schedule.postpone(key, until)
        self.notice(key, urgent=True)

    def record_success(self, key: K) -> None:
        """Record a pass that went through."""
        self.backoff.forget(key)
        self._retry_after.pop(key, None)

    # -- work

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
        if not self._schedule.held_count and (next_at is None or next_at > self._now()):
            self._settled.set()
        self._arm()

    def close(self) -> None:
        """Hand out nothing more."""
        self._closed = True
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def until_settled(self) -> None:
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
