"""Debian's packages: what this machine lacks is installed where that can be done, and named where it cannot."""

import os
import shutil
from pathlib import Path

from testbed.say import MissingError, working
from testbed.shell import locked, run

LOCK_SECONDS = 600
"""For another that installs: a story beside this one, or the machine's own upgrades."""


def installable() -> bool:
    """Whether packages can be installed here."""
    return os.geteuid() == 0 and bool(shutil.which("apt-get"))


def have(**packages: str) -> None:
    """Have programs on PATH. Each is given with the packages that it takes, separated by spaces."""
    absent = {program: names for program, names in packages.items() if not shutil.which(program)}
    if not absent:
        return
    wanted = " ".join(absent.values())
    if not installable():
        raise MissingError(f"{', '.join(absent)} not on PATH: install what has it (Debian: apt-get install {wanted}).")
    install(*wanted.split())


def install(*packages: str) -> None:
    """Install packages."""
    environment = {"DEBIAN_FRONTEND": "noninteractive"}
    apt = ["apt-get", "-qq", "-o", "Acquire::Retries=3", "-o", f"DPkg::Lock::Timeout={LOCK_SECONDS}"]
    with locked(Path("debian")), working(f"installing {', '.join(packages)} from Debian"):
        run(*apt, "update", env=environment)
        run(*apt, "install", "-y", "--no-install-recommends", *packages, env=environment)
