"""The real tritonserver, without a container: the tree that the image is made of, assembled once into the cache."""

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from testbed.debian import have
from testbed.fingerprint import fingerprint
from testbed.images import IMAGES
from testbed.say import MissingError
from testbed.shell import CACHE, locked, run

SOURCES = IMAGES / "triton-cpu"
VERSION = "2.51.0"


@dataclass(frozen=True)
class Installation:
    """One installed server and the Python that its backends run in."""

    root: Path

    @property
    def python(self) -> Path:
        return self.root / "python" / "bin" / "python3"

    @property
    def backends(self) -> Path:
        return self.root / "rootfs/opt/tritonserver/backends"

    @property
    def caches(self) -> Path:
        return self.root / "rootfs/opt/triton/pytriton/tritonserver/caches"

    @property
    def arguments(self) -> list[str]:
        """What an image does not need: it has the backends where tritonserver looks for them."""
        return [f"--backend-directory={self.backends}"]

    @property
    def environment(self) -> dict[str, str]:
        """Triton's stub takes its packages from the first python3 on PATH."""
        own = f"{self.python.parent}:{self.root / 'rootfs/opt/tritonserver/bin'}"
        path = f"{own}:{os.environ['PATH']}"
        return {**os.environ, "PATH": path, "TRITON_SERVER_VERSION": VERSION, "ORT_DISABLE_TELEMETRY": "1"}


def installed() -> Installation:
    """The installation in the cache, made when this version of the image's sources is not there yet."""
    root = CACHE / f"triton-{fingerprint(SOURCES)}"
    with locked(root):
        if not root.exists():
            _install(root)
    return Installation(root)


def _install(root: Path) -> None:
    part = root.with_suffix(".part")
    have(strip="binutils")
    # It asks for python3 with pip: the one that runs this has it.
    run(SOURCES / "assemble", part, env={"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"})
    site = part / "python"
    run(_python_3_11(), "-m", "venv", "--without-pip", site)
    packages = next(site.glob("lib/python3.11/site-packages"))
    (packages / "triton.pth").write_text(f"{root}/rootfs/opt/triton/site\n")
    part.rename(root)


def _python_3_11() -> str:
    """Triton's stub is built for 3.11; with the distribution's interpreter its libpython is the same one."""
    own = sys.executable if sys.version_info[:2] == (3, 11) else None
    for candidate in ("/usr/bin/python3.11", shutil.which("python3.11"), own):
        if candidate and Path(candidate).exists():
            return candidate
    raise MissingError("python3.11 is not on PATH: install Python 3.11, which Triton's CPU build runs models with.")
