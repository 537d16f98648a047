"""A thin hand on kubectl: text or JSON out, its own words when it refuses."""

import json
import re
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from testbed.shell import CommandError, run
from testbed.tools import find


@dataclass(frozen=True)
class Kubectl:
    """kubectl as one user of one cluster."""

    kubeconfig: Path
    namespace: str = ""

    def __call__(self, *argv: str | Path, stdin: str | None = None, check: bool = True) -> str:
        """Run kubectl; raises `CommandError` with what it said on an error."""
        scope = ["--namespace", self.namespace] if self.namespace else []
        return run(find("kubectl"), f"--kubeconfig={self.kubeconfig}", *scope, *argv, stdin=stdin, check=check)

    def json(self, *argv: str | Path) -> Any:
        """What kubectl prints with `-o json`, read."""
        return json.loads(self(*argv, "-o", "json"))

    def apply(self, *objects: dict[str, Any]) -> None:
        """Server-side apply of objects given as plain data."""
        self("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=_listed(objects))

    def delete(self, *objects: dict[str, Any]) -> None:
        """Delete objects given as plain data, all by one command, and wait until they are gone."""
        self("delete", "-f", "-", stdin=_listed(objects))

    def until_established(self, *crds: str, seconds: float = 60) -> None:
        """Wait until CRDs are served, given as arguments of `kubectl wait`."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                self("wait", "--for=condition=Established", f"--timeout={seconds:g}s", *crds)
            except CommandError:  # of one so new that it has no conditions yet, at once
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)
            else:
                return

    @contextmanager
    def forward(self, target: str, *ports: int) -> Iterator[dict[int, int]]:
        """Reach ports of a service or pod from this machine: yields the local port of each."""
        with self.start("port-forward", target, *(f":{port}" for port in ports)) as process:
            try:
                yield _forwarded(process, len(ports))
            finally:
                process.terminate()

    def start(self, *argv: str) -> "subprocess.Popen[str]":
        """Start kubectl, and leave it to whoever asked to read what it says and to end it."""
        scope = ["--namespace", self.namespace] if self.namespace else []
        return subprocess.Popen(
            [str(find("kubectl")), f"--kubeconfig={self.kubeconfig}", *scope, *argv],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    def within(self, namespace: str) -> "Kubectl":
        """The same user in a namespace."""
        return Kubectl(self.kubeconfig, namespace)


def _listed(objects: Iterable[dict[str, Any]]) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})


def _forwarded(process: subprocess.Popen[str], expected: int) -> dict[int, int]:
    """Read `Forwarding from 127.0.0.1:40123 -> 8000`, one line a port."""
    found: dict[int, int] = {}
    said = []
    assert process.stdout
    for line in process.stdout:
        said.append(line)
        if match := re.match(r"Forwarding from 127\.0\.0\.1:(\d+) -> (\d+)", line):
            found[int(match[2])] = int(match[1])
        if len(found) == expected:
            return found
    raise CommandError(f"kubectl port-forward: {''.join(said).strip()}")
