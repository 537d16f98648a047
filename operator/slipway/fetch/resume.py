"""Streams that survive broken connections: what has come is kept, and the rest is asked for from that byte on."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import TypeVar

from slipway.fetch.policy import Policy
from slipway.fetch.stores import Entry, Store
from slipway.fetch.verdict import FetchError, Reason

Answer = TypeVar("Answer")
UNKNOWN_END = -1


class Patience:
    """Counts failures since the last byte and says when it is enough."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._clock = asyncio.get_running_loop().time
        self.progressed()

    def progressed(self) -> None:
        """A byte came."""
        self._failures = 0
        self._since = self._clock()

    async def failed(self, error: FetchError) -> None:
        """Wait before the next try, or raise what ended the last one."""
        self._failures += 1
        silent = self._clock() - self._since
        if not error.transient or self._failures >= self._policy.attempts or silent >= self._policy.stall_seconds:
            raise error
        await asyncio.sleep(self._policy.backoff_seconds(self._failures))


async def persist(ask: Callable[[], Awaitable[Answer]], where: str, policy: Policy) -> Answer:
    """The answer to one small question, asked again while the failure is transient."""
    patience = Patience(policy)
    while True:
        try:
            async with asyncio.timeout(policy.read_seconds):
                return await ask()
        except TimeoutError:
            await patience.failed(_stalled(where, policy, ""))
        except FetchError as error:
            await patience.failed(error)


async def stream(store: Store, entry: Entry, start: int, end: int, policy: Policy) -> AsyncGenerator[bytes]:
    """The bytes from `start` to `end` (UNKNOWN_END: until the server ends), over as many connections as it takes."""
    patience = Patience(policy)
    position = start
    while position != end:
        try:
            async with aclosing(store.stream(entry, position, end)) as chunks:
                while (chunk := await _within(chunks, policy)) is not None:
                    position += len(chunk)
                    patience.progressed()
                    yield chunk
            if end in {position, UNKNOWN_END}:
                return
            await patience.failed(_truncated(store, entry, position, ""))
        except TimeoutError:
            await patience.failed(_stalled(store.where(entry.path), policy, f" at byte {position} of {_size(entry)}"))
        except FetchError as error:
            await patience.failed(_placed(store, entry, position, error, policy))


async def _within(chunks: AsyncIterator[bytes], policy: Policy) -> bytes | None:
    async with asyncio.timeout(policy.read_seconds):
        return await anext(chunks, None)


def _placed(store: Store, entry: Entry, position: int, error: FetchError, policy: Policy) -> FetchError:
    """The failure with the byte that it happened at."""
    if error.reason is Reason.BUNDLE_TRUNCATED:
        return _truncated(store, entry, position, error.message.partition(": ")[2])
    if error.reason is Reason.FETCH_STALLED:
        return _stalled(store.where(entry.path), policy, f" at byte {position} of {_size(entry)}")
    return error


def _stalled(where: str, policy: Policy, at: str) -> FetchError:
    seconds = f"{policy.stall_seconds:g}"
    message = f"{where}: no byte for {seconds} s{at}; it is resumed from there, see to the store or the network"
    return FetchError(Reason.FETCH_STALLED, message, transient=True)


def _truncated(store: Store, entry: Entry, position: int, why: str) -> FetchError:
    said = f" ({why})" if why else ""
    message = f"{store.where(entry.path)}: ends at byte {position} of {_size(entry)}{said}; upload it again"
    return FetchError(Reason.BUNDLE_TRUNCATED, message, transient=True)


def _size(entry: Entry) -> str:
    return str(entry.size) if entry.size >= 0 else "unknown"
