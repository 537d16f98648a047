"""The server's process, and every process that it leaves behind.

Triton's Python backend runs each instance in a process of its own (a stub). Stubs outlive a server that dies and ignore
SIGTERM; as PID 1 they become ours, to be reaped and, at the end, killed.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Sequence

from . import allowed
from .output import Output
from .settings import REPOSITORY
from .verdict import SPEC_INVALID, Verdict

_PR_SET_CHILD_SUBREAPER = 36
_HOME = Path("/opt/tritonserver")

# Taken from the kernel one at a time by `main`, so no handler ever runs in the middle of something.
SIGNALS = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGUSR1})


def binary() -> str:
    """The server's program: on PATH in our image, at a known place in NVIDIA's; a verdict for an image without one."""
    path = shutil.which("tritonserver") or shutil.which(_HOME / "bin" / "tritonserver")
    if path is None:
        raise Verdict(SPEC_INVALID, f"server.image: no tritonserver on PATH or in {_HOME}/bin; use a Triton image")
    return str(path)


def help_text() -> str:
    """What `tritonserver --help` prints."""
    done = subprocess.run(
        [binary(), "--help"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, check=False
    )
    return done.stdout.decode("utf-8", "replace")


def backends(arguments: Sequence[str]) -> list[str]:
    """The backends that the image has."""
    place = _HOME / "backends"
    for index, argument in enumerate(arguments):
        if argument.startswith("--backend-directory="):
            place = Path(argument.split("=", 1)[1])
        elif argument == "--backend-directory" and index + 1 < len(arguments):
            place = Path(arguments[index + 1])
    return sorted(entry.name for entry in place.iterdir() if entry.is_dir()) if place.is_dir() else []


def clear(directory: Path) -> None:
    """Empty a directory: regions of a crashed server stay in /dev/shm, which outlives the container (#7481)."""
    for entry in directory.iterdir() if directory.is_dir() else ():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            entry.unlink()


def parts_of(root: Path, model: str) -> list[str]:
    """The models that the fetcher laid out beside the one that clients ask: the server loads them all."""
    repository = root / REPOSITORY
    there = [entry.name for entry in repository.iterdir() if entry.is_dir()] if repository.is_dir() else []
    return sorted(name for name in there if name != model and not name.startswith("."))


class Server:
    """A running tritonserver."""

    def __init__(self, arguments: Sequence[str], output: Output) -> None:
        # With a shared process namespace, or without a container, the guard is not PID 1: adopt orphans all the same.
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        self._output = output
        self._process = subprocess.Popen(
            [binary(), *arguments],
            env=allowed.without_other_doors(dict(os.environ)),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            # The guard holds its signals back; the server must not inherit that.
            preexec_fn=_take_signals,  # noqa: PLW1509 - no thread runs yet
        )
        assert self._process.stdout is not None
        output.follow(self._process.stdout)
        self.exit: int | None = None
        """How it ended: an exit code, or a signal's number, negative."""

    def reap(self) -> None:
        """Collect every child that has ended, the server or a stub that it left to us."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self._process.pid:
                self.exit = -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
                self._process.returncode = self.exit

    def ask_to_stop(self) -> None:
        """SIGTERM: Triton finishes what is in flight, for as long as its exit timeout says."""
        if self.exit is None:
            self._process.send_signal(signal.SIGTERM)

    def end(self, timeout_seconds: float = 5.0) -> None:
        """Kill the server and its stubs, collect them, and hear their last words."""
        deadline = time.monotonic() + timeout_seconds
        while self._kill_all() and time.monotonic() < deadline:
            self.reap()
            time.sleep(0.01)
        self.reap()
        self._output.finish(2.0)

    def _kill_all(self) -> bool:
        """Whether there was anybody left to kill."""
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            return False
        return True


def _take_signals() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
