"""A source that sends too little to ever be done has stalled, whoever waits and however it drips."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from slipway.fetch.pace import Pace
from slipway.fetch.policy import Policy
from slipway.fetch.settings import S3
from slipway.fetch.verdict import FetchError, Reason
from tests.fetch.calls import resolve
from tests.fetch.conftest import Order
from tests.fetch.fakes import fake

POLICY = Policy(stall_seconds=60, least_bytes_per_second=1024)


class FakeSource:
    """Sends chunks of a size, each after a time; the clock is its own."""

    def __init__(self, size: int, seconds: float, chunks: int) -> None:
        self.now = 0.0
        self._size, self._seconds, self._chunks = size, seconds, chunks

    def chunks(self) -> Iterator[bytes]:
        for _ in range(self._chunks):
            self.now += self._seconds
            yield bytes(self._size)


@pytest.mark.parametrize(
    ("size", "seconds", "slow"),
    [(1, 5, True), (1, 0.01, True), (5000, 5, True), (5200, 5, False), (256 * 1024, 19, False), (0, 5, True)],
)
def test_a_stream_below_the_least_rate_over_the_stall_time_is_given_up(
    size: int, seconds: float, *, slow: bool
) -> None:
    source = FakeSource(size, seconds, 20_000)
    chunks = Pace(POLICY, "s3://m/x", lambda: source.now).kept(source.chunks())
    if not slow:
        assert sum(map(len, chunks)) == 20_000 * size
        return
    with pytest.raises(FetchError, match=r"s3://m/x: \d+ bytes in \d+ s") as refused:
        list(chunks)
    assert (refused.value.reason, refused.value.transient) == (Reason.FETCH_STALLED, False)
    assert source.now < 70


def test_connections_that_break_after_a_byte_each_are_one_slow_stream() -> None:
    source = FakeSource(1, 19, 1)
    pace = Pace(POLICY, "s3://m/x", lambda: source.now)
    for _ in range(3):
        list(pace.kept(source.chunks()))
    with pytest.raises(FetchError, match="4 bytes in 76 s"):
        list(pace.kept(source.chunks()))


def test_the_time_that_the_taker_needs_is_not_the_sources() -> None:
    source = FakeSource(1, 1, 50)
    for _ in Pace(POLICY, "s3://m/x", lambda: source.now).kept(source.chunks()):
        source.now += 1000


@asynccontextmanager
async def dripping(head: bytes, drop: bytes) -> AsyncIterator[str]:
    """The address of a server that answers with a head and then a drop again and again, so that no connection is ever
    silent."""

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(head)
        while not ended.is_set():
            writer.write(drop)
            await asyncio.wait([stopped], timeout=0.02)
        writer.close()

    ended = asyncio.Event()
    stopped = asyncio.ensure_future(ended.wait())
    async with await asyncio.start_server(drip, "127.0.0.1", 0) as server:
        try:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        finally:
            ended.set()
            await stopped


@pytest.mark.parametrize("scheme", ["s3", "http"])
async def test_a_source_that_drips_has_stalled(order: Order, policy: Policy, scheme: str) -> None:
    head = b'HTTP/1.1 200 OK\r\nContent-Length: 100000\r\nETag: "1"\r\n'
    head += b"Last-Modified: Thu, 01 Jan 2026 00:00:00 GMT\r\n\r\n"
    async with dripping(head, b" ") as address:
        if scheme == "s3":
            settings = order("s3://models/churn", s3=S3(endpoint=address, anonymous=True))
        else:
            settings = order(f"{address}/churn")
        with pytest.raises(FetchError) as refused:
            await resolve(settings, replace(policy, stall_seconds=0.5, read_seconds=1, attempts=2))
    assert refused.value.reason is Reason.FETCH_STALLED


async def test_a_listing_of_empty_pages_without_an_end_has_stalled(order: Order, policy: Policy) -> None:
    """Each page comes at once, and with the address of the next."""
    async with fake({}) as server:
        server.endless = {"models": 0}
        settings = order("s3://models/churn", s3=S3(endpoint=server.address, anonymous=True))
        with pytest.raises(FetchError, match="its answer has no end after 1 s") as refused:
            await resolve(settings, replace(policy, answer_seconds=1))
    assert refused.value.reason is Reason.FETCH_STALLED


async def test_a_head_that_drips_has_stalled(order: Order, policy: Policy) -> None:
    async with dripping(b"HTTP/1.1 200 OK\r\nX-Long: ", b"x") as address:
        with pytest.raises(FetchError, match="its answer has no end after 1 s") as refused:
            await resolve(order(f"{address}/churn"), replace(policy, answer_seconds=1, read_seconds=1))
    assert refused.value.reason is Reason.FETCH_STALLED
