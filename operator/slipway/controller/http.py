"""HTTP to servers that are not the API server: with bounds, and without a connection that is kept."""

from socket import AddressFamily
from typing import Final

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from slipway.api.addresses import is_near

_CHUNK: Final = 64 * 1024


class AnswerTooLargeError(Exception):
    """More than we want to read."""


def client() -> aiohttp.ClientSession:
    """A session. Triton waits its whole exit timeout for a connection that idles, so none is kept; and an
    environment's proxy has no business between us and pods. Nothing is unpacked: a few bytes could become gigabytes."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(force_close=True, limit=0, resolver=_Resolver()),
        headers={"Accept-Encoding": "identity"},
        auto_decompress=False,
        trust_env=False,
    )


class _Resolver(AbstractResolver):
    """Names lead neither to ourselves nor to the node and its cloud's metadata: whoever makes a Service says where."""

    def __init__(self) -> None:
        self._resolver = aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: AddressFamily = AddressFamily.AF_INET
    ) -> list[ResolveResult]:
        """See aiohttp."""
        addresses = await self._resolver.resolve(host, port, family)
        allowed = [each for each in addresses if not is_near(each["host"])]
        if not allowed:
            raise OSError("it leads to this host, its link, or its cloud's metadata")
        return allowed

    async def close(self) -> None:
        """See aiohttp."""
        await self._resolver.close()


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
