"""A model's container without a container: the guard as its zipapp, with its roots and ports moved."""

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from slipway.fetch import layout
from slipway.guard import archive
from slipway.guard.protocol import Client
from slipway.guard.tensors import Tensor
from testbed.plane import free_port
from tests.triton.installation import Installation

PATIENCE_SECONDS = 30.0


def free_ports() -> tuple[int, int, int]:
    return free_port(), free_port(), free_port()


@dataclass
class Container:
    """One start of a server's container."""

    root: Path
    installation: Installation
    ports: tuple[int, int, int] = field(default_factory=free_ports)
    guard_port: int = field(default_factory=free_port)
    load_port: int = field(default_factory=free_port)
    model: str = "m"
    process: subprocess.Popen[bytes] | None = None

    @property
    def repository(self) -> Path:
        return self.root / "slipway" / "repository"

    @property
    def verified(self) -> Path:
        return self.root / "tmp" / "slipway-verified"

    @property
    def log(self) -> str:
        file = self.root / "log"
        return file.read_text(errors="replace") if file.exists() else ""

    @property
    def client(self) -> Client:
        return Client(self.ports[0], self.model)

    def golden(self, *documents: dict[str, Any] | list[dict[str, Any]], of_spec: bool = False, part: str = "") -> None:
        """Lay golden requests where the bundle has them, for the entry model or a part, or the spec; a list is a
        sequence."""
        if of_spec:
            (self.root / "etc" / "golden.json").write_text(json.dumps({"requests": documents}))
            return
        for number, document in enumerate(documents):
            file = self.root / "slipway" / "golden" / layout.place(part) / f"{number}.json"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(document))

    def start(
        self,
        *,
        request_timeout: float = 2,
        startup_timeout: float = 30,
        interval: float = 0,
        args: Sequence[str] = (),
        locked_apis: Sequence[str] = (),
        prefix: Sequence[str] = (),
        **environment: str,
    ) -> None:
        """Start the guard; `prefix` is a command to run it under."""
        told = {
            "model": self.model,
            "modelVersion": "3",
            "requestTimeoutSeconds": request_timeout,
            "startupTimeoutSeconds": startup_timeout,
            "intervalSeconds": interval,
            "gpu": False,
            "serverArgs": [*self.installation.arguments, *args],
            "lockedApis": list(locked_apis),
            "leastServerVersion": "2.40",
        }
        zipapp = self.root / "slipway" / "guard.pyz"
        archive.write(zipapp)
        http, grpc, metrics = map(str, self.ports)
        with (self.root / "log").open("wb") as log:
            self.process = subprocess.Popen(
                [*prefix, str(self.installation.python), str(zipapp)],
                env={
                    **self.installation.environment,
                    "SLIPWAY_GUARD": json.dumps(told),
                    "SLIPWAY_ROOT": str(self.root / "slipway"),
                    "SLIPWAY_CONFIG": str(self.root / "etc"),
                    "SLIPWAY_TERMINATION_LOG": str(self.root / "termination-log"),
                    "SLIPWAY_VERIFIED": str(self.verified),
                    "SLIPWAY_SHARED_MEMORY": str(self.root / "shm"),
                    "SLIPWAY_HTTP_PORT": http,
                    "SLIPWAY_GRPC_PORT": grpc,
                    "SLIPWAY_METRICS_PORT": metrics,
                    "SLIPWAY_GUARD_PORT": str(self.guard_port),
                    "SLIPWAY_LOAD_PORT": str(self.load_port),
                    **environment,
                },
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def until(self, condition: Callable[[], object], seconds: float = PATIENCE_SECONDS) -> None:
        """Wait for a condition; what the container said when it does not come."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"it did not come to that within {seconds} s:\n{self.log}"
            time.sleep(0.02)

    def until_verified(self) -> None:
        self.until(lambda: self.verified.exists() or not self.running)
        assert self.running, self.log

    def until_ended(self, seconds: float = PATIENCE_SECONDS) -> int:
        """The guard's exit code."""
        self.until(lambda: not self.running, seconds)
        assert self.process is not None
        return self.process.returncode

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    @property
    def verdict(self) -> dict[str, str]:
        file = self.root / "termination-log"
        found: dict[str, str] = json.loads(file.read_text()) if file.exists() and file.stat().st_size else {}
        return found

    def stop(self) -> None:
        """What the kubelet does."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)

    def processes(self, name: str) -> list[psutil.Process]:
        """The container's processes of that program."""
        assert self.process is not None
        found = []
        for child in psutil.Process(self.process.pid).children(recursive=True):
            try:
                if child.name().startswith(name):
                    found.append(child)
            except psutil.NoSuchProcess:
                continue
        return found

    def ask(self, x: float = 3.0, timeout_seconds: float = 10.0) -> list[Any]:
        """What the model answers over HTTP."""
        (answer,) = self.client.infer([Tensor("x", "FP32", (1, 1), (x,))], ["y"], timeout_seconds)
        return list(answer.data)

    def remove(self) -> None:
        """Leave no process behind, also when a test has failed."""
        if self.process is None:
            return
        guard = psutil.Process(self.process.pid) if self.running else None
        left = [guard, *guard.children(recursive=True)] if guard else []
        for process in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self.process.wait(PATIENCE_SECONDS)


def container(root: Path, installation: Installation) -> Container:
    """A container that has not been started."""
    for place in ("slipway/repository", "slipway/golden", "etc", "tmp", "shm"):
        (root / place).mkdir(parents=True)
    return Container(root, installation)


def pid_namespace() -> list[str]:
    """A command that makes its child PID 1 of a namespace of its own; empty where this machine does not allow it."""
    command = ["unshare", "--pid", "--fork", "--kill-child"]
    if os.geteuid() != 0:
        command[1:1] = ["--user", "--map-root-user"]
    works = subprocess.run([*command, "true"], check=False, capture_output=True).returncode == 0
    return command if works else []
