"""https:// and http://: a plain web directory, or one archive."""

import re
import socket
from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager, contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlsplit, urlunsplit

import httpx

from slipway.api.addresses import is_near
from slipway.fetch.pace import Pace
from slipway.fetch.policy import Policy
from slipway.fetch.settings import Source
from slipway.fetch.stores import Entry
from slipway.fetch.stores.address import check_keys
from slipway.fetch.stores.objects import changed, of_status
from slipway.fetch.verdict import FetchError, Reason, invalid

_CONTENT_RANGE: Final = re.compile(r"bytes (?:([0-9]{1,18})-([0-9]{1,18})|\*)/([0-9]{1,18}|\*)")
_ENCODINGS: Final = frozenset({"gzip", "x-gzip", "deflate", "compress", "br", "zstd"})
"""Those that change the bytes; aws-chunked, which stores keep by mistake, does not."""
_LENGTH: Final = re.compile(r"[0-9]{1,18}")
# Of httpx's and h11's words those that quote nothing of what came.
_PLAIN: Final = re.compile(r"peer closed connection .*|Server disconnected .*")


class WebStore:
    """A web directory whose index is SHA256SUMS, or, under the empty path, the address itself."""

    def __init__(self, source: Source, client: httpx.Client, policy: Policy) -> None:
        self._source = source
        self._client = client
        self._policy = policy

    def where(self, path: str) -> str:
        """The file's address without its query, for messages."""
        return f"{self._source.shown.rstrip('/')}/{path}" if path else self._source.shown

    def list(self) -> None:
        """The web has no listing."""
        return

    def stat(self, path: str) -> Entry:
        """Asked with a range of one byte: signed addresses allow GET alone, and the answer says whether ranges work."""
        with self._get(path, {"Range": "bytes=0-0"}, allowed=(200, 206, 416)) as response:
            if response.status_code == 416:
                return Entry(path=path, size=0, tag=_tag(response))
            ranges = response.status_code == 206
            total = _total(response) if ranges else response.headers.get("Content-Length")
            if total is None or not _LENGTH.fullmatch(total):
                if path or total:
                    message = f"{self.where(path)}: the server does not say its size; let it send Content-Length"
                    raise FetchError(Reason.FETCH_FAILED, message)
                total = -1
            return Entry(path=path, size=int(total), tag=_tag(response), ranges=ranges)

    def read(self, path: str, limit_bytes: int) -> bytes:
        """A small file, whole."""
        too_large = f"{path}: larger than {limit_bytes} bytes, which is the most for this file"
        with self._get(path, {}, allowed=(200,)) as response:
            return self._bounded(response, limit_bytes, self.where(path), too_large)

    def _bounded(self, response: httpx.Response, limit_bytes: int, where: str, too_large: str) -> bytes:
        """A whole answer; BundleInvalid in these words where it is larger."""
        content = bytearray()
        for chunk in Pace(self._policy, where).kept(response.iter_raw()):
            content += chunk
            if len(content) > limit_bytes:
                raise invalid(too_large)
        return bytes(content)

    def stream(self, entry: Entry, start: int, end: int) -> Generator[bytes]:
        """A range. A server without ranges sends everything, and what stands before `start` is dropped."""
        headers = {"Range": f"bytes={start}-{end - 1 if end >= 0 else ''}"} if start or entry.ranges else {}
        with self._get(entry.path, headers, allowed=(200, 206)) as response:
            self._check_same(entry, response, start)
            skip = 0 if response.status_code == 206 else start
            left = end - start if end >= 0 else None
            for raw in response.iter_raw():
                chunk = raw[skip:] if skip else raw
                skip = max(0, skip - len(raw))
                if left is not None:
                    chunk = chunk[:left]
                    left -= len(chunk)
                if chunk:
                    yield chunk
                if left == 0:
                    return

    def _check_same(self, entry: Entry, response: httpx.Response, start: int) -> None:
        where = self.where(entry.path)
        tag = _tag(response)
        if entry.tag and tag and tag != entry.tag:
            raise changed(where, "its entity tag is another one than before")
        if response.status_code != 206:
            return
        match = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
        if not match or match[1] is None or int(match[1]) != start:
            message = f"{where}: asked for bytes from {start} and got others; mend the server"
            raise FetchError(Reason.FETCH_FAILED, message)
        if entry.size >= 0 and match[3] != "*" and int(match[3]) != entry.size:
            raise changed(where, f"{match[3]} bytes now, {entry.size} before")

    def _url(self, path: str) -> str:
        if not path:
            return self._source.uri
        parts = urlsplit(self._source.uri)
        return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/{quote(path)}"))

    def _get(
        self, path: str, headers: dict[str, str], *, allowed: tuple[int, ...]
    ) -> AbstractContextManager[httpx.Response]:
        return answered(self._send(path, headers), self.where(path), allowed)

    def _send(self, path: str, headers: dict[str, str]) -> AbstractContextManager[httpx.Response]:
        return self._client.stream("GET", self._url(path), headers=headers)


@contextmanager
def answered(
    sent: AbstractContextManager[httpx.Response], where: str, allowed: tuple[int, ...]
) -> Iterator[httpx.Response]:
    """The answer to what is sent, with one of these statuses; everything else as a FetchError."""
    begun = False
    try:
        with sent as response:
            if response.status_code not in allowed:
                raise of_status(where, response.status_code, _phrase(response.status_code))
            _check_encoding(where, response)
            begun = True
            yield response
    except httpx.TimeoutException as error:
        raise _timed_out(where, error) from None
    # A name that a redirect leads to is the source's to say, and only some are refused as such.
    except (httpx.TooManyRedirects, httpx.UnsupportedProtocol, httpx.InvalidURL, UnicodeError) as error:
        raise FetchError(Reason.FETCH_FAILED, f"{where}: {error}; check source.uri") from None
    except httpx.StreamConsumed:
        message = f"{where}: redirects what is sent to it, and it is sent once; name the address that it leads to"
        raise FetchError(Reason.FETCH_FAILED, message) from None
    except httpx.TransportError as error:
        raise _broken(where, error, begun=begun) from None


def _check_encoding(where: str, response: httpx.Response) -> None:
    """FetchFailed where the bytes that come are not the file's own. Of a .gz many servers say so of the file."""
    said = response.headers.get("Content-Encoding", "").lower()
    encoding = next((each for each in re.split(r"[,\s]+", said) if each in _ENCODINGS), None)
    if encoding and not where.lower().endswith((".gz", ".tgz")):
        message = f"{where}: comes encoded as {encoding}, although the file as it is was asked for; store it without "
        raise FetchError(Reason.FETCH_FAILED, f"{message}Content-Encoding, or let what stands between not compress it")


def _timed_out(where: str, error: httpx.TimeoutException) -> FetchError:
    if isinstance(error, httpx.ConnectTimeout):
        message = f"{where}: no connection in time; check the address and that the server is up"
        return FetchError(Reason.SOURCE_UNAVAILABLE, message, transient=True)
    return FetchError(Reason.FETCH_STALLED, f"{where}: no byte came", transient=True)


def _broken(where: str, error: httpx.TransportError, *, begun: bool) -> FetchError:
    said = _said(error)
    if begun:
        return FetchError(Reason.BUNDLE_TRUNCATED, f"{where}: the connection broke: {said}", transient=True)
    message = f"{where}: no connection: {said}; check the address and that the server is up"
    return FetchError(Reason.SOURCE_UNAVAILABLE, message, transient=True)


def _said(error: httpx.TransportError) -> str:
    """An error in words that hold nothing of what a service said: a source may lead to any, HTTP or not."""
    if isinstance(error, httpx.RemoteProtocolError) and not _PLAIN.fullmatch(str(error)):
        return "what is there does not speak HTTP"
    return str(error) or type(error).__name__


def _phrase(status: int) -> str:
    return HTTPStatus(status).phrase if status in list(HTTPStatus) else ""


def _tag(response: httpx.Response) -> str | None:
    tag: str | None = response.headers.get("ETag")
    return tag


def _total(response: httpx.Response) -> str | None:
    match = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    return match[3] if match and match[3] != "*" else None


def client(source: Source, credentials: Path | None, policy: Policy) -> httpx.Client:
    """The client for an https:// or http:// address, logged in with what is given; httpx drops that when it is sent to
    another host."""
    _check_address(source)
    auth, headers = _login(credentials) if credentials else (None, {})
    return httpx.Client(
        auth=auth,
        headers={"Accept-Encoding": "identity", "User-Agent": "slipway-fetch", **headers},
        follow_redirects=True,
        event_hooks={"request": [lambda request: check_way(request.url, source)]},
        timeout=httpx.Timeout(policy.read_seconds, connect=min(10.0, policy.read_seconds), pool=None),
        limits=httpx.Limits(max_connections=policy.streams * 2),
    )


def _check_address(source: Source) -> None:
    try:
        urlsplit(source.uri)
        httpx.URL(source.uri).host.encode("idna")
    except (httpx.InvalidURL, ValueError) as error:
        message = f"source.uri: {source.shown}: no address of the web ({error}); correct it"
        raise FetchError(Reason.SPEC_INVALID, message) from None


def check_way(url: httpx.URL, source: Source) -> None:
    """FetchFailed where a redirect leads from https to http, or to the node itself and what stands beside it."""
    begun = httpx.URL(source.uri)
    if url.host == begun.host and url.scheme == begun.scheme:
        return
    if begun.scheme == "https" and url.scheme == "http":
        raise _leads(source, "http://, which is not encrypted")
    if _is_near(url.host) and not _is_near(begun.host):
        raise _leads(source, "an address of the node or of its cloud's metadata")


def _leads(source: Source, where: str) -> FetchError:
    message = f"{source.shown}: is redirected to {where}; let the source answer itself, or name its new address"
    return FetchError(Reason.FETCH_FAILED, message)


def _is_near(host: str) -> bool:
    """Whether a name is of an address that no source has."""
    try:
        addresses = {info[4][0] for info in socket.getaddrinfo(host, None)}
    except (OSError, UnicodeError):  # the connection will say so
        return False
    return any(is_near(str(address)) for address in addresses)


def _login(credentials: Path) -> tuple[httpx.BasicAuth | None, dict[str, str]]:
    given = {path.name: path.read_text().strip() for path in credentials.glob("*") if path.is_file()}
    if "token" in given:
        check_keys({"token": given["token"]})
        return None, {"Authorization": f"Bearer {given['token']}"}
    if "username" in given:
        return httpx.BasicAuth(given["username"], given.get("password", "")), {}
    return None, {}
