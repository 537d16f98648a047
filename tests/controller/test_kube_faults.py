"""Answers that a healthy API server cannot be made to give, from a fake that gives nothing else."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from kubernetes.aio.client import ApiClient, Configuration

from slipway.controller import kube as kube_module
from slipway.controller.kinds import POD
from slipway.controller.kube import ApiKube, KubeError
from testbed.plane import free_port
from tests.controller.conftest import CallLog
from tests.controller.loopback import Answering


@asynccontextmanager
async def fake_server(answer: web.Response | Answering | None) -> AsyncIterator[ApiKube]:
    """A client of a fake API server with one answer to everything; with None it hangs up in the middle of one."""

    async def handle(request: web.Request) -> web.StreamResponse:
        if isinstance(answer, web.Response):
            return answer
        if answer is not None:
            return await answer(request)
        half = web.StreamResponse(headers={"Content-Length": "1000"})
        await half.prepare(request)
        await half.write(b'{"kind": "Po')
        assert request.transport
        request.transport.close()
        return half

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    configuration = Configuration()
    configuration.host = f"http://127.0.0.1:{port}"
    try:
        async with ApiClient(configuration) as client:
            yield ApiKube(client, CallLog())
    finally:
        await runner.cleanup()


def a_status(code: int, reason: str, **headers: str) -> web.Response:
    body = {"kind": "Status", "reason": reason, "message": "said why"}
    return web.json_response(body, status=code, headers={name.replace("_", "-"): v for name, v in headers.items()})


@pytest.mark.parametrize(
    ("answer", "status", "reason", "retry_after"),
    [
        (a_status(429, "TooManyRequests", Retry_After="7"), 429, "TooManyRequests", 7),
        (a_status(429, "TooManyRequests", Retry_After="1000000"), 429, "TooManyRequests", 60),
        (a_status(429, "TooManyRequests", Retry_After="inf"), 429, "TooManyRequests", 60),
        (a_status(429, "TooManyRequests", Retry_After="nan"), 429, "TooManyRequests", 0),
        (
            a_status(503, "ServiceUnavailable", Retry_After="Wed, 21 Oct 2026 07:28:00 GMT"),
            503,
            "ServiceUnavailable",
            0,
        ),
        (a_status(500, "InternalError"), 500, "InternalError", 0),
        (web.Response(status=502, text="<html>Bad Gateway</html>"), 502, "Unknown", 0),
        (web.Response(status=500, text="[]"), 500, "Unknown", 0),
        (None, 0, "NoAnswer", 0),
    ],
    ids=[
        "429",
        "429 for days",
        "429 for ever",
        "429 for no number",
        "503 with a date",
        "500",
        "a proxy's page",
        "JSON that is no Status",
        "half an answer",
    ],
)
async def test_every_bad_answer_is_an_error_of_ours_with_what_it_said(
    answer: web.Response | None, status: int, reason: str, retry_after: float
) -> None:
    async with fake_server(answer) as kube:
        with pytest.raises(KubeError) as raised:
            await kube.get(POD, "shop", "p")

    assert (raised.value.status, raised.value.reason) == (status, reason)
    assert raised.value.retry_after_seconds == retry_after


async def test_a_list_whose_snapshot_has_expired_ends_with_an_error_and_not_as_a_short_list() -> None:
    async with fake_server(a_status(410, "Expired")) as kube:
        with pytest.raises(KubeError, match="said why"):
            [page async for page in kube.list(POD, None)]


async def test_a_server_that_does_not_answer_in_time_is_an_error_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kube_module, "TIMEOUT_SECONDS", 0.0001)
    async with fake_server(a_status(200, "")) as kube:
        with pytest.raises(KubeError, match="NoAnswer"):
            await kube.get(POD, "shop", "p")


@pytest.mark.parametrize("text", ["", "no JSON", "[]", "7", "[" * 2000, '{"metadata": '])
async def test_what_is_no_object_is_no_answer(text: str) -> None:
    async with fake_server(web.Response(text=text)) as kube:
        with pytest.raises(KubeError) as raised:
            await kube.get(POD, "shop", "churn")
    assert raised.value.reason == "NoAnswer"


async def test_pages_are_small_where_objects_are_large_and_large_again_where_they_are_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(kube_module, "PAGE_BYTES", 100_000)
    there = [{"metadata": {"uid": str(n)}, "x": "x" * (60_000 if 300 <= n < 310 else 10)} for n in range(900)]
    there[305]["x"] = "x" * 1_000_000
    limits: list[int] = []

    async def pages(request: web.Request) -> web.StreamResponse:
        begin, limit = int(request.query.get("continue") or 0), int(request.query["limit"])
        limits.append(limit)
        end = min(begin + limit, len(there))
        meta = {"resourceVersion": "7", "continue": str(end) if end < len(there) else ""}
        return web.Response(text=json.dumps({"metadata": meta, "items": there[begin:end]}))

    async with fake_server(pages) as kube:
        items = [item["metadata"]["uid"] async for page in kube.list(POD, None) for item in page.items]

    assert items == [str(n) for n in range(900)]
    assert min(limits) == 1
    assert limits[0] == limits[-1] == kube_module.PAGE
    assert len(limits) < 60
