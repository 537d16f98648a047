"""The bench's own hand on the API server: apply, and wait by a watch, so that waiting costs next to nothing."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

import aiohttp

from slipway.controller.kinds import BY_NAME
from slipway.core.names import Manifest
from testbed.api import address
from testbed.plane import Plane

APPLY: Final = {"Content-Type": "application/apply-patch+yaml"}
MERGE: Final = {"Content-Type": "application/merge-patch+json"}
_LINE_LIMIT: Final = 4 * 2**20


class Client:
    """One user of the API server."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session, self._url = session, url

    async def apply(self, manifest: Manifest) -> None:
        """Server-side apply."""
        meta = manifest["metadata"]
        path = BY_NAME[manifest["kind"]].path(meta["namespace"], meta["name"])
        await self._patch(path, manifest, APPLY, force="true")

    async def patch(self, at: Manifest, change: Manifest) -> None:
        """Merge a change into the object that has this kind and name."""
        path = BY_NAME[at["kind"]].path(at["metadata"]["namespace"], at["metadata"]["name"])
        await self._patch(path, change, MERGE)

    async def _patch(self, path: str, body: Manifest, headers: dict[str, str], **more: str) -> None:
        query = {"fieldManager": "bench", **more}
        async with self._session.patch(self._url + path, json=body, headers=headers, params=query) as answer:
            text = await answer.text()
            if answer.status >= 300:
                raise RuntimeError(f"PATCH {path}: {answer.status}: {text[:500]}")

    async def until(self, plural: str, namespace: str, name: str, holds: Callable[[Manifest], bool]) -> Manifest:
        """Wait until one object is as it should be."""
        async for event in self._watch(plural, fieldSelector=f"metadata.name={name},metadata.namespace={namespace}"):
            found: Manifest = event["object"]
            if holds(found):
                return found
        raise RuntimeError(f"the watch of {plural} {name} has ended")

    async def until_all(self, plural: str, count: int, holds: Callable[[Manifest], bool]) -> None:
        """Wait until that many objects of a kind are as they should be."""
        good: set[str] = set()
        async for event in self._watch(plural):
            found = event["object"]
            uid = found["metadata"]["uid"]
            if holds(found) and event["type"] != "DELETED":
                good.add(uid)
            else:
                good.discard(uid)
            if len(good) >= count:
                return

    async def _watch(self, plural: str, **select: str) -> AsyncIterator[dict[str, Any]]:
        """Every object that there is, and then what becomes of it."""
        query = {"watch": "1", "timeoutSeconds": "3600", **select}
        while True:  # the first ones to ask for a kind are told to come again
            async with self._session.get(self._url + address(plural), params=query) as answer:
                if answer.status == 429:
                    await asyncio.sleep(float(answer.headers["Retry-After"]))
                    continue
                answer.raise_for_status()
                async for line in answer.content:
                    yield json.loads(line)
                return


@asynccontextmanager
async def connect(plane: Plane, user: str = "script") -> AsyncIterator[Client]:
    """A client for as long as the context lasts."""
    trust = ssl.create_default_context(cafile=str(plane.dir / "certs" / "apiserver.crt"))
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=trust, limit=64),
        headers={"Authorization": f"Bearer token-{user}"},
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=30),
        read_bufsize=_LINE_LIMIT,
    ) as session:
        yield Client(session, plane.url)
