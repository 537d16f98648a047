"""Training an example: find or get a Python that has its framework, and run the example's own `train.py` with it."""

import os
import platform
import sys
import sysconfig
import venv
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from testbed import debian
from testbed.fingerprint import fingerprint
from testbed.say import MissingError, working
from testbed.shell import CACHE, ROOT, run, works

EXAMPLES: Final = ROOT / "examples"
SYSTEM_PYTHON: Final = Path("/usr/bin/python3")
KERAS: Final = "KERAS_PYTHON"
"""Names a Python with keras and a backend, which are no packages of this project."""


def train(example: str, out: Path, *arguments: str) -> str:
    """Train an example and write its bundle to `out`. Returns what the training printed."""
    python, environment = python_for(example)
    return run(python, EXAMPLES / example / "train.py", "--out", out, *arguments, cwd=out.parent, env=environment)


def trainable() -> list[str]:
    """The examples that can be trained here: all but those of Keras, where no Python has it."""
    found = sorted(file.parent.name for file in EXAMPLES.glob("*/train.py"))
    return [name for name in found if os.environ.get(KERAS) or "keras" not in _frameworks(name)]


def trainer() -> Path:
    """A Python with torch. On Debian that is the distribution's: built for CPUs, a tenth of the size."""
    candidates = (Path(sys.executable), SYSTEM_PYTHON, _private())
    if found := next((python for python in candidates if python.exists() and _has_torch(python)), None):
        return found
    if debian.installable():
        debian.install("python3-torch")
        return SYSTEM_PYTHON
    return _install_private()


def python_for(example: str) -> tuple[Path, Mapping[str, str]]:
    """The Python of an example's framework, with this checkout's `slipway` on its path."""
    needs = _frameworks(example)
    ours = str(ROOT / "operator")
    if "keras" in needs:
        if not os.environ.get(KERAS):
            raise MissingError(
                f"{KERAS} is not set: let it name a Python with what the example's requirements.txt says."
            )
        return Path(os.environ[KERAS]), {"PYTHONPATH": ours}
    if "torch" in needs:
        beside = os.pathsep.join([ours, sysconfig.get_path("purelib")])
        return trainer(), {"PYTHONPATH": beside} if "slipway" in needs else {}
    return Path(sys.executable), {"PYTHONPATH": ours}


def _frameworks(example: str) -> set[str]:
    """Which of those that decide on the Python stand in the example's requirements; `slipway` is this checkout."""
    lines = (EXAMPLES / example / "requirements.txt").read_text().splitlines()
    found = {name for name in ("torch", "keras") if any(line.startswith(name) for line in lines)}
    return found | ({"slipway"} if any(line.startswith("-e ") for line in lines) else set())


def _has_torch(python: Path) -> bool:
    return works(python, "-c", "import torch")


def _requirements() -> Path:
    return EXAMPLES / "linear-regression" / "requirements.txt"


def _private() -> Path:
    return CACHE / "venvs" / f"torch-{fingerprint(_requirements())}" / "bin" / "python"


def _install_private() -> Path:
    python = _private()
    size = "2.5 GB" if platform.system() == "Linux" else "300 MB"
    with working(f"installing torch from the package index (about {size}, once)"):
        venv.create(python.parent.parent, with_pip=True)
        run(python, "-m", "pip", "install", "--quiet", "--requirement", _requirements())
    return python
