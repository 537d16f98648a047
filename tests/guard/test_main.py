"""What is said of an image without a server, and of a death when the kernel has killed for memory."""

import json
import signal
import time
from pathlib import Path

import pytest

from slipway.guard import memory, server, settings
from slipway.guard.main import Guard
from slipway.guard.protocol import Client
from slipway.guard.verdict import Verdict

TOLD = {
    "model": "m",
    "modelVersion": "3",
    "requestTimeoutSeconds": 30,
    "startupTimeoutSeconds": 600,
    "intervalSeconds": 60,
    "leastServerVersion": "2.51.0",
}


def a_guard(folder: Path) -> Guard:
    environment = {
        "SLIPWAY_GUARD": json.dumps(TOLD),
        "SLIPWAY_ROOT": str(folder),
        "SLIPWAY_CONFIG": str(folder),
        "TRITON_SERVER_VERSION": "2.51.0",
    }
    return Guard(settings.read(environment), environment)


def test_an_image_without_a_server_is_told_as_such(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Verdict) as refused:
        server.binary()
    assert refused.value.reason == "SpecInvalid"
    assert refused.value.message.startswith("server.image: no tritonserver")


@pytest.mark.parametrize(
    ("kills", "reason", "told_as"),
    [
        (2, "CrashLoop", "OutOfMemory"),
        (2, "BackendDead", "OutOfMemory"),
        (2, "WrongAnswer", "WrongAnswer"),
        (1, "CrashLoop", "CrashLoop"),
    ],
)
def test_a_process_killed_for_memory_since_the_start_is_told_as_that(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kills: int, reason: str, told_as: str
) -> None:
    monkeypatch.setattr(memory, "kills", lambda: 1)
    guard = a_guard(tmp_path)
    monkeypatch.setattr(memory, "kills", lambda: kills)
    found = guard._for_memory(Verdict(reason, "the words"))
    assert found.reason == told_as
    assert found.message.endswith("the words")


def test_out_of_memory_while_it_serves_names_the_request_as_a_cause(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(memory, "kills", lambda: 0)
    guard = a_guard(tmp_path)
    monkeypatch.setattr(memory, "kills", lambda: 1)
    guard._verified = True
    found = guard._for_memory(Verdict("CrashLoop", "the words"))
    assert found.message == (
        "the kernel killed a process for memory (one request can do it, as JSON takes many times its size in memory "
        "and Triton 2.51.0 limits no body: limit it at the gateway (traffic.maxRequestSize), or use Triton 2.59 or "
        "later; where all requests are of a usual size, raise resources.limits): the words"
    )


def test_a_fault_of_the_guard_itself_ends_the_container_and_is_no_wrong_answer(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fail(*_: object) -> bool:
        raise RuntimeError("our own")

    monkeypatch.setattr(Client, "live", fail)
    monkeypatch.setattr(signal, "pthread_kill", lambda *_: None)
    guard = a_guard(tmp_path)
    guard._prove(time.monotonic() + 5, [])
    verdict = guard._verdicts.get(timeout=1)
    assert verdict.reason == "CrashLoop"
    assert verdict.message == "the guard itself failed: RuntimeError('our own'); its log has the trace"
