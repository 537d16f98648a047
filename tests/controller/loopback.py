"""HTTP servers on the loopback that answer as a test wants: pods by address, and a Prometheus."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

from aiohttp import web

Answering = Callable[[web.Request], Awaitable[web.StreamResponse]]
REQUEST: Final = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 1], "data": [3]}]}


async def _plain_config(_: web.Request) -> web.StreamResponse:
    return web.json_response({"name": "m", "max_batch_size": 8})


@asynccontextmanager
async def serving(
    answer: Answering, port: int, ip: str = "127.0.0.1", config: Answering = _plain_config
) -> AsyncIterator[str]:
    """One answer to everything but a model's configuration, which is a plain one's; gives the address."""
    app = web.Application()
    app.router.add_get("/v2/models/{model}/config", config)
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.05)
    await runner.setup()
    await web.TCPSite(runner, ip, port).start()
    try:
        yield f"http://{ip}:{port}"
    finally:
        await runner.cleanup()


def says(text: str | bytes, status: int = 200, **headers: str) -> Answering:
    """Always the same."""

    async def answer(_: web.Request) -> web.StreamResponse:
        body = text.encode() if isinstance(text, str) else text
        return web.Response(body=body, status=status, headers={k.replace("_", "-"): v for k, v in headers.items()})

    return answer


def reply(raw: bytes, **output: Any) -> Answering:
    """A 200 with one binary output."""
    described = {"name": "y", "datatype": "FP32", "shape": [1, 1], "parameters": {"binary_data_size": len(raw)}}
    header = json.dumps({"outputs": [described | output]}).encode()
    return says(header + raw, Inference_Header_Content_Length=str(len(header)))


async def never(_: web.Request) -> web.StreamResponse:
    """No answer as long as anybody waits."""
    await asyncio.Event().wait()
    raise AssertionError("nothing sets it")


async def hangs_up(request: web.Request) -> web.StreamResponse:
    """Ends the connection in the middle of an answer."""
    half = web.StreamResponse(headers={"Content-Length": "1000"})
    await half.prepare(request)
    await half.write(b"nv_inf")
    assert request.transport
    request.transport.close()
    return half
