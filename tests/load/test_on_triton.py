"""The generator against a real server: it counts what is answered, what is wrong, and what fails."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from load.answers import Answers
from load.generator import Load, Plan
from load.probe import answers_per_second
from load.question import Question
from load.report import Report
from tests.guard.pod import Container
from tests.triton import models

pytestmark = pytest.mark.triton
RATE = 50.0
PATIENCE_SECONDS = 20.0


@pytest.fixture
def model(pod: Container) -> Path:
    """A model that takes orders, served."""
    made = models.obedient(pod.repository)
    pod.start()
    pod.until_verified()
    return made


def plan(pod: Container, *, rate: float = RATE, timeout_seconds: float = 10) -> Plan:
    http, grpc, _ = pod.ports
    return Plan(
        question=Question.of("m", models.golden()),
        answers=Answers.parse(["v1=7", "v2=13"]),
        http=f"http://127.0.0.1:{http}",
        grpc=f"127.0.0.1:{grpc}",
        rate=rate,
        timeout_seconds=timeout_seconds,
    )


@asynccontextmanager
async def running(asked: Plan, reports: list[Report]) -> AsyncIterator[Load]:
    """A run that ends with the block; its report is put into the list."""
    begun, ended = asyncio.Event(), asyncio.Event()
    load = Load(asked, when_answered=begun.set)
    run = asyncio.create_task(load.run(ended))
    await asyncio.wait_for(begun.wait(), PATIENCE_SECONDS)
    try:
        yield load
    finally:
        ended.set()
        reports.append(await run)


async def until(load: Load, what: Callable[[Report], object]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not what(load.report):  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_a_switch_of_answers_is_seen_by_both_protocols_and_a_third_answer_is_wrong(
    pod: Container, model: Path
) -> None:
    reports: list[Report] = []
    async with running(plan(pod), reports) as load:
        await until(load, lambda report: report.total().counts["v1"] >= 50)
        models.order(model, wrong_by=6)
        await until(load, lambda report: report.total().counts.get("v2", 0) >= 50)
        assert load.report.switched("v1", "v2")
        models.order(model, wrong_by=1)
        await until(load, lambda report: report.total().wrong.total() >= 10)
    (report,) = reports
    for protocol in ("http", "grpc"):
        whole = report.total(protocol)
        assert set(whole.counts) == {"v1", "v2"}, protocol
        assert set(whole.wrong) == {"[8.0]"}, protocol
        assert not whole.failed, protocol
        assert whole.sent == pytest.approx(report.seconds * RATE, rel=0.1), protocol
    assert not report.switched("v1", "v2")


async def test_a_server_that_is_killed_shows_as_failures_of_both_protocols(pod: Container, model: Path) -> None:
    reports: list[Report] = []
    async with running(plan(pod, timeout_seconds=1), reports) as load:
        await until(load, lambda report: report.total().counts["v1"] >= 50)
        (server,) = pod.processes("tritonserver")
        server.kill()
        await until(load, lambda report: all(report.total(each).failed.total() >= 20 for each in ("http", "grpc")))
    (report,) = reports
    assert report.total("http").failed["connect"] >= 10
    assert report.total("grpc").failed["grpc UNAVAILABLE"] >= 10
    assert report.total().counts["v1"] >= 50
    assert any("grpc UNAVAILABLE" in words for words in report.failures)


async def test_a_server_that_stops_for_a_second_shows_as_a_second_and_not_as_one_slow_request(
    pod: Container, model: Path
) -> None:
    reports: list[Report] = []
    async with running(plan(pod), reports) as load:
        await until(load, lambda report: report.total().counts["v1"] >= 50)
        (server,) = pod.processes("tritonserver")
        server.suspend()
        await asyncio.sleep(0)
        stopped = load.report.seconds
        await until(load, lambda report: report.seconds >= stopped + 1)
        server.resume()
        await until(load, lambda report: report.total().sent >= 2 * RATE * (stopped + 1))
    slow = [latency for latency in reports[0].total().latencies.elements() if latency > 100_000]
    assert len(slow) >= 2 * RATE * 0.7, "each that was due in that second waited, and counts"
    assert max(slow) >= 900_000
    assert not reports[0].total().failed


async def test_answers_too_late_are_timeouts(pod: Container, model: Path) -> None:
    reports: list[Report] = []
    async with running(plan(pod, timeout_seconds=0.3, rate=10), reports) as load:
        models.order(model, seconds=0.6)
        await until(load, lambda report: all(report.total(each).failed["timeout"] >= 3 for each in ("http", "grpc")))
    assert set(reports[0].total().failed) == {"timeout"}


async def test_a_stream_for_each_request_is_counted_like_any_other(pod: Container, model: Path) -> None:
    streams = replace(plan(pod), http="", grpc="", stream=f"127.0.0.1:{pod.ports[1]}")
    reports: list[Report] = []
    async with running(streams, reports) as load:
        models.order(model, wrong_by=6)
        await until(load, lambda report: report.total().counts.get("v2", 0) >= 20)
    assert set(reports[0].timeline) == {"stream"}
    assert not reports[0].total().failed
    assert not reports[0].total().wrong

    nobody = replace(streams, question=Question.of("nobody", models.golden()), duration_seconds=0.2)
    refused = await Load(nobody).run(asyncio.Event())
    assert refused.total().failed == {"unreadable": 10}
    assert "unknown model" in refused.failures[0]


async def test_the_probe_finds_what_the_model_can_answer(pod: Container, model: Path) -> None:
    models.order(model, seconds=0.02)
    found = await answers_per_second(plan(pod), seconds=1, at_once=4)
    assert 25 <= found <= 60, "one instance that takes 20 ms for each, and its own work"


def test_the_program_runs_in_the_background_is_looked_at_and_ended(pod: Container, model: Path, tmp_path: Path) -> None:
    request, folder = tmp_path / "request.json", tmp_path / "run"
    request.write_text(json.dumps(models.golden()))
    http, grpc, _ = pod.ports
    arguments = [f"--http=http://127.0.0.1:{http}", f"--grpc=127.0.0.1:{grpc}", "--model=m", "--rate=20"]
    _background("start", folder, *arguments, f"--request={request}", "--answers", "v1=7", "v2=13")
    looked = Report.from_json(_background("look", folder))
    ended = Report.from_json(_background("end", folder))
    assert Report.from_json(_background("end", folder)) == ended  # whoever did not hear it may ask again
    assert 0 < looked.total().counts["v1"] <= ended.total().counts["v1"]
    assert (ended.total().failed.total(), ended.rate, set(ended.timeline)) == (0, 20, {"http", "grpc"})


def test_a_run_of_the_program_ends_with_1_when_a_request_failed_and_says_which(pod: Container, tmp_path: Path) -> None:
    request = tmp_path / "request.json"
    request.write_text(json.dumps(models.golden()))
    run = subprocess.run(
        [
            *(sys.executable, "-m", "load", f"--http=http://127.0.0.1:{pod.ports[0]}", "--model=m", "--rate=20"),
            *(f"--request={request}", f"--out={tmp_path / 'report.json'}", "--duration=0.5", "--answers", "v1=7"),
        ],
        check=False,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 1, run.stderr
    assert "http connect" in run.stdout
    assert Report.from_json((tmp_path / "report.json").read_text()).total().failed == {"connect": 10}


def _background(command: str, folder: Path, *arguments: str) -> str:
    whole = [sys.executable, "-m", "load.background", command, str(folder), *arguments]
    return subprocess.run(whole, check=True, capture_output=True, text=True).stdout
