"""Verdicts: why the container ends, in the container's termination message, from where the operator reads it."""

from __future__ import annotations

import json
from pathlib import Path

# Kubernetes cuts a termination message here, and cut JSON says nothing.
LIMIT_BYTES = 4096

LOAD_FAILED = "LoadFailed"
WRONG_ANSWER = "WrongAnswer"
BACKEND_DEAD = "BackendDead"
DEADLINE_EXCEEDED = "DeadlineExceeded"
CRASH_LOOP = "CrashLoop"
OUT_OF_MEMORY = "OutOfMemory"
SPEC_INVALID = "SpecInvalid"
BUNDLE_INVALID = "BundleInvalid"


class Verdict(Exception):
    """What ends the container: one of the reasons above, and one sentence with the evidence."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


def render(verdict: Verdict) -> bytes:
    """The verdict as JSON that fits a termination message; a long message loses its end."""
    message = verdict.message
    while True:
        text = json.dumps({"reason": verdict.reason, "message": message}, ensure_ascii=False, separators=(",", ":"))
        data = text.encode("utf-8", "replace")
        over = len(data) - LIMIT_BYTES
        if over <= 0:
            return data
        # Characters take one to six bytes here, so this can cut too little, never too much; then it cuts again.
        message = message[: len(message) - max(over // 6, 1) - 1].rstrip() + "…"


def write(verdict: Verdict, path: Path) -> None:
    """Leave the verdict where the kubelet looks for it."""
    path.write_bytes(render(verdict))
