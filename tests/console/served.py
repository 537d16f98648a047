"""The console as a process, as a person starts it."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import httpx

from testbed.tools import find


@dataclass(frozen=True)
class Served:
    """A console, by the address that it printed."""

    address: str
    pid: int

    @property
    def origin(self) -> str:
        """As its pages have it."""
        return self.address.partition("/?")[0]

    @cached_property
    def root(self) -> str:
        """In front of the addresses of its pages, as it says to whoever has the key."""
        return self.origin + entered(httpx.get(self.address).text)

    @contextmanager
    def client(self) -> Iterator[httpx.Client]:
        """A browser that has opened the address."""
        with httpx.Client(base_url=self.root, follow_redirects=True, timeout=20) as client:
            assert client.get(self.address).status_code == 200
            yield client


def entered(page: str) -> str:
    """Where the page leads to that whoever shows the key is given; without its last slash."""
    (found,) = re.findall('<a href="(/[^"]+)/">', page)
    return str(found)


@contextmanager
def console(
    kubeconfig: Path,
    namespace: str,
    browser: Path | None = None,
    kubectl: Path | None = None,
    also_in: tuple[str, ...] = (),
) -> Iterator[Served]:
    """`slipway console`, until the end of the block. `browser`: a program that it is to start as one. `kubectl`: a
    folder with another one. `also_in`: further namespaces."""
    program = [sys.executable, "-c", "from slipway.program import main; main()", "console"]
    path = f"{kubectl or find('kubectl').parent}{os.pathsep}{os.environ['PATH']}"
    process = subprocess.Popen(
        [
            *program,
            *([] if browser else ["--no-browser"]),
            f"--namespace={namespace}",
            f"--kubeconfig={kubeconfig}",
            *(f"--also-in={each}" for each in also_in),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PATH": path, **({"BROWSER": f"{browser} %s"} if browser else {})},
    )
    try:
        assert process.stdout is not None
        assert process.stderr is not None
        address = process.stdout.readline().strip()
        assert address, process.stderr.read()
        yield Served(address, process.pid)
    finally:
        process.terminate()
        process.wait(20)


def until(holds: Callable[[], object], seconds: float = 20) -> None:
    """Wait for it."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.05)
