"""Training an example: find or get a Python that has torch, and run the example's own `train.py` with it."""

import platform
import sys
import venv
from pathlib import Path
from typing import Final

from testbed import debian
from testbed.fingerprint import fingerprint
from testbed.say import working
from testbed.shell import CACHE, ROOT, run, works

EXAMPLES: Final = ROOT / "examples"
SYSTEM_PYTHON: Final = Path("/usr/bin/python3")


def train(example: str, out: Path, *arguments: str) -> str:
    """Train an example and write its bundle to `out`. Returns what the training printed."""
    return run(trainer(), EXAMPLES / example / "train.py", "--out", out, *arguments)


def trainer() -> Path:
    """A Python with torch. On Debian that is the distribution's: built for CPUs, a tenth of the size."""
    candidates = (Path(sys.executable), SYSTEM_PYTHON, _private())
    if found := next((python for python in candidates if python.exists() and _has_torch(python)), None):
        return found
    if debian.installable():
        debian.install("python3-torch")
        return SYSTEM_PYTHON
    return _install_private()


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
