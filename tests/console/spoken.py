"""An API server that says what a healthy one cannot be made to say, and the console in front of it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import httpx
from aiohttp import web

from slipway.console.api_server import ApiServer
from slipway.console.guarding import Door
from slipway.console.kept import running, watched
from slipway.console.pages import Console
from testbed.plane import free_port

Object = dict[str, Any]
KEY, ROOT = "key", "/word"


@asynccontextmanager
async def answered(handle: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> AsyncIterator[ApiServer]:
    """A client of a server that answers so."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    async with listening(app) as port, aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
        yield ApiServer(session)


@asynccontextmanager
async def listening(app: web.Application, port: int = 0) -> AsyncIterator[int]:
    """An application that is served; its port."""
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.05)
    await runner.setup()
    port = port or free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield port
    finally:
        await runner.cleanup()


@dataclass
class Cluster:
    """Objects by plural; whoever asks may do everything."""

    objects: dict[str, list[Object]] = field(default_factory=dict)
    made: list[Object] = field(default_factory=list)
    broken: str = ""
    """A plural that nobody can list."""
    refusal: str = ""
    """Of whatever is to be written."""
    confined: bool = False
    """Nobody may list all namespaces."""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """As an API server."""
        kind = request.path.rpartition("/")[2]
        if kind == "selfsubjectaccessreviews":
            return web.json_response({"status": {"allowed": True}})
        if request.method != "GET":
            if self.refusal:
                return web.json_response({"message": self.refusal}, status=409)
            self.made.append(await request.json())
            return web.json_response(self.made[-1])
        if kind == self.broken:
            return web.json_response({"message": "etcdserver: request timed out"}, status=500)
        where = request.path.rpartition("/namespaces/")[2].partition("/")[0] if "/namespaces/" in request.path else ""
        if self.confined and not where:
            return web.json_response({"message": "cannot list resource"}, status=403)
        if "watch" in request.query:
            await asyncio.Event().wait()
        found = [each for each in self.objects.get(kind, []) if where in ("", each["metadata"]["namespace"])]
        return web.json_response({"items": found, "metadata": {"resourceVersion": "1"}})


@asynccontextmanager
async def browser(cluster: Cluster, *also_in: str) -> AsyncIterator[httpx.AsyncClient]:
    """One that has opened the console of a cluster, once all is read."""
    port = free_port()
    async with answered(cluster.answer) as api:
        kept, watches = watched(api, "mine", *also_in)
        application = Console(api, kept, namespace="mine").application(Door(port, KEY, ROOT))
        application.cleanup_ctx.append(running(watches))
        address = f"http://127.0.0.1:{port}"
        headers = {"Origin": address}
        async with (
            listening(application, port),
            httpx.AsyncClient(base_url=address + ROOT, headers=headers, follow_redirects=True, timeout=60) as client,
        ):
            await client.get(f"{address}/?token={KEY}")
            async with asyncio.timeout(20):
                while "not read yet" in (await client.get("/")).text:
                    pass
            yield client


async def told(client: httpx.AsyncClient, since: int) -> bool:
    """Whether a page of that moment is told at once that there is something else."""
    async with client.stream("GET", f"/changes?since={since}") as stream:
        try:
            async with asyncio.timeout(0.3):
                return "changed" in await anext(stream.aiter_lines())
        except TimeoutError:
            return False
