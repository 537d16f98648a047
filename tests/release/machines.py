"""For whom tests write the command: this machine, or nobody; and which other Pythons it has."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from testbed.release.files import Command
from testbed.release.pyz import PLATFORMS, PYTHONS

PYTHON: Final = f"{sys.version_info.major}.{sys.version_info.minor}"
ADDRESS: Final = "https://files.example/slipway/v0"
_ARCH: Final = {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)
HERE: Final = Command(
    ADDRESS, tuple(each for each in PLATFORMS if (each.os, each.arch) == (sys.platform, _ARCH)), (PYTHON,)
)
NOWHERE: Final = Command(platforms=())


def _found(version: str) -> Path | None:
    """A Python of that version, on PATH or as pyenv keeps it."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv", "versions")
    on_path = [Path(each) for each in (shutil.which(f"python{version}"),) if each]
    for each in on_path + sorted(pyenv.glob(f"{version}.*/bin/python")):
        done = subprocess.run([each, "--version"], capture_output=True, text=True, check=False)
        if done.stdout.startswith(f"Python {version}."):
            return each
    return None


OTHERS: Final = {each: found for each in PYTHONS if each != PYTHON and (found := _found(each))}
"""Of those that the command is for, by their version."""
