"""HTTP to servers that are not the API server: with bounds, and without a connection that is kept."""

import asyncio
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from socket import AddressFamily
from typing import Any, Final

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.client_proto import ResponseHandler

from slipway.api.addresses import is_near

_CHUNK: Final = 64 * 1024
_BUFFER: Final = 1 << 20
"""More than is read of any answer: so nobody who reads slowly makes a body wait unparsed."""
_MOST_BESIDE: Final = 8 * 1024
"""Bytes of an answer that are no body: heads, blank lines and sizes of chunks. And an eighth of the body, of which
chunks may be as short as an event."""
_MOST_HEADS: Final = 8
"""Of an answer: those before the last one say that it is being worked on."""
_PIECE: Final = 1024
"""Parsed at once: so far it may go beyond."""
_NAMES_AT_A_TIME: Final = 64
"""As many as are asked in the time that a name server may take, which is longer than that for an answer."""


class AnswerTooLargeError(Exception):
    """More than we want to read."""


def client() -> aiohttp.ClientSession:
    """A session. Triton waits its whole exit timeout for a connection that idles, so none is kept; and an
    environment's proxy has no business between us and pods. Nothing is unpacked: a few bytes could become gigabytes.
    Nor is a cookie kept: one for all of `svc` would be said to everybody's servers there."""
    return aiohttp.ClientSession(
        connector=_Connector(force_close=True, limit=0, resolver=_Resolver()),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"Accept-Encoding": "identity"},
        read_bufsize=_BUFFER,
        auto_decompress=False,
        trust_env=False,
    )


class _Connector(aiohttp.TCPConnector):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        make: Callable[..., ResponseHandler] = _Answer
        self._factory = partial(make, loop=self._loop)


class _Answer(ResponseHandler):
    """A connection for one answer. What is no body of it comes to an end: all that has come is parsed, in the one
    thread that all look and write in, before whoever reads can say that it is enough."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self._came = self._heads = 0

    def feed_data(self, data: Any, size: int = 0) -> None:
        """See aiohttp: a head has come."""
        self._heads += 1
        super().feed_data(data, size)

    def data_received(self, data: bytes) -> None:
        """See asyncio."""
        for at in range(0, max(len(data), 1), _PIECE):
            piece = data[at : at + _PIECE]
            self._came += len(piece)
            super().data_received(piece)
            if self._is_too_much():
                self._end()
                return

    def _is_too_much(self) -> bool:
        body = self._payload.total_bytes if self._payload is not None else 0
        return self._heads > _MOST_HEADS or self._came - body > _MOST_BESIDE + body // 8

    def _end(self) -> None:
        too_large, payload, transport = AnswerTooLargeError(), self._payload, self.transport
        self.set_exception(too_large)
        if payload is not None:
            payload.set_exception(too_large)
        if transport is not None:
            transport.abort()


class _Resolver(AbstractResolver):
    """Names lead neither to ourselves nor to the node and its cloud's metadata: whoever makes a Service says where, and
    whose name server is asked. A thread waits for that longer than whoever asked; the loop's own are everybody's."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_NAMES_AT_A_TIME, "names")

    async def resolve(
        self, host: str, port: int = 0, family: AddressFamily = AddressFamily.AF_INET
    ) -> list[ResolveResult]:
        """See aiohttp."""
        look_up = partial(socket.getaddrinfo, host, port, family, socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
        entries = await asyncio.get_running_loop().run_in_executor(self._threads, look_up)
        addresses = [_resolved(host, *each) for each in entries]
        allowed = [each for each in addresses if not is_near(each["host"])]
        if not allowed:
            raise OSError("it leads to this host, its link, or its cloud's metadata")
        return allowed

    async def close(self) -> None:
        """See aiohttp."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _resolved(name: str, family: int, _: int, protocol: int, __: str, address: tuple[Any, ...]) -> ResolveResult:
    numeric = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
    return ResolveResult(hostname=name, host=address[0], port=address[1], family=family, proto=protocol, flags=numeric)


def host_of(ip: str) -> str:
    """An address as it stands in a URL."""
    return f"[{ip}]" if ":" in ip else ip


async def read_bounded(response: aiohttp.ClientResponse, largest_bytes: int) -> bytes:
    """The body; AnswerTooLargeError when it is larger."""
    body = bytearray()
    async for chunk in response.content.iter_chunked(_CHUNK):
        body += chunk
        if len(body) > largest_bytes:
            response.close()  # nobody reads the rest
            raise AnswerTooLargeError
    return bytes(body)
