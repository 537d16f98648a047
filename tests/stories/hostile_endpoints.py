"""Metrics endpoints of a tenant who means harm: each accepts, and then is silent, drips, never ends, or takes time."""

import asyncio
import threading
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from secrets import randbelow
from typing import Final

from slipway.core.names import METRICS_PORT
from slipway.triton.metrics import LARGEST_BYTES, SUCCEEDED

Answering = Callable[[asyncio.StreamWriter], Awaitable[None]]
CHUNK: Final = 64 * 1024
OK: Final = b"HTTP/1.1 200 OK\r\n"


async def _silent(_: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


async def _drips(to: asyncio.StreamWriter) -> None:
    to.write(OK + b"Content-Length: 1000\r\n\r\n")
    while True:
        to.write(b"#")
        await to.drain()
        await asyncio.sleep(0.5)


async def _without_end(to: asyncio.StreamWriter) -> None:
    to.write(OK + b"\r\n")
    while True:
        to.write(b"#" * CHUNK)
        await to.drain()


async def _header_without_end(to: asyncio.StreamWriter) -> None:
    to.write(OK + b"X: ")
    while True:
        to.write(b"x" * CHUNK)
        await to.drain()


async def _bombs(to: asyncio.StreamWriter) -> None:
    to.write(OK + b"Content-Encoding: gzip\r\nContent-Length: 10\r\n\r\n\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03")


async def _leads_on(to: asyncio.StreamWriter) -> None:
    to.write(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:22/\r\nContent-Length: 0\r\n\r\n")


async def _no_http(to: asyncio.StreamWriter) -> None:
    to.write(b"\x00\xff" * 1000)


async def _slow_to_read(to: asyncio.StreamWriter) -> None:
    """As much as is read at all, of lines with escapes and no end to their labels."""
    line = f'{SUCCEEDED}{{model="measured",x="' + '\\"' * 1900 + '"} 1\n'
    body = (line * (LARGEST_BYTES // len(line))).encode()
    to.write(OK + f"Content-Length: {len(body)}\r\n\r\n".encode() + body)


async def _counts_backwards(to: asyncio.StreamWriter) -> None:
    lines = (f'{SUCCEEDED}{{model="measured",version="1"}} {value}\n' for value in ("1e308", "-1", "nan", "inf"))
    body = "".join(lines).encode()
    to.write(OK + f"Content-Length: {len(body)}\r\n\r\n".encode() + body)


WAYS: Final[tuple[Answering, ...]] = (
    _silent,
    _drips,
    _without_end,
    _header_without_end,
    _bombs,
    _leads_on,
    _no_http,
    _slow_to_read,
    _counts_backwards,
)


@dataclass
class Endpoints:
    """Where they listen, and how often each was asked."""

    addresses: list[str]
    asked: Counter[str] = field(default_factory=Counter)

    @property
    def idle(self) -> list[str]:
        """Addresses that nobody has asked yet."""
        return [address for address in self.addresses if not self.asked[address]]


@contextmanager
def hostile_endpoints() -> Iterator[Endpoints]:
    """One of each way on the loopback, each with an address of its own: a pod's metrics have one port."""
    block = f"127.{64 + randbelow(64)}.{randbelow(256)}"
    endpoints = Endpoints([f"{block}.{number}" for number in range(1, len(WAYS) + 1)])
    loop, begun = asyncio.new_event_loop(), threading.Event()
    over = asyncio.Event()

    async def serve() -> None:
        async with _listening(endpoints):
            begun.set()
            await over.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=[serve()])
    thread.start()
    try:
        assert begun.wait(10)
        yield endpoints
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join()
        loop.close()


@asynccontextmanager
async def _listening(endpoints: Endpoints) -> AsyncIterator[None]:
    connections: set[asyncio.Task[None]] = set()

    def answering(address: str, way: Answering) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], None]:
        def connected(reader: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
            endpoints.asked[address] += 1
            task = asyncio.ensure_future(_answer(way, reader, to))
            connections.add(task)
            task.add_done_callback(connections.discard)

        return connected

    servers = [
        await asyncio.start_server(answering(address, way), address, METRICS_PORT)
        for address, way in zip(endpoints.addresses, WAYS, strict=True)
    ]
    try:
        yield
    finally:
        for server in servers:
            server.close()
        for task in connections:
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)


async def _answer(way: Answering, reader: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
    """Until the other side has had enough of it."""
    gone = asyncio.ensure_future(_gone(reader))
    answer = asyncio.ensure_future(way(to))
    try:
        await asyncio.wait({gone, answer}, return_when=asyncio.FIRST_COMPLETED)
        with suppress(OSError):
            await to.drain()
    finally:
        for task in (gone, answer):
            task.cancel()
        await asyncio.gather(gone, answer, return_exceptions=True)
        to.close()


async def _gone(reader: asyncio.StreamReader) -> None:
    with suppress(OSError):
        while await reader.read(CHUNK):
            pass
