"""A run in the background, driven by short commands: a stream into a pod may break when the machine is busy.

`python -m load.background start FOLDER ARGUMENTS…` comes back when each protocol had its first right answer; the
arguments are those of `python -m load`, but for `--out`, `--begun` and `--duration`. `look FOLDER` prints the report
of the last ten seconds, `end FOLDER` ends the run and prints its report.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from load.words import printable_lines

PATIENCE_SECONDS: Final = 60.0
POLL_SECONDS: Final = 0.05


def start(folder: Path, *arguments: str) -> None:
    """Begin a run."""
    folder.mkdir(parents=True)
    files = (f"--out={_report(folder)}", f"--begun={folder / 'begun'}")
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "load", *arguments, *files],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    (folder / "pid").write_text(str(process.pid))
    _wait_for(folder / "begun", lambda: process.poll() is None)


def look(folder: Path) -> None:
    """Print the report of the last seconds."""
    _told(folder, signal.SIGUSR1)


def end(folder: Path) -> None:
    """End the run and print its report; whoever did not hear it may ask again."""
    ended = folder / "ended"
    if ended.exists():
        print(ended.read_text())
        return
    _told(folder, signal.SIGTERM)
    _report(folder).rename(ended)


def _told(folder: Path, number: signal.Signals) -> None:
    _report(folder).unlink(missing_ok=True)
    os.kill(int((folder / "pid").read_text()), number)
    _wait_for(_report(folder), lambda: True)
    print(_report(folder).read_text())


def _report(folder: Path) -> Path:
    return folder / "report.json"


def _wait_for(file: Path, alive: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not file.exists():
        if time.monotonic() > deadline or not alive():
            sys.exit(f"there is no {file.name}: {printable_lines((file.parent / 'log').read_text())}")
        time.sleep(POLL_SECONDS)


COMMANDS: Final[dict[str, Callable[..., None]]] = {"start": start, "look": look, "end": end}

if __name__ == "__main__":
    COMMANDS[sys.argv[1]](Path(sys.argv[2]), *sys.argv[3:])
