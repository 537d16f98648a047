"""A fake web server and S3 store that misbehaves as it is told: it stalls, cuts, corrupts, lies and refuses."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from hashlib import md5
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape


@dataclass(kw_only=True)
class Fault:
    """What goes wrong with one path, and how many times."""

    status: int | None = None
    phrase: str | None = None
    """The status in words of its own."""
    drips: bool = False
    """Its headers come a byte now and then, and have no end in sight."""
    raw: bytes | None = None
    """All that it sends."""
    sends: int | None = None
    """Only so many bytes of the body, then `then`."""
    then: str = "close"  # or "stall"
    claims: int | None = None
    """The Content-Length that it claims."""
    overflows: int = 0
    """Bytes that follow each range, within the Content-Length."""
    body: bytes | None = None
    """Other bytes than the listing speaks of."""
    tag: str | None = None
    ranges: bool = True
    redirect: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    """Said in place of the right ones."""
    chunked: bool = False
    times: int = 1_000_000


@dataclass(frozen=True)
class Request:
    """A request that came."""

    path: str
    start: int | None
    headers: dict[str, str] = field(hash=False)


class Fake:
    """Serves `files` under their paths, and lists them as S3, Google and Azure do."""

    def __init__(self, files: dict[str, bytes], faults: dict[str, Fault]) -> None:
        self.files = dict(files)
        self.faults = dict(faults)
        self.later: dict[str, Fault] = {}
        """Faults once the file was looked at: after a listing, or, on the web, the request that asks for its size."""
        self.break_ranges_from: dict[str, int] = {}
        """Ranges of these paths from that byte on never come: the connection closes."""
        self.endless: dict[str, int] = {}
        """Listings of these buckets never end: so many objects a page."""
        self.listed = 0
        self.requests: list[Request] = []
        self._stalled = asyncio.Event()
        self._connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    @property
    def address(self) -> str:
        """`http://127.0.0.1:PORT`."""
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def asked(self, path: str) -> list[Request]:
        """The requests for one file."""
        return [request for request in self.requests if request.path == path]

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        self._stalled.set()
        self._server.close()
        for writer in self._connections.values():
            writer.close()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving = asyncio.current_task()
        assert serving
        self._connections[serving] = writer
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                if not await self._answer(head.decode(), writer):
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()
            del self._connections[serving]

    async def _answer(self, head: str, writer: asyncio.StreamWriter) -> bool:
        line, *rest = head.strip().split("\r\n")
        headers = {key.lower(): value.strip() for key, _, value in (each.partition(":") for each in rest)}
        url = urlsplit(line.split(" ")[1])
        query = parse_qs(url.query)
        if "list-type" in query:
            self.listed += 1
            return await _reply(writer, 200, self._listing(url.path.strip("/"), query.get("prefix", [""])[0]))
        if "comp" in query:
            return await _reply(writer, 200, self._azure_listing(url.path.strip("/"), query.get("prefix", [""])[0]))
        path = unquote(url.path).strip("/")
        fault = self._fault(path)
        span = headers.get("range", "").removeprefix("bytes=").partition("-")
        self.requests.append(Request(path, int(span[0]) if span[0] else None, headers))
        if path in self.break_ranges_from and int(span[0] or 0) >= self.break_ranges_from[path]:
            return False
        if fault.drips:
            await self._drip(writer)
            return False
        if fault.raw is not None:
            writer.write(fault.raw)
            await writer.drain()
            return False
        if fault.redirect:
            return await _reply(writer, 302, b"", {"Location": fault.redirect})
        if fault.status:
            return await _reply(writer, fault.status, b"", phrase=fault.phrase)
        if path not in self.files:
            return await _reply(writer, 404, b"")
        return await self._send(writer, path, fault, span)

    async def _drip(self, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nX: ")
        for _ in range(300):
            writer.write(b"a")
            await writer.drain()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stalled.wait(), 0.05)

    async def _send(self, writer: asyncio.StreamWriter, path: str, fault: Fault, span: tuple[str, str, str]) -> bool:
        body = fault.body if fault.body is not None else self.files[path]
        extra = {"ETag": fault.tag or f'"{md5(self.files[path]).hexdigest()}"', "Last-Modified": _LONG_AGO}
        status, total = 200, len(body)
        if span[0] and fault.ranges:
            start, end = int(span[0]), min(int(span[2] or total - 1), total - 1)
            if start >= total:
                return await _reply(writer, 416, b"", {"Content-Range": f"bytes */{total}"})
            status, body = 206, body[start : end + 1]
            extra["Content-Range"] = f"bytes {start}-{end}/{total}"
            body += bytes(fault.overflows)
        if fault.chunked:
            extra["Transfer-Encoding"] = "chunked"
        else:
            extra["Content-Length"] = str(fault.claims if fault.claims is not None else len(body))
        extra |= fault.headers
        writer.write(_head(status, extra))
        cut = (fault.sends is not None and fault.sends < len(body)) or fault.claims is not None
        sent = body[: fault.sends] if fault.sends is not None else body
        writer.write(b"%x\r\n%s\r\n0\r\n\r\n" % (len(sent), sent) if fault.chunked else sent)
        await writer.drain()
        if cut and fault.then == "stall":
            await self._stalled.wait()
        return not cut

    def _azure_listing(self, container: str, prefix: str) -> bytes:
        keys = {
            path.removeprefix(f"{container}/"): path for path in self.files if path.startswith(f"{container}/{prefix}")
        }
        found = "".join(
            f"<Blob><Name>{escape(key)}</Name><Properties><Last-Modified>{_LONG_AGO}</Last-Modified>"
            f"<Etag>{md5(self.files[path]).hexdigest()}</Etag><Content-Length>{len(self.files[path])}</Content-Length>"
            f"<Content-Type>application/octet-stream</Content-Type></Properties></Blob>"
            for key, path in sorted(keys.items())
        )
        return f"<EnumerationResults><Blobs>{found}</Blobs><NextMarker/></EnumerationResults>".encode()

    def _fault(self, path: str) -> Fault:
        for faults in (self.later if self.asked(path) or self.listed else {}, self.faults):
            fault = faults.get(path)
            if fault and fault.times > 0:
                fault.times -= 1
                return fault
        return Fault()

    def _listing(self, bucket: str, prefix: str) -> bytes:
        keys = {path.removeprefix(f"{bucket}/"): path for path in self.files if path.startswith(f"{bucket}/{prefix}")}
        if (count := self.endless.get(bucket)) is not None:
            page = "".join(
                f"<Contents><Key>{prefix}{self.listed}-{n}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
                f"<Size>1</Size></Contents>"
                for n in range(count)
            )
            more = f"<IsTruncated>true</IsTruncated><NextContinuationToken>{self.listed}</NextContinuationToken>"
            return f"<ListBucketResult>{more}{page}</ListBucketResult>".encode()
        found = "".join(
            f"<Contents><Key>{escape(key)}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
            f'<ETag>"{md5(self.files[path]).hexdigest()}"</ETag><Size>{len(self.files[path])}</Size></Contents>'
            for key, path in sorted(keys.items())
        )
        return f"<ListBucketResult><IsTruncated>false</IsTruncated>{found}</ListBucketResult>".encode()


_LONG_AGO = "Thu, 01 Jan 2026 00:00:00 GMT"


def _head(status: int, headers: dict[str, str], phrase: str | None = None) -> bytes:
    lines = [f"HTTP/1.1 {status} {phrase or 'Said'}", *(f"{key}: {value}" for key, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


async def _reply(
    writer: asyncio.StreamWriter,
    status: int,
    body: bytes,
    headers: dict[str, str] | None = None,
    phrase: str | None = None,
) -> bool:
    writer.write(_head(status, {"Content-Length": str(len(body)), **(headers or {})}, phrase) + body)
    await writer.drain()
    return True


@asynccontextmanager
async def fake(
    files: dict[str, bytes], faults: dict[str, Fault] | None = None, *, prefix: str = "models/churn"
) -> AsyncIterator[Fake]:
    """A fake with a bundle below `prefix`; faults are keyed by the bundle's own paths."""
    placed = {f"{prefix}/{path}": content for path, content in files.items()}
    async with Fake(placed, {f"{prefix}/{path}": fault for path, fault in (faults or {}).items()}) as server:
        yield server
