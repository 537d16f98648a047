"""Running other programs, and saying what went wrong when they fail."""

import fcntl
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CACHE = Path(os.environ.get("SLIPWAY_CACHE") or Path.home() / ".cache" / "slipway")
TAIL_LINES = 20


class CommandError(Exception):
    """A program ended with an error; the message holds its last lines."""


def run(
    *argv: str | Path,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: str | None = None,
    check: bool = True,
) -> str:
    """Run a program to its end and return what it printed. `env` is added to the environment."""
    done = subprocess.run(
        [str(part) for part in argv],
        cwd=cwd,
        env={**os.environ, **(env or {})},
        input=stdin,
        capture_output=True,
        check=False,
        text=True,
        errors="replace",
    )
    if check and done.returncode:
        raise CommandError(_told(argv, done.returncode, done.stderr or done.stdout))
    return done.stdout


def follow(argv: Sequence[str | Path], on_line: Callable[[str], None], cwd: Path, env: Mapping[str, str]) -> None:
    """Run a program and hand each line it prints (both streams) to `on_line` as it comes."""
    kept: list[str] = []
    with subprocess.Popen(
        [str(part) for part in argv],
        cwd=cwd,
        env={**os.environ, **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        assert process.stdout
        for line in process.stdout:
            kept = [*kept[-TAIL_LINES:], line]
            on_line(line.rstrip())
    if process.returncode:
        raise CommandError(_told(argv, process.returncode, "".join(kept)))


def spawn(argv: Sequence[str | Path], log: Path, env: Mapping[str, str] | None = None) -> "subprocess.Popen[bytes]":
    """Start a program in a session of its own, in the folder of its log, and come back at once."""
    # It must not outlive a test run that was killed.
    bound = ["setpriv", "--pdeathsig=KILL"] if shutil.which("setpriv") else []
    with log.open("ab") as said:
        return subprocess.Popen(
            [*bound, *(str(part) for part in argv)],
            stdout=said,
            stderr=said,
            cwd=log.parent,
            env={**os.environ, **(env or {})},
            start_new_session=True,
        )


def pipe(source: Sequence[str | Path], sink: Sequence[str | Path]) -> None:
    """Run `source | sink`."""
    with subprocess.Popen([str(part) for part in source], stdout=subprocess.PIPE) as producer:
        done = subprocess.run([str(part) for part in sink], stdin=producer.stdout, capture_output=True, check=False)
    for argv, code in ((sink, done.returncode), (source, producer.returncode)):
        if code:
            raise CommandError(_told(argv, code, done.stderr.decode(errors="replace")))


def works(*argv: str | Path, env: Mapping[str, str] | None = None) -> bool:
    """Whether the program exists and ends well."""
    try:
        run(*argv, env=env)
    except (CommandError, OSError):
        return False
    return True


@contextmanager
def locked(target: Path) -> Iterator[None]:
    """Let one process at a time make `target`, a path or the like of one."""
    # Not beside it: kubectl and kind have a lock file of their own beside a kubeconfig.
    file = CACHE / "locks" / target.name
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _told(argv: Sequence[str | Path], code: int, output: str) -> str:
    plain = re.sub(r"\x1b\[[0-9;]*m", "", output)
    tail = "\n".join(plain.strip().splitlines()[-TAIL_LINES:])
    return f"`{' '.join(str(part) for part in argv)}` ended with {code}:\n{tail}"
