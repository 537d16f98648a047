"""What the HTTP client does when a connection ends: sends again in one case alone, and fails in all others."""

import asyncio
import gzip
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

import pytest

from load.clients import MOST_BYTES, Answer, FailedError, HttpClient
from load.question import Question
from tests.triton import models

BODY = b'{"outputs": [{"name": "y", "datatype": "FP32", "shape": [1, 1], "data": [7.0]}]}'
WHOLE = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)
NOTHING = b""
PART_OF_A_HEAD = WHOLE[:20]
PART_OF_A_BODY = WHOLE[:-10]


@asynccontextmanager
async def server(*connections: Sequence[bytes], heads: list[bytes] | None = None) -> AsyncIterator[str]:
    """Answers the requests of each connection with these bytes in turn, and ends it after the last that is not whole.

    A connection whose answers were all whole stays. What is asked goes to `heads`.
    """
    waiting = iter(connections)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in next(waiting):
            head = await reader.readuntil(b"\r\n\r\n")
            if heads is not None:
                heads.append(head)
            length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            await reader.readexactly(int(length.split(b":")[1]))
            writer.write(answer)
            with suppress(ConnectionError):  # nobody reads on
                await writer.drain()
            if not answer.endswith(BODY):
                writer.close()
                return
        await reader.read()
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listening:
        port = listening.sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"


async def failure(address: str) -> str:
    """The kind and the words of one that fails."""
    client = HttpClient(address, Question.of("m", models.golden()))
    try:
        with pytest.raises(FailedError) as failed:
            await client.ask(asyncio.get_running_loop().time() + 5)
    finally:
        await client.close()
    return f"{failed.value.kind}: {failed.value}"


async def outcomes(address: str, requests: int, seconds: float = 5) -> list[str]:
    """What requests one after the other came to."""
    client = HttpClient(address, Question.of("m", models.golden()))
    found = []
    try:
        for _ in range(requests):
            try:
                found.append(_said(await client.ask(asyncio.get_running_loop().time() + seconds)))
            except FailedError as failed:
                found.append(failed.kind)
    finally:
        await client.close()
    return found


def _said(answer: Answer) -> str:
    assert answer.values == (7.0,)
    return "answered again" if answer.reconnected else "answered"


@pytest.mark.parametrize(
    ("connections", "expected"),
    [
        ([[WHOLE, WHOLE]], ["answered", "answered"]),
        ([[WHOLE, NOTHING], [WHOLE]], ["answered", "answered again"]),
        ([[WHOLE, NOTHING], [NOTHING]], ["answered", "closed"]),
        ([[NOTHING], [WHOLE]], ["closed", "answered"]),
        ([[WHOLE, PART_OF_A_BODY], [WHOLE]], ["answered", "closed"]),
        ([[WHOLE, PART_OF_A_HEAD], [WHOLE]], ["answered", "closed"]),
        ([[PART_OF_A_HEAD]], ["closed"]),
    ],
    ids=[
        "a connection is kept",
        "a kept one ends without a byte: sent again",
        "sent again only once",
        "a new one ends without a byte: failed",
        "a kept one ends within an answer: failed",
        "a kept one ends within a head: failed",
        "a new one ends within a head: failed",
    ],
)
async def test_a_request_is_sent_again_only_when_a_kept_connection_ended_before_any_byte_of_the_answer(
    connections: list[list[bytes]], expected: list[str]
) -> None:
    async with server(*connections) as address:
        assert await outcomes(address, len(expected)) == expected


async def test_where_nobody_listens_it_is_a_failure_to_connect() -> None:
    async with server() as address:
        pass
    assert await outcomes(address, 1) == ["connect"]


async def test_an_answer_that_does_not_come_in_time_is_a_timeout() -> None:
    stuck = asyncio.Event()

    async def never(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await stuck.wait()
        writer.close()

    listening = await asyncio.start_server(never, "127.0.0.1", 0)
    address = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    try:
        assert await outcomes(address, 1, seconds=0.1) == ["timeout"]
    finally:
        stuck.set()
        listening.close()


@pytest.mark.parametrize(
    "body",
    [
        b"no JSON",
        b"{}",
        b'{"outputs": []}',
        b'{"outputs": [{"data": ["a"]}]}',
        b'{"outputs": [{"data": [1%s]}]}' % (b"0" * 400),
        b"[" * 100_000,
    ],
    ids=["no JSON", "nothing", "no tensor", "no number", "no float", "deep"],
)
async def test_an_answer_that_is_no_v2_answer_is_unreadable(body: bytes) -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    async with server([answer]) as address:
        assert await outcomes(address, 1) == ["unreadable"]


async def test_an_answer_that_is_an_error_is_counted_by_its_status() -> None:
    async with server([b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nbusy"]) as address:
        assert await outcomes(address, 1) == ["status 503"]


async def test_a_redirect_is_a_failure_and_nobody_else_is_asked() -> None:
    async with server([WHOLE]) as other:
        head = b"HTTP/1.1 307 Temporary Redirect\r\nContent-Length: 0\r\nLocation: %s\r\n\r\n" % other.encode()
        async with server([head]) as address:
            assert await failure(address) == f"status 307: leads to {other}, where nobody is asked"
        assert await outcomes(other, 1) == ["answered"], "it was not asked before"


async def test_a_packed_answer_is_not_unpacked_and_nobody_asks_for_one() -> None:
    packed = gzip.compress(BODY + b" " * (MOST_BYTES + 1))
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed)
    heads: list[bytes] = []
    async with server([head + packed], heads=heads) as address:
        assert await failure(address) == "unreadable: packed, which nobody asked for: gzip"
    assert b"\r\nAccept-Encoding: identity\r\n" in heads[0]


@pytest.mark.parametrize("status", [b"200 OK", b"503 Service Unavailable"])
async def test_an_answer_without_an_end_is_not_read_on(status: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("load.clients.MOST_BYTES", 1 << 20)
    head = b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n" % (status, 1 << 40)
    async with server([head + b" " * (2 << 20)]) as address:
        assert await failure(address) == "too large: an answer of more than 1 MiB"


async def test_a_cookie_is_not_kept() -> None:
    heads: list[bytes] = []
    with_cookie = WHOLE.replace(b"\r\n", b"\r\nSet-Cookie: mine=1\r\n", 1)
    async with server([with_cookie, WHOLE], heads=heads) as address:
        assert await outcomes(address.replace("127.0.0.1", "localhost"), 2) == ["answered", "answered"]
    assert not any(b"Cookie" in head for head in heads)
