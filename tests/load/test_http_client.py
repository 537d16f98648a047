"""What the HTTP client does when a connection ends: sends again in one case alone, and fails in all others."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from load.clients import Answer, FailedError, HttpClient
from load.question import Question
from tests.triton import models

BODY = b'{"outputs": [{"name": "y", "datatype": "FP32", "shape": [1, 1], "data": [7.0]}]}'
WHOLE = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)
NOTHING = b""
PART_OF_A_HEAD = WHOLE[:20]
PART_OF_A_BODY = WHOLE[:-10]


@asynccontextmanager
async def server(*connections: Sequence[bytes]) -> AsyncIterator[str]:
    """Answers the requests of each connection with these bytes in turn, and ends it after the last that is not whole.

    A connection whose answers were all whole stays.
    """
    waiting = iter(connections)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in next(waiting):
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            await reader.readexactly(int(length.split(b":")[1]))
            writer.write(answer)
            await writer.drain()
            if answer != WHOLE:
                writer.close()
                return
        await reader.read()
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listening:
        port = listening.sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"


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


@pytest.mark.parametrize("body", [b"no JSON", b"{}", b'{"outputs": []}', b'{"outputs": [{"data": ["a"]}]}'])
async def test_an_answer_that_is_no_v2_answer_is_unreadable(body: bytes) -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    async with server([answer]) as address:
        assert await outcomes(address, 1) == ["unreadable"]


async def test_an_answer_that_is_an_error_is_counted_by_its_status() -> None:
    async with server([b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nbusy"]) as address:
        assert await outcomes(address, 1) == ["status 503"]
