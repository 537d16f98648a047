"""The API server as the console asks it: through `kubectl proxy`, so that every way to sign in works."""

import asyncio
import ctypes
import json
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final, NamedTuple, Self
from urllib.parse import quote

import aiohttp

from slipway.api.v1alpha1 import GROUP, VERSION
from slipway.cli.reading import read
from slipway.core.body import mappings, within
from slipway.guard.printable import printable_lines

Object = dict[str, Any]

_PAGE: Final = 40
"""Objects, each of which may have 1.5 MiB."""
_PAGES: Final = 2_500
"""A list with more is of no API server: 100,000 objects are more than its store has room for."""
_ANSWER_SECONDS: Final = 30
_WATCH_SECONDS: Final = 240
"""Shorter than the five minutes after which many proxies cut what is silent."""
_START_SECONDS: Final = 20
_SMALL_BYTES: Final = 64 << 10
"""Read within a millisecond."""
LINE_BYTES: Final = 4 << 20
"""Of one line of a watch. etcd takes objects of 1.5 MiB."""
_LIBC: Final = ctypes.CDLL(None)
_PR_SET_PDEATHSIG: Final = 1
OURS: Final = f"/apis/{GROUP}/{VERSION}"


class ApiError(Exception):
    """The API server's no, in its words. `status` is the HTTP status, 0 where nobody answers."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class _Body(NamedTuple):
    body: Object
    content_type: str


class ApiServer:
    """An API server that is asked as one person."""

    def __init__(self, session: aiohttp.ClientSession, signed: Callable[[], Mapping[str, str]] = dict) -> None:
        self._session, self._signed = session, signed
        self._reading = asyncio.Lock()
        """A page of a list at a time is in memory."""

    @classmethod
    @asynccontextmanager
    async def by_kubectl(cls, arguments: list[str]) -> AsyncIterator[Self]:
        """As whoever kubectl is, with its `--context` and `--kubeconfig`. ApiError where it does not start."""
        with tempfile.TemporaryDirectory(prefix="slipway-console-") as folder:
            socket = Path(folder, "api")
            async with _proxy(arguments, socket), _opened(socket) as session:
                yield cls(session)

    async def get(self, path: str, **query: str) -> Object:
        """One object or list."""
        return await self._call("GET", path, query)

    async def post(self, path: str, body: Object, **query: str) -> Object:
        """Create an object."""
        return await self._call("POST", path, query, _Body(body, "application/json"))

    async def merge(self, path: str, patch: Object, **query: str) -> Object:
        """Change an object by a merge patch."""
        return await self._call("PATCH", path, query, _Body(patch, "application/merge-patch+json"))

    async def listed(self, path: str, take: Callable[[Sequence[Mapping[str, Any]]], None]) -> str:
        """Hand all objects of a collection on, page by page, in a thread; the version of the last page."""
        query = {"limit": str(_PAGE)}
        for _ in range(_PAGES):
            async with self._reading:
                answer = await self.get(path, **query)
                await asyncio.to_thread(take, mappings(answer.get("items")))
            meta = within(answer, "metadata")
            if not meta.get("continue"):
                return str(meta.get("resourceVersion") or "")
            query["continue"] = str(meta["continue"])
        raise ApiError(0, f"the list has no end: more than {_PAGES} pages")

    async def watch(self, path: str, version: str) -> AsyncIterator[Object]:
        """The events of a collection since a version, until the API server ends it."""
        query = {
            "watch": "true",
            "resourceVersion": version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(_WATCH_SECONDS),
        }
        async with self._asked("GET", path, query, seconds=_WATCH_SECONDS + _ANSWER_SECONDS) as response:
            async for line in response.content:
                yield await _read(line)

    async def _call(self, method: str, path: str, query: Mapping[str, str], sent: _Body | None = None) -> Object:
        async with self._asked(method, path, query, sent) as response:
            answer = await _read(await response.read())
        if not answer:
            raise ApiError(0, f"what answers at {path} is no API server, or cannot be read")
        return answer

    @asynccontextmanager
    async def _asked(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        sent: _Body | None = None,
        *,
        seconds: float = _ANSWER_SECONDS,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        headers = {**self._signed(), **({"Content-Type": sent.content_type} if sent else {})}
        body = json.dumps(sent.body).encode() if sent else None
        timeout = aiohttp.ClientTimeout(total=seconds, sock_connect=_ANSWER_SECONDS)
        try:
            async with self._session.request(
                method, path, params=query, data=body, headers=headers, timeout=timeout
            ) as response:
                if response.status >= 300:
                    raise _refused(response.status, await response.read(), path)
                yield response
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise ApiError(0, f"the API server does not answer: {error or type(error).__name__}") from error


def _opened(socket: Path) -> aiohttp.ClientSession:
    connector = aiohttp.UnixConnector(path=str(socket), limit=0)
    return aiohttp.ClientSession("http://localhost", connector=connector, read_bufsize=LINE_BYTES // 2)


def path_of(plural: str, namespace: str | None, name: str = "", *, group: str = OURS) -> str:
    """The address of a collection, or of one of its objects. `group` is the path before it, as in /apis/apps/v1."""
    parts = [group]
    if namespace:
        parts += ["namespaces", quote(namespace, safe="")]
    parts.append(plural)
    if name:
        parts.append(quote(name, safe=""))
    return "/".join(parts)


def _refused(status: int, body: bytes, path: str) -> ApiError:
    said = _object(body).get("message")
    return ApiError(status, str(said or f"the API server answers {status} at {path}"))


async def _read(text: bytes) -> Object:
    """The object in an answer; in a thread where it is large, so that pages do not wait for it."""
    return await asyncio.to_thread(_object, text) if len(text) > _SMALL_BYTES else _object(text)


def _object(text: bytes) -> Object:
    """The object in an answer; an empty one where there is none."""
    try:
        answer = read(text)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


@asynccontextmanager
async def _proxy(arguments: list[str], socket: Path) -> AsyncIterator[None]:
    """`kubectl proxy` on a socket that nobody else can open."""
    try:
        process = await asyncio.create_subprocess_exec(
            "kubectl", "proxy", f"--unix-socket={socket}", *arguments,
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE, preexec_fn=_end_with_us,
        )  # fmt: skip
    except FileNotFoundError:
        raise ApiError(0, "there is no kubectl: install it, and put it into PATH") from None
    assert process.stderr is not None
    shown = None
    try:
        await _listening(process, process.stderr, socket)
        shown = asyncio.create_task(_show(process.stderr))
        yield
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        await process.wait()
        if shown:
            shown.cancel()


def _end_with_us() -> None:
    """In a child on Linux: it ends with its parent, also where that is killed."""
    if sys.platform == "linux":
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


async def _listening(process: asyncio.subprocess.Process, says: asyncio.StreamReader, socket: Path) -> None:
    try:
        async with asyncio.timeout(_START_SECONDS):
            while not await _takes_connections(socket):
                if process.returncode is not None:
                    raise ApiError(0, f"kubectl proxy ends: {(await says.read()).decode(errors='replace').strip()}")
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise ApiError(0, f"kubectl proxy does not listen within {_START_SECONDS} s") from None


async def _takes_connections(socket: Path) -> bool:
    """The file is there before anybody listens."""
    try:
        _, writer = await asyncio.open_unix_connection(socket)
    except OSError:
        return False
    writer.close()
    return True


async def _show(says: asyncio.StreamReader) -> None:
    """What kubectl and a plugin that signs in say to people; unread it would stop them."""
    while piece := await says.read(65536):
        sys.stderr.write(printable_lines(piece.decode(errors="replace")))
        sys.stderr.flush()
