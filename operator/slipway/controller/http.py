"""HTTP to servers that are not the API server: with bounds, and without a connection that is kept."""

from typing import Final

import aiohttp

_CHUNK: Final = 64 * 1024


class AnswerTooLargeError(Exception):
    """More than we want to read."""


def client() -> aiohttp.ClientSession:
    """A session. Triton waits its whole exit timeout for a connection that idles, so none is kept; and an
    environment's proxy has no business between us and pods. Nothing is unpacked: a few bytes could become gigabytes."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(force_close=True, limit=0),
        headers={"Accept-Encoding": "identity"},
        auto_decompress=False,
        trust_env=False,
    )


def host_of(ip: str) -> str:
    """An address as it stands in a URL."""
    return f"[{ip}]" if ":" in ip else ip


async def read_bounded(response: aiohttp.ClientResponse, largest_bytes: int) -> bytes:
    """The body; AnswerTooLargeError when it is larger."""
    body = bytearray()
    async for chunk in response.content.iter_chunked(_CHUNK):
        body += chunk
        if len(body) > largest_bytes:
            raise AnswerTooLargeError
    return bytes(body)
