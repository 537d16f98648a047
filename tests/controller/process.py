"""The operator as users run it: a process of its own."""

import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from testbed.plane import Plane, free_port


@dataclass
class OperatorProcess:
    """A running `slipway run`."""

    process: subprocess.Popen[bytes]
    health_port: int
    metrics_port: int
    log_path: Path

    def says(self, path: str) -> tuple[int, str]:
        """What /healthz or /readyz answers; 0 while nobody listens."""
        return self._ask(self.health_port, path)

    def metric(self, line_start: str) -> float:
        """The first sample whose line starts so; 0 when there is none."""
        _, text = self._ask(self.metrics_port, "/metrics")
        values = [line.rsplit(" ", 1)[1] for line in text.splitlines() if line.startswith(line_start)]
        return float(values[0]) if values else 0.0

    @property
    def leads(self) -> bool:
        """Whether it holds the Lease and has listed everything."""
        return self.metric("slipway_leading") == 1 and self.says("/readyz")[0] == 200

    def stop(self) -> int:
        """SIGTERM; answers the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)

    def log(self) -> str:
        """All that it logged."""
        return self.log_path.read_text()

    @staticmethod
    def _ask(port: int, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""


@contextmanager
def operator_on(plane: Plane, folder: Path, user: str = "operator", **flags: Any) -> Iterator[OperatorProcess]:
    """Run an operator as that user for as long as the context lasts. Flags by their names, with underscores."""
    health, metrics = free_port(), free_port()
    flags = {
        "fetcher_image": "fetcher:1",
        "server_image": "server:1",
        "log_format": "json",
        "health_port": health,
        "metrics_port": metrics,
    } | flags
    argv = [part for name, value in flags.items() for part in (f"--{name.replace('_', '-')}", str(value))]
    path = folder / f"operator-{health}.log"
    with path.open("wb") as log:
        process = subprocess.Popen(
            [Path(sys.executable).with_name("slipway"), "run", *argv],
            env=os.environ | {"KUBECONFIG": str(plane.kubeconfig(user))},
            stdout=log,
            stderr=log,
        )
    try:
        yield OperatorProcess(process, health, metrics, path)
    finally:
        process.kill()
        process.wait()
