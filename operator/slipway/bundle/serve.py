"""A bundle in the real Triton, when one is at hand: loaded by the guard, as in a pod, and asked its golden requests.

Then, if that is wanted, asked batch after batch: what it takes to serve it, here.
"""

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
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from slipway.bundle import throughput
from slipway.bundle.check import MODEL
from slipway.bundle.errors import BundleError
from slipway.bundle.memory import Memory, memory_of
from slipway.bundle.throughput import Load, Throughput
from slipway.guard.protocol import Client

_POLL_SECONDS: Final = 0.05
_STOP_SECONDS: Final = 30.0


@dataclass(frozen=True, kw_only=True)
class Served:
    """What the server did with the bundle."""

    loaded: float
    """Seconds from the server's start until it had the model."""
    seconds: float
    """From the server's start to its last right answer."""
    memory: Memory
    """What server and backends held then."""
    said: str
    throughput: Sequence[Throughput] = ()
    unmeasured: str | None = None
    """Why there is no throughput."""
    after: Memory | None = None
    """What they held after the load."""

    def document(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "loaded": round(self.loaded, 2),
            "seconds": round(self.seconds, 2),
            "memory": self.memory.all,
            "sharedMemory": self.memory.shared,
            "memoryAfter": self.after.all if self.after else None,
            "said": self.said,
            "throughput": [each.document() for each in self.throughput],
            "unmeasured": self.unmeasured,
        }


@dataclass(frozen=True, kw_only=True)
class Running:
    """A server that has answered its golden requests and goes on."""

    model: str
    http_port: int
    grpc_port: int
    pid: int
    """The guard's, whose child the server is."""
    loaded: float
    seconds: float
    said: str


def serve(
    root: Path,
    *,
    timeout_seconds: float,
    least_version: str | None = None,
    arguments: Sequence[str] = (),
    environment: Mapping[str, str] = os.environ,
    load: Load | None = None,
) -> Served:
    """Have the guard start the server over a laid-out volume, and wait for its verdict; BundleError with its words.

    With a `load` it is asked batch after batch then.
    """
    started = running(
        root, timeout_seconds=timeout_seconds, least_version=least_version, arguments=arguments, environment=environment
    )
    with started as server:
        served = Served(loaded=server.loaded, seconds=server.seconds, memory=memory_of(server.pid), said=server.said)
        if load is None:
            return served
        if why := throughput.cannot(root, server.model):
            return replace(served, unmeasured=why)
        measured = throughput.measure(root, server.http_port, server.model, load)
        return replace(served, throughput=measured, after=memory_of(server.pid))


@contextmanager
def running(
    root: Path,
    *,
    model: str = MODEL,
    timeout_seconds: float,
    least_version: str | None = None,
    arguments: Sequence[str] = (),
    environment: Mapping[str, str] = os.environ,
) -> Iterator[Running]:
    """The server over a laid-out volume, from its golden requests on; BundleError with the guard's words."""
    if not shutil.which("tritonserver", path=environment.get("PATH")):
        raise BundleError("tritonserver: not on PATH; run this in Triton's image, or leave out --serve")
    begun = time.monotonic()
    verified, log = root / "verified", root / "log"
    asked = {"model": model, "startupTimeoutSeconds": timeout_seconds, "serverArgs": list(arguments)}
    if least_version is not None:
        asked["leastServerVersion"] = least_version
    http, grpc, metrics, guards = _free_ports()
    ports = {"HTTP": http, "GRPC": grpc, "METRICS": metrics, "GUARD": guards}
    client, loaded = Client(http, model), None
    with _guard(root, log, _environment(root, asked, ports, environment)) as guard:
        while not verified.exists():
            if guard.poll() is not None:
                raise BundleError(_verdict(root, log))
            if loaded is None and client.model_ready(_POLL_SECONDS):
                loaded = time.monotonic() - begun
            time.sleep(_POLL_SECONDS)
        seconds = time.monotonic() - begun
        yield Running(
            model=model,
            http_port=http,
            grpc_port=grpc,
            pid=guard.pid,
            loaded=loaded or seconds,
            seconds=seconds,
            said=verified.read_text().strip(),
        )


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


def _environment(
    root: Path, asked: Mapping[str, Any], ports: Mapping[str, int], outer: Mapping[str, str]
) -> dict[str, str]:
    settings = {"modelVersion": "checked", "requestTimeoutSeconds": 30, "intervalSeconds": 0, "gpu": False, **asked}
    (root / "shm").mkdir()
    return {
        **outer,
        "SLIPWAY_GUARD": json.dumps(settings),
        "SLIPWAY_ROOT": str(root),
        "SLIPWAY_CONFIG": str(root / "config"),
        "SLIPWAY_TERMINATION_LOG": str(root / "termination-log"),
        "SLIPWAY_VERIFIED": str(root / "verified"),
        "SLIPWAY_SHARED_MEMORY": str(root / "shm"),
        **{f"SLIPWAY_{name}_PORT": str(port) for name, port in ports.items()},
    }


def _free_ports() -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(4)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _verdict(root: Path, log: Path) -> str:
    file = root / "termination-log"
    if file.is_file() and (text := file.read_text()):
        verdict = json.loads(text)
        return f"{verdict['reason']}: {verdict['message']}"
    return f"the server ended without a verdict; its last words: {log.read_text(errors='replace')[-400:]}"
