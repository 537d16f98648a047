"""Fake guards: pages of load, at addresses on the loopback to which a story leads a model's pods. No Triton is there,
and no client: what clients offer is a number, and each page says its pod's part of it, by Service and route as they
are.
"""

import asyncio
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from enum import Enum
from secrets import randbelow
from typing import Final, Self

import httpx

from slipway.core.names import COMPONENT, LOAD_PORT
from slipway.guard.load import Gauges, page
from testbed.api import Manifest
from tests.stories.rollouts.history import is_ready
from tests.stories.rollouts.model import Model
from tests.stories.story import OWNER, REVISION

LOOK_SECONDS: Final = 0.5
WHOLE: Final = 100


class Manner(Enum):
    """How a guard answers whoever asks how loaded its pod is."""

    SPEAKS = "speaks"
    SILENT = "silent"
    """As while Triton is silent, or has just started: what is not known is not on the page."""
    HANGS = "hangs"
    """It takes the connection, and never answers."""


class FakeGuards:
    """A context: every server of one model has a guard. `offered` is what clients ask for, in whole pods' work."""

    def __init__(self, model: Model, offered: float) -> None:
        self.offered = offered
        self.manner = Manner.SPEAKS
        self.quiet: set[str] = set()
        """Names of the pods whose guards have the manner; empty: all of them."""
        self.asked = 0
        """How often anybody has asked one of them."""
        self._model = model
        self._block = f"127.{1 + randbelow(63)}.{randbelow(256)}"
        self._addresses: dict[str, str] = {}
        self._pages: dict[str, str] = {}
        self._queues: dict[str, float] = {}
        self._loop = asyncio.new_event_loop()
        self._serving = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._servers: list[asyncio.Server] = []
        self._over = threading.Event()
        self._looking = threading.Thread(target=self._run, daemon=True)
        self._failed: list[Exception] = []

    def __enter__(self) -> Self:
        self._serving.start()
        self._looking.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._looking.join()
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._serving.join()
        self._loop.close()
        if self._failed:
            raise self._failed[0]

    # -- what a story does to them

    def all_are(self, manner: Manner) -> None:
        """From now on every guard has this manner."""
        self.manner, self.quiet = manner, set()

    def half_are(self, manner: Manner) -> None:
        """From now on every other guard has this manner."""
        self.manner, self.quiet = manner, set(sorted(self._pages)[::2])

    # -- pods by their addresses

    def _run(self) -> None:
        try:
            before = time.monotonic()
            while not self._over.wait(LOOK_SECONDS):
                before, seconds = time.monotonic(), time.monotonic() - before
                self._look(seconds)
        except (httpx.HTTPError, OSError) as error:
            self._failed.append(error)

    def _look(self, seconds: float) -> None:
        story = self._model.story
        pods = story.api.list("pods", story.namespace, f"{OWNER}={self._model.name},{COMPONENT}=server")
        for pod in pods:
            self._lead(pod)
        ready = list(filter(is_ready, pods))
        parts = self._parts(ready)
        for pod in ready:
            name = pod["metadata"]["name"]
            work = self.offered * parts.get(name, 0)
            self._queues[name] = max(0.0, self._queues.get(name, 0) + (work - 1) * seconds)
            shown = Gauges(ratio=min(1.0, work), backlog_seconds=self._queues[name], pending=0, rate=0)
            self._pages[name] = page(shown, 0)

    def _lead(self, pod: Manifest) -> None:
        """A pod that has an address gets one where its guard listens."""
        meta, status = pod["metadata"], pod.get("status", {})
        name = meta["name"]
        if name not in self._addresses:
            self._addresses[name] = f"{self._block}.{len(self._addresses) + 1}"
            listening = asyncio.run_coroutine_threadsafe(self._listen(name, self._addresses[name]), self._loop)
            listening.result(10)
        if status.get("podIP") not in (None, self._addresses[name]):
            ips = {"podIP": self._addresses[name], "podIPs": [{"ip": self._addresses[name]}]}
            with suppress(httpx.HTTPStatusError):  # it is gone already
                self._model.story.api.patch("pods", meta["namespace"], name, {"status": ips}, "status")

    def _parts(self, ready: list[Manifest]) -> dict[str, float]:
        """The part of all requests that each ready pod gets: its revision's share, or each pod the same."""
        by_revision: dict[str, list[str]] = {}
        for pod in ready:
            by_revision.setdefault(pod["metadata"]["labels"][REVISION], []).append(pod["metadata"]["name"])
        shares = self._shares(by_revision)
        return {
            name: shares.get(revision, 0) / WHOLE / len(names)
            for revision, names in by_revision.items()
            for name in names
        }

    def _shares(self, by_revision: Mapping[str, list[str]]) -> dict[str, float]:
        story, name = self._model.story, self._model.name
        if route := story.api.get("httproutes", story.namespace, name):
            refs = route["spec"]["rules"][0]["backendRefs"]
            named: dict[str, float] = {ref["name"].removeprefix(f"{name}-"): ref["weight"] for ref in refs}
            return named
        service = story.api.get("services", story.namespace, name)
        chosen = service["spec"]["selector"][REVISION] if service else ""
        return {revision: WHOLE for revision in by_revision if revision == chosen}

    # -- their port

    async def _listen(self, name: str, address: str) -> None:
        async def answer(reader: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
            with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await reader.readuntil(b"\r\n\r\n")
                self.asked += 1
                if (said := self._said(name)) is None:
                    await reader.read()  # until the other side has had enough of it
                else:
                    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(said)}\r\nConnection: close\r\n\r\n"
                    to.write(head.encode() + said)
                    await to.drain()
            to.close()

        self._servers.append(await asyncio.start_server(answer, address, LOAD_PORT))

    def _said(self, name: str) -> bytes | None:
        """The page; None for no answer at all."""
        has_it = not self.quiet or name in self.quiet
        manner = self.manner if has_it else Manner.SPEAKS
        if manner is Manner.HANGS:
            return None
        return (self._pages.get(name, "") if manner is Manner.SPEAKS else page(None, 0)).encode()

    async def _close(self) -> None:
        for server in self._servers:
            server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
