"""A bundle in the real Triton, when one is at hand: loaded by the guard, as in a pod, and asked its golden requests."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from slipway.bundle.check import MODEL
from slipway.bundle.errors import BundleError

_POLL_SECONDS: Final = 0.05
_STOP_SECONDS: Final = 30.0


@dataclass(frozen=True, kw_only=True)
class Served:
    """What the server did with the bundle."""

    seconds: float
    """From the server's start to its last right answer."""
    memory: int
    """Bytes that server and backends hold then."""
    said: str

    def document(self) -> dict[str, Any]:
        """As JSON has it."""
        return {"seconds": round(self.seconds, 2), "memory": self.memory, "said": self.said}


def serve(
    root: Path,
    *,
    timeout_seconds: float,
    least_version: str | None = None,
    arguments: Sequence[str] = (),
    environment: Mapping[str, str] = os.environ,
) -> Served:
    """Start the guard over a laid-out volume and wait for its verdict; BundleError with its words."""
    if not shutil.which("tritonserver", path=environment.get("PATH")):
        raise BundleError("tritonserver: not on PATH; run this in Triton's image, or leave out --serve")
    begun = time.monotonic()
    verified, log = root / "verified", root / "log"
    asked = {"startupTimeoutSeconds": timeout_seconds, "serverArgs": list(arguments)}
    if least_version is not None:
        asked["leastServerVersion"] = least_version
    with _guard(root, log, _environment(root, asked, environment)) as guard:
        while not verified.exists():
            if guard.poll() is not None:
                raise BundleError(_verdict(root, log))
            time.sleep(_POLL_SECONDS)
        return Served(seconds=time.monotonic() - begun, memory=_memory(guard.pid), said=verified.read_text().strip())


@contextmanager
def _guard(root: Path, log: Path, environment: Mapping[str, str]) -> "Iterator[subprocess.Popen[bytes]]":
    with log.open("wb") as output:
        process = subprocess.Popen(
            [shutil.which("python3", path=environment["PATH"]) or sys.executable, str(root / "guard.pyz")],
            env=dict(environment),
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def _environment(root: Path, asked: Mapping[str, Any], outer: Mapping[str, str]) -> dict[str, str]:
    told = {
        "model": MODEL,
        "modelVersion": "checked",
        "requestTimeoutSeconds": 30,
        "intervalSeconds": 0,
        "gpu": False,
        **asked,
    }
    http, grpc, metrics, guard = _free_ports()
    (root / "shm").mkdir()
    return {
        **outer,
        "SLIPWAY_GUARD": json.dumps(told),
        "SLIPWAY_ROOT": str(root),
        "SLIPWAY_CONFIG": str(root / "config"),
        "SLIPWAY_TERMINATION_LOG": str(root / "termination-log"),
        "SLIPWAY_VERIFIED": str(root / "verified"),
        "SLIPWAY_SHARED_MEMORY": str(root / "shm"),
        "SLIPWAY_HTTP_PORT": http,
        "SLIPWAY_GRPC_PORT": grpc,
        "SLIPWAY_METRICS_PORT": metrics,
        "SLIPWAY_GUARD_PORT": guard,
    }


def _free_ports() -> list[str]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(4)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [str(each.getsockname()[1]) for each in sockets]


def _verdict(root: Path, log: Path) -> str:
    told = root / "termination-log"
    if told.is_file() and (text := told.read_text()):
        verdict = json.loads(text)
        return f"{verdict['reason']}: {verdict['message']}"
    return f"the server ended without a verdict; its last words: {log.read_text(errors='replace')[-400:]}"


def _memory(pid: int) -> int:
    """Proportional memory of a process and what it started; 0 where the system does not tell."""
    total = 0
    for each in [pid, *_children(pid)]:
        try:
            lines = Path(f"/proc/{each}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
    return total


def _children(pid: int) -> list[int]:
    found: list[int] = []
    for listed in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, listed.read_text().split()):
            found += [child, *_children(child)]
    return found
