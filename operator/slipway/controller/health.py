"""HTTP for Kubernetes and Prometheus: /healthz, /readyz and /metrics."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web
from aiohttp.typedefs import Handler
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

Check = Callable[[], str | None]
"""Answers what is wrong, in a sentence, or None."""


@asynccontextmanager
async def serve(
    *, health_port: int, metrics_port: int, alive: Check, ready: Check, metrics: CollectorRegistry
) -> AsyncIterator[None]:
    """Answer on both ports for as long as the context lasts."""
    runners = [
        await _listen(health_port, {"/healthz": _answer(alive), "/readyz": _answer(ready)}),
        await _listen(metrics_port, {"/metrics": _scrape(metrics)}),
    ]
    try:
        yield
    finally:
        for runner in runners:
            await runner.cleanup()


async def _listen(port: int, routes: dict[str, Handler]) -> web.AppRunner:
    app = web.Application()
    app.add_routes([web.get(path, handler) for path, handler in routes.items()])
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, port=port).start()
    return runner


def _answer(check: Check) -> Handler:
    async def handle(_: web.Request) -> web.Response:
        wrong = check()
        return web.Response(text=wrong or "ok", status=503 if wrong else 200)

    return handle


def _scrape(metrics: CollectorRegistry) -> Handler:
    async def handle(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(metrics), headers={"Content-Type": CONTENT_TYPE_LATEST})

    return handle
