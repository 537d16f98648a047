"""Asking a Prometheus: every way that it can answer, and a real one."""

import json
from collections.abc import Iterator
from contextlib import suppress
from math import isnan
from typing import Any
from urllib.request import urlopen

import pytest
from aiohttp import web

from slipway.controller import prometheus
from slipway.controller.http import client
from slipway.core.observed.evidence import Reading
from testbed.operating import until
from testbed.plane import free_port
from testbed.prometheus import find
from testbed.shell import spawn
from tests.controller.loopback import Answering, hangs_up, never, says, serving


def result(kind: str, *values: Any) -> str:
    return json.dumps({"status": "success", "data": {"resultType": kind, "result": values}})


def series(value: str, **labels: str) -> dict[str, Any]:
    return {"metric": labels, "value": [1767600000.5, value]}


async def reading(answer: Answering) -> Reading:
    async with serving(answer, free_port()) as address, client() as session:
        return await prometheus.instant_query(session, address, "up")


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (result("vector", series("0.25")), 0.25),
        (result("vector", series("+Inf", a="b")), float("inf")),
        (result("scalar", 1767600000.5, "7"), 7),
    ],
)
async def test_one_number_is_read(body: str, value: float) -> None:
    assert await reading(says(body)) == Reading(value=value)


async def test_a_nan_is_read_as_it_is() -> None:
    outcome = await reading(says(result("vector", series("NaN"))))
    assert outcome.value is not None
    assert isnan(outcome.value)


BAD = json.dumps({"status": "error", "errorType": "bad_data", "error": "parse error: unexpected )" + "." * 500})


@pytest.mark.parametrize(
    ("answer", "says_so"),
    [
        (says(result("vector")), "gives no series"),
        (says(result("vector", series("1", a="x"), series("2", a="y"))), "gives 2 series: make it one"),
        (says(result("string", 1767600000.5, "text")), "the query gives text"),
        (says(result("matrix", {"metric": {}, "values": []})), "the query gives a range of values"),
        (says(result("vector", series("many"))), "does not answer as a Prometheus does (HTTP 200)"),
        (says(BAD, 400), "Prometheus refuses the query (bad_data): parse error: unexpected )"),
        (says("secret page", 200), "does not answer as a Prometheus does (HTTP 200)"),
        (says("[]", 200), "does not answer as a Prometheus does (HTTP 200)"),
        (says("secret page", 503), "does not answer as a Prometheus does (HTTP 503)"),
        (says("", 302, Location="http://169.254.169.254/"), "does not answer as a Prometheus does (HTTP 302)"),
        (says("x" * 70_000), "too many series"),
        (hangs_up, "cannot be reached"),
    ],
)
async def test_everything_else_is_said_in_words(answer: Answering, says_so: str) -> None:
    outcome = await reading(answer)
    assert outcome.value is None
    assert says_so in outcome.trouble
    assert "secret" not in outcome.trouble
    assert len(outcome.trouble) < 300


def answers_raw(first: bytes) -> Answering:
    """What is no HTTP at all."""

    async def answer(request: web.Request) -> web.StreamResponse:
        transport = request.transport
        assert transport
        transport.write(first)
        transport.close()
        return web.Response()

    return answer


SECRET = "dbpassword=hunter2"


@pytest.mark.parametrize(
    "answer",
    [
        answers_raw(f"{SECRET}\r\n".encode()),
        answers_raw(f"HTTP/1.1 200 OK\r\n{SECRET}\r\n\r\n".encode()),
        answers_raw(f"HTTP/1.1 {SECRET} OK\r\n\r\n".encode()),
        answers_raw(f"HTTP/1.1 200 OK\r\nContent-Length: {SECRET}\r\n\r\n".encode()),
        says(SECRET),
        says(json.dumps({"status": "error", "errorType": SECRET, "error": SECRET})),
        says(json.dumps({"status": "error", "errorType": "internal", "error": SECRET}), 500),
        says(json.dumps({"status": "success", "data": {"resultType": SECRET, "result": []}})),
        says(json.dumps({"status": SECRET})),
    ],
)
async def test_nothing_of_what_listens_there_is_repeated(answer: Answering) -> None:
    outcome = await reading(answer)
    assert outcome.value is None
    assert outcome.trouble
    assert "hunter2" not in outcome.trouble


async def test_a_prometheus_that_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prometheus, "TIMEOUT_SECONDS", 0.05)
    assert (await reading(never)).trouble == "Prometheus gave no answer within 0.05 s"


# Port 1 is nobody's: one that is found free at random would give each worker of a run another test.
@pytest.mark.parametrize("address", ["http://127.0.0.1:1", "http://nowhere.invalid", "http://a:99999999"])
async def test_a_prometheus_that_is_not_there_cannot_be_reached(address: str) -> None:
    async with client() as session:
        outcome = await prometheus.instant_query(session, address, "up")
    assert outcome.value is None
    assert outcome.trouble.startswith("Prometheus cannot be reached: ")


async def test_the_query_is_sent_whole_and_below_the_addresss_path() -> None:
    asked: list[tuple[str, str]] = []

    async def remember(request: web.Request) -> web.StreamResponse:
        asked.append((request.path, request.query["query"]))
        return web.Response(text=result("vector", series("1")))

    query = 'sum(rate(x{pod=~"churn-1.+",a!="ü&b"}[1m])) / 2'
    async with serving(remember, free_port()) as address, client() as session:
        await prometheus.instant_query(session, f"{address}/select/0/", query)
    assert asked == [("/select/0/api/v1/query", query)]


# -- a real one


def ready(port: int) -> bool:
    with suppress(OSError), urlopen(f"http://127.0.0.1:{port}/-/ready", timeout=5):
        return True
    return False


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Prometheus that scrapes nothing, for queries that need no data."""
    folder, port = tmp_path_factory.mktemp("prometheus"), free_port()
    (folder / "prometheus.yaml").write_text("{}")
    options = {
        "config.file": folder / "prometheus.yaml",
        "storage.tsdb.path": folder / "data",
        "web.listen-address": f"127.0.0.1:{port}",
    }
    process = spawn([find("prometheus"), *(f"--{name}={value}" for name, value in options.items())], folder / "log")
    until("Prometheus is ready", lambda: ready(port), 30)
    yield f"http://127.0.0.1:{port}"
    process.terminate()
    process.wait(20)


@pytest.mark.parametrize(
    ("query", "value", "trouble"),
    [
        ("vector(0.5)", 0.5, ""),
        ("41 + 1", 42, ""),
        ("vector(1) / 0", float("inf"), ""),
        ("up", None, "the query gives no series"),
        ('label_replace(vector(1), "a", "x", "", "") or vector(2)', None, "the query gives 2 series"),
        ('"words"', None, "the query gives text"),
        ("vector(1)[5m:1m]", None, "the query gives a range of values"),
        ("sum(", None, "Prometheus refuses the query (bad_data): invalid parameter"),
    ],
)
async def test_a_real_prometheus_is_understood(real: str, query: str, value: float | None, trouble: str) -> None:
    async with client() as session:
        outcome = await prometheus.instant_query(session, real, query)
    assert outcome.value == value
    assert trouble in outcome.trouble
