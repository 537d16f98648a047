"""The container engine: the one that answers, or Debian's own, installed and started.

Where it has to be started, it is started with flags alone: nothing is written under /etc/docker. `stop` ends only an
engine that was started here.
"""

import contextlib
import os
import platform
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Final

from testbed import debian
from testbed.say import MissingError, step, working
from testbed.shell import CACHE, ROOT, run, works

FOLDER: Final = CACHE / "engine"
PID_FILE: Final = FOLDER / "dockerd.pid"
START_SECONDS: Final = 60
CAP_SYS_RESOURCE: Final = 1 << 24
REMEDY: Final = "start Docker, or run this as root on Debian, where it is installed and started for you"


def client() -> str:
    """The docker client: the distribution's own stands beside the engine and is of its version."""
    return next(
        (path for path in ("/usr/bin/docker", shutil.which("docker")) if path and Path(path).exists()), "docker"
    )


def docker(*argv: str | Path, check: bool = True) -> str:
    """Run the client and return what it printed."""
    return run(client(), *argv, check=check)


def answers() -> bool:
    """Whether an engine answers."""
    return works(client(), "info")


def ensure() -> None:
    """Have an engine that answers, installed and started where that is possible."""
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        raise MissingError(
            "Linux on x86-64 is needed: programs built here run in containers, and Triton's wheel is for it."
        )
    if answers():
        return
    if not debian.installable():
        raise MissingError(f"No container engine answers: {REMEDY}.")
    debian.have(dockerd="docker.io", iptables="iptables", jq="jq", mmdebstrap="mmdebstrap")
    _start()


def stop() -> None:
    """Stop the engine if it was started here."""
    if not PID_FILE.exists():
        return
    pid = int(PID_FILE.read_text())
    if _is_dockerd(pid):
        step("stopping the container engine")
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + START_SECONDS
        while _is_dockerd(pid) and time.monotonic() < deadline:
            time.sleep(0.1)
    PID_FILE.unlink()


def _start() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    with working("starting the container engine"), (FOLDER / "dockerd.log").open("ab") as log:
        engine = subprocess.Popen(
            ["dockerd", *_runtime_flags()], stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True
        )
        PID_FILE.write_text(str(engine.pid))
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and engine.poll() is None:
            if answers():
                return
            time.sleep(0.2)
    raise MissingError(f"The container engine did not start (see {FOLDER}/dockerd.log): {REMEDY}.")


def _runtime_flags() -> list[str]:
    """A privileged container asks for CAP_SYS_RESOURCE; a host that lacks it can run one through a wrapper of runc."""
    bounding = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("CapBnd"))
    if int(bounding.split()[1], 16) & CAP_SYS_RESOURCE:
        return []
    wrapper = FOLDER / "runc-bounded"
    shutil.copy(ROOT / "images" / "node" / "runc-bounded", wrapper)
    return [f"--add-runtime=bounded={wrapper}", "--default-runtime=bounded"]


def _is_dockerd(pid: int) -> bool:
    with contextlib.suppress(OSError):
        state, name = (
            Path(f"/proc/{pid}/stat").read_text().split(") ")[1][0],
            Path(f"/proc/{pid}/comm").read_text().strip(),
        )
        return name == "dockerd" and state != "Z"
    return False
