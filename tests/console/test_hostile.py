"""Requests that no browser would send, byte by byte, to both consoles: each is answered, and none breaks a page."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from slipway.console.api_server import ApiServer, Object
from slipway.console.identity import TOKEN_HEADER, Proxy
from slipway.console.in_cluster import PAGES, SharedConsole
from tests.console.objects import deployment, registered, version
from tests.console.spoken import ROOT, Cluster, browser, listening
from tests.console.teams import kept

Asking = tuple[int, tuple[bytes, ...]]
"""A port, and the headers by which its pages are asked for."""
FORM = b"application/x-www-form-urlencoded"
BYTES = (
    b"\xff",
    b"\xed\xa0\x80",
    "\u00e9".encode("latin-1"),
    b"%ff",
    b"%ed%a0%80",
    b"%",
    b"%zz",
    b"%00",
    b"%0d%0aX:1",
    b"%u0041",
)
TYPES = (
    FORM + b"; charset=nope",
    FORM + b"; charset=\xff",
    FORM + b"; charset=utf-16",
    FORM + b'; charset="nope',
    FORM + b"; charset=utf-8%00",
    b"multipart/form-data",
    b"multipart/form-data; boundary=x",
    b"multipart/form-data; boundary=" + b"x" * 200,
    b"text/plain; charset=idna",
    b"\xff/\xff",
    b"application/json",
    b"",
)
BODIES = (
    b"",
    b"request=pause",
    b"\xff=\xfe&%ff=%",
    b"--x\r\n\r\n\r\n--x--",
    b"--x\r\nContent-Disposition: form-data\r\n\r\na\r\n--x--\r\n",
)
HEADERS = (
    b"Accept-Language: \xff",
    b"Last-Event-ID: \xff\xfe",
    b'Cookie: \xff=\xfe; a="\\377"; =;;',
    b"HX-Request: \xff",
    b"HX-Current-URL: http://\xff/%ff",
    b"Content-Encoding: gzip",
    b"Content-Encoding: nope",
    b"Content-Transfer-Encoding: nope",
    b"If-Modified-Since: \xff",
    b"If-None-Match: \xff",
    b"Range: bytes=\xff",
    b"Expect: nope",
    b"Authorization: \xff",
)
NAMED = {"namespace": "team-a", "name": "churn", "model": "churn", "version": "4"}
POSTS = ("/models/team-a/churn/requests", "/models/team-a/churn/try", "/market/team-a/churn/4/deployments")
TOKEN = "t" * 16


class Refusing(ApiServer):
    """Lets nobody list anything."""

    def __init__(self) -> None:
        pass

    async def post(self, path: str, body: Object, **query: str) -> Object:
        return {"status": {"allowed": False}}


def addresses() -> Iterator[bytes]:
    """With odd bytes in each part of a path, and in a query."""
    for odd in BYTES:
        yield from (path.format(**NAMED).encode() + b"?q=" + odd + b"&" + odd + b"=x&page=" + odd for path in PAGES)
        yield from (path.encode().replace(b"{", odd + b"{").replace(b"{", b"").replace(b"}", b"") for path in PAGES)
        yield from (b"/static/" + odd, b"/models?namespace=" + odd + b"&name=" + odd, b"/changes" + odd)


def forms() -> Iterator[tuple[bytes, bytes]]:
    """Headers and a body."""
    for body in BODIES:
        yield from ((b"Content-Type: " + each, body) for each in TYPES)
        yield from ((b"Content-Type: " + FORM + b"\r\nContent-Encoding: " + each, body) for each in (b"gzip", b"nope"))


async def answer(port: int, start: bytes, headers: tuple[bytes, ...], body: bytes = b"") -> tuple[int, str]:
    """Status and words of an answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    length = b"Content-Length: %d" % len(body)
    sent = (start + b" HTTP/1.1", b"Host: 127.0.0.1:%d" % port, b"Connection: close", length, *headers, b"", body)
    writer.write(b"\r\n".join(sent))
    async with asyncio.timeout(60):
        said = (await reader.read()).decode(errors="replace")
    writer.close()
    return int(said.split(" ", 2)[1]), said.rpartition("\r\n\r\n")[2]


@pytest.fixture
async def own() -> AsyncIterator[Asking]:
    """The port of a person's own console, and the headers by which its pages are asked for."""
    objects = {"modeldeployments": [deployment()], "registeredmodels": [registered()], "modelversions": [version("4")]}
    async with browser(Cluster(objects)) as client:
        cookie = "; ".join(f"{name}={value}" for name, value in client.cookies.items()).encode()
        port = int(client.base_url.port or 0)
        yield port, (b"Cookie: " + cookie, b"Origin: http://127.0.0.1:%d" % port)


@pytest.fixture
async def shared() -> AsyncIterator[Asking]:
    """The same of the console in the cluster."""
    async with listening(SharedConsole(Refusing(), kept(["*"]), Proxy(lambda: TOKEN)).application()) as port:
        yield port, (f"{TOKEN_HEADER}: {TOKEN}".encode(), b"X-Forwarded-User: ann", b"X-Forwarded-Groups: ml")


async def test_no_address_breaks_a_page(own: Asking, shared: Asking) -> None:
    for (port, headers), root in ((own, ROOT.encode()), (shared, b"")):
        for address in addresses():
            status, said = await answer(port, b"GET " + root + address, headers)
            assert status < 500, (root, address, said)


async def test_no_header_breaks_a_page(own: Asking, shared: Asking) -> None:
    for (port, headers), root in ((own, ROOT.encode()), (shared, b"")):
        for odd in HEADERS:
            for path in (b"/", b"/static/console.css", b"/models/no/such"):
                status, said = await answer(port, b"GET " + root + path, (*headers, odd))
                assert status < 500, (root, odd, said)


async def test_no_form_breaks_a_page_and_what_is_none_is_refused_in_words(own: Asking) -> None:
    port, headers = own
    for path in POSTS:
        for declared, body in forms():
            status, said = await answer(port, f"POST {ROOT}{path}".encode(), (*headers, declared), body)
            assert status < 500, (path, declared, body, said)
    for declared in TYPES:
        start = f"POST {ROOT}{POSTS[0]}".encode()
        assert await answer(port, start, (*headers, b"Content-Type: " + declared), b"request=pause") == (
            400, f"Send a form as {FORM.decode()}, in UTF-8.\n"
        ), declared  # fmt: skip


@pytest.mark.parametrize("name", [b"X-Forwarded-User", b"X-Forwarded-Groups", TOKEN_HEADER.encode()])
async def test_nobody_is_known_by_bytes_that_are_no_text(shared: Asking, name: bytes) -> None:
    port, headers = shared
    others = tuple(each for each in headers if not each.startswith(name))
    status, said = await answer(port, b"GET /", (*others, name + b": ann\xff"))
    assert (status, "UTF-8" in said) in ((401, True), (403, False)), said
