"""Answers of servers that anybody may have written: what they are made of comes to an end, and what is none is read."""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import aiohttp
import pytest
from aiohttp import web

from slipway.controller import http
from slipway.controller.http import AnswerTooLargeError, _Resolver, client, read_bounded
from testbed.plane import free_port
from tests.controller.loopback import serving

LARGEST = 256 * 1024
"""The most that is read of any answer."""
OK, CHUNKED = b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
EVENT = b"data: " + b"x" * 80 + b"\n\n"
"""As short as a server that streams has them."""


@asynccontextmanager
async def answering(begins: bytes, again: bytes = b"") -> AsyncIterator[str]:
    """The address of a server that answers with these bytes, and then again and again with those."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(begins)
            while again:
                writer.write(again)
                await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1") as server:
        host, port = server.sockets[0].getsockname()
        yield f"http://{host}:{port}/"


async def body_of(address: str) -> bytes:
    async with client() as session, session.get(address, allow_redirects=False) as response:
        return await read_bounded(response, LARGEST)


@pytest.mark.parametrize(
    ("begins", "again"),
    [
        (b"", b"HTTP/1.1 102 Processing\r\n\r\n" * 100),  # it is being worked on, for ever
        (b"", b"\r\n" * 1000),
        (CHUNKED + b"5;", b"a" * 1000),  # the extension of a chunk's size
        (CHUNKED, b"1\r\na\r\n" * 100),
        (CHUNKED + b"1\r\na\r\n0\r\n", b"X-Trailer: a\r\n" * 10),
        (OK + b"\r\n", b"a" * 1000),
    ],
    ids=["interim", "blank", "extension", "chunks", "trailers", "body"],
)
async def test_whatever_an_answer_without_an_end_is_made_of_it_is_cut_off(begins: bytes, again: bytes) -> None:
    async with answering(begins, again) as address:
        with pytest.raises(AnswerTooLargeError):
            await asyncio.wait_for(body_of(address), 30)


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (OK + b"Content-Length: %d\r\n\r\n" % LARGEST + b"a" * LARGEST, b"a" * LARGEST),
        (OK + b"Connection: close\r\n\r\n" + b"a" * LARGEST, b"a" * LARGEST),
        (CHUNKED + b"58\r\n%s\r\n" % EVENT * 2900 + b"0\r\n\r\n", EVENT * 2900),
        (b"HTTP/1.1 102 Processing\r\n\r\n" * 3 + OK + b"Content-Length: 1\r\n\r\na", b"a"),
        (OK + b"X-Long: %s\r\n" % (b"a" * 7000) + b"Content-Length: 0\r\n\r\n", b""),
    ],
    ids=["length", "close", "events", "interim", "header"],
)
async def test_what_a_server_may_well_answer_is_read(answer: bytes, body: bytes) -> None:
    async with answering(answer) as address:
        assert await body_of(address) == body


async def test_names_that_nobody_answers_for_take_none_of_the_threads_that_others_need(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever makes a Service says whose name server is asked: threads wait for it after who asked has given up."""
    answered = threading.Event()

    def silent(*_: object, **__: object) -> list[object]:
        answered.wait(60)
        raise socket.gaierror(socket.EAI_AGAIN, "no answer")

    monkeypatch.setattr(socket, "getaddrinfo", silent)
    limit = aiohttp.ClientTimeout(total=0.05)
    async with client() as session:
        try:
            asked = (session.get(f"http://prometheus-{each}.shop.svc/", timeout=limit) for each in range(40))
            told = await asyncio.gather(*asked, return_exceptions=True)
            assert all(isinstance(each, TimeoutError) for each in told)
            assert await asyncio.wait_for(asyncio.to_thread(str, 7), 20) == "7"
        finally:
            answered.set()


async def test_nothing_that_one_server_has_us_keep_is_said_to_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cookie for all of `svc`, large enough, would have everybody's Prometheus refuse what it is asked."""
    loopback = [(socket.AF_INET, socket.SOCK_STREAM, 6, "")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda _, port, *__, **___: [(*loopback[0], ("127.0.0.1", port))])
    monkeypatch.setattr(http, "is_near", lambda _: False)
    cookies = []

    async def answer(request: web.Request) -> web.StreamResponse:
        cookies.append(request.headers.get("Cookie"))
        return web.Response(headers={"Set-Cookie": "much=of-it; Domain=svc; Path=/"})

    port = free_port()
    async with serving(answer, port), client() as session:
        for host in ("prometheus.shop.svc", "prometheus.shop.svc", "prometheus.other.svc"):
            async with session.get(f"http://{host}:{port}/"):
                pass
    assert cookies == [None, None, None]


async def test_a_name_is_looked_up_and_leads_where_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that has several addresses leads to those that are nobody's own."""
    asked = []

    def found(host: str, port: int, *_: object, **__: object) -> list[object]:
        asked.append(host)
        near, far = "127.0.0.1", "192.0.2.7"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port)) for each in (near, far)]

    monkeypatch.setattr(socket, "getaddrinfo", found)
    resolver = _Resolver()
    assert [each["host"] for each in await resolver.resolve("prometheus.shop.svc", 9090)] == ["192.0.2.7"]
    await resolver.close()
    assert asked == ["prometheus.shop.svc"]
