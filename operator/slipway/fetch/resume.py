"""Streams that survive broken connections: what has come is kept, and the rest is asked for from that byte on."""

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar

from slipway.fetch.deadline import LateError, within
from slipway.fetch.pace import Pace
from slipway.fetch.policy import Policy
from slipway.fetch.stores import Entry, Store
from slipway.fetch.verdict import FetchError, Reason

Answer = TypeVar("Answer")
UNKNOWN_END = -1


class Patience:
    """Counts failures since the last byte and says when it is enough."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self.progressed()

    def progressed(self) -> None:
        """A byte came."""
        self._failures = 0
        self._since = time.monotonic()

    def failed(self, error: FetchError) -> None:
        """Wait before the next try, or raise what ended the last one."""
        self._failures += 1
        silent = time.monotonic() - self._since
        if not error.transient or self._failures >= self._policy.attempts or silent >= self._policy.stall_seconds:
            raise error
        time.sleep(self._policy.backoff_seconds(self._failures))


def persist(ask: Callable[[], Answer], where: str, policy: Policy) -> Answer:
    """The answer to one small question, asked again while the failure is transient."""
    patience = Patience(policy)
    while True:
        try:
            return _within(ask, where, policy)
        except FetchError as error:
            patience.failed(_stalled(where, policy, "") if _silent(error) else error)


def _within(ask: Callable[[], Answer], where: str, policy: Policy) -> Answer:
    """The answer, or FetchStalled where it goes on and on. The thread that still waits for it ends with the process."""
    try:
        return within(policy.answer_seconds, ask)
    except LateError:
        message = f"{where}: its answer has no end after {policy.answer_seconds:g} s; see to the store or the network"
        raise FetchError(Reason.FETCH_STALLED, message) from None


def stream(store: Store, entry: Entry, start: int, end: int, policy: Policy) -> Generator[bytes]:
    """The bytes from `start` to `end` (UNKNOWN_END: until the server ends), over as many connections as it takes.

    Never more than was asked for, whatever the source sends.
    """
    patience, pace = Patience(policy), Pace(policy, store.where(entry.path))
    position = start
    while position != end:
        try:
            with _closed(store.stream(entry, position, end)) as chunks:
                for sent in pace.kept(_begun(chunks, store.where(entry.path), policy)):
                    chunk = sent if end == UNKNOWN_END else sent[: end - position]
                    position += len(chunk)
                    yield chunk
                    if len(chunk) < len(sent):
                        return
                    patience.progressed()  # the time that the taker needs is no silence of the source
            if end in {position, UNKNOWN_END}:
                return
            failure = _truncated(store, entry, position, "")
        except FetchError as error:
            failure = _placed(store, entry, position, error, policy)
        patience.failed(failure)


def _begun(chunks: Iterator[bytes], where: str, policy: Policy) -> Iterator[bytes]:
    """The same chunks, of which the first comes in time: what stands before it may come byte by byte, for ever."""
    first = _within(lambda: next(chunks, None), where, policy)
    if first is not None:
        yield first
        yield from chunks


@contextmanager
def _closed(chunks: Generator[bytes]) -> Iterator[Generator[bytes]]:
    try:
        yield chunks
    finally:
        with suppress(ValueError):  # a thread still waits for its first
            chunks.close()


def _placed(store: Store, entry: Entry, position: int, error: FetchError, policy: Policy) -> FetchError:
    """The failure with the byte that it happened at."""
    if error.reason is Reason.BUNDLE_TRUNCATED:
        return _truncated(store, entry, position, error.message.partition(": ")[2])
    if _silent(error):
        return _stalled(store.where(entry.path), policy, f" at byte {position} of {_size(entry)}")
    return error


def _silent(error: FetchError) -> bool:
    """No byte came, as against too few."""
    return error.reason is Reason.FETCH_STALLED and error.transient


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
