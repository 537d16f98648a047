"""The operator as a process of its own, started as its image starts it, against a control plane of the testbed."""

import itertools
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

from prometheus_client.parser import text_string_to_metric_families

from testbed.plane import TICK, Plane, free_port
from testbed.shell import CommandError, spawn

_SERIAL = itertools.count(1)
END_SECONDS = 15
IMAGE_ENV = {"MALLOC_MMAP_THRESHOLD_": "131072"}
"""Of what `images/operator/Dockerfile` sets, what matters for a process that is not in that image."""


class OperatorProcess:
    """`slipway run`, killable at will. `namespaces` empty: all of them."""

    def __init__(
        self,
        plane: Plane,
        *,
        namespaces: Sequence[str] = (),
        user: str = "operator",
        resync_seconds: float = 300,
        lease: str = "",
        lease_namespace: str = "default",
        program: Sequence[str | Path] | None = None,
    ) -> None:
        serial = next(_SERIAL)
        self._plane, self._user = plane, user
        self.log_path = plane.dir / f"slipway-{serial}.log"
        self._health, self._metrics = free_port(), free_port()
        self._argv = [
            *(program or [Path(sys.executable).with_name("slipway")]),
            "run",
            "--fetcher-image=testbed/fetcher",
            "--server-image=testbed/server",
            f"--namespaces={','.join(namespaces)}",
            f"--lease-namespace={lease_namespace}",
            f"--lease-name={lease or f'slipway-{serial}'}",
            f"--resync-seconds={resync_seconds}",
            f"--health-port={self._health}",
            f"--metrics-port={self._metrics}",
        ]
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> Self:
        """Start it and come back at once."""
        kubeconfig = str(self._plane.kubeconfig(self._user))
        self._process = spawn(self._argv, self.log_path, env={**IMAGE_ENV, "KUBECONFIG": kubeconfig})
        return self

    def stop(self) -> int | None:
        """End it as Kubernetes does. Answers its exit code."""
        if self._process is None:
            return None
        self._process.terminate()
        try:
            return self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()
        finally:
            self._process = None

    def kill(self) -> None:
        """End it as a power cut does."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    def ended(self) -> int | None:
        """Its exit code once it has ended."""
        return self._process.poll() if self._process else None

    @property
    def pid(self) -> int:
        """Of the running process."""
        if self._process is None:
            raise CommandError("the operator does not run")
        return self._process.pid

    def log(self) -> str:
        """All that it has said, in all its lives."""
        return self.log_path.read_text(errors="replace")

    def says(self, path: str) -> tuple[int, str]:
        """What /healthz or /readyz answers; 0 while nobody listens."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._health}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def ready(self) -> bool:
        """Whether it says that it is ready, and counts."""
        try:
            return self.says("/readyz")[0] == 200 and bool(self.scrape())
        except OSError:
            return False

    def leads(self) -> bool:
        """Whether it holds the Lease and has listed everything."""
        # One that stands by is ready as well, and may begin to lead between two questions.
        return self.ready() and self.total("slipway_leading") == 1 and self.ready()

    def scrape(self) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
        """Its metrics: value by (name, labels)."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self._metrics}/metrics", timeout=10) as answer:
            text = answer.read().decode()
        return {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def total(self, name: str, **labels: str) -> float:
        """The sum of a metric over all series that have these labels."""
        return sum(
            value
            for (found, given), value in self.scrape().items()
            if found == name and labels.items() <= dict(given).items()
        )

    def cpu_seconds(self) -> float:
        """CPU time, user and system, that it has used so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICK

    def memory_mib(self, *, peak: bool = False) -> float:
        """Resident memory, now or at its highest."""
        field = "VmHWM:" if peak else "VmRSS:"
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith(field)).split()[1]) / 1024


def until(what: str, holds: Callable[[], object], seconds: float, poll_seconds: float = 0.1) -> None:
    """Wait until something holds; AssertionError with what was wanted when it does not in time."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:.0f} s: {what}")
        time.sleep(poll_seconds)
