"""What a death is called when the kernel says that it killed for memory."""

import json
from pathlib import Path

import pytest

from slipway.guard import memory, settings
from slipway.guard.main import Guard
from slipway.guard.verdict import Verdict

TOLD = {
    "model": "m",
    "modelVersion": "3",
    "requestTimeoutSeconds": 30,
    "startupTimeoutSeconds": 600,
    "intervalSeconds": 60,
}


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
    environment = {
        "SLIPWAY_GUARD": json.dumps(TOLD),
        "SLIPWAY_ROOT": str(tmp_path),
        "SLIPWAY_CONFIG": str(tmp_path),
        "TRITON_SERVER_VERSION": "2.51.0",
    }
    monkeypatch.setattr(memory, "kills", lambda: 1)
    guard = Guard(settings.read(environment), environment)
    monkeypatch.setattr(memory, "kills", lambda: kills)
    found = guard._for_memory(Verdict(reason, "the words"))
    assert found.reason == told_as
    assert found.message.endswith("the words")
