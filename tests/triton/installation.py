"""The real tritonserver, without a container: the tree that the image is made of, assembled once into the cache."""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

IMAGE = Path(__file__).parents[2] / "images" / "triton-cpu"
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
    def arguments(self) -> list[str]:
        """What an image does not need: it has the backends where tritonserver looks for them."""
        return [f"--backend-directory={self.backends}"]

    @property
    def environment(self) -> dict[str, str]:
        """Triton's stub takes its packages from the first python3 on PATH."""
        own = f"{self.python.parent}:{self.root / 'rootfs/opt/tritonserver/bin'}"
        return {**os.environ, "PATH": f"{own}:{os.environ['PATH']}", "TRITON_SERVER_VERSION": VERSION}


def installed() -> Installation:
    """The installation in the cache, made when this version of the image's sources is not there yet."""
    sources = hashlib.sha256()
    for file in _files():
        sources.update(file.relative_to(IMAGE).as_posix().encode() + b"\0" + file.read_bytes())
    cache = Path(os.environ.get("SLIPWAY_CACHE", Path.home() / ".cache" / "slipway"))
    root = cache / f"triton-{sources.hexdigest()[:12]}"
    if not root.is_dir():
        being_made = root.with_name(f"{root.name}.{os.getpid()}")
        # It asks for python3 with pip: the one that runs this has it.
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        subprocess.run([IMAGE / "assemble", being_made], check=True, env={**os.environ, "PATH": path})
        site = being_made / "python"
        subprocess.run([_python_3_11(), "-m", "venv", "--without-pip", site], check=True)
        packages = next(site.glob("lib/python3.11/site-packages"))
        (packages / "triton.pth").write_text(f"{root}/rootfs/opt/triton/site\n")
        try:
            being_made.rename(root)
        except OSError:
            # Another test run was faster.
            shutil.rmtree(being_made)
    return Installation(root)


def _files() -> Iterator[Path]:
    """What `assemble` reads."""
    yield from (IMAGE / "assemble", IMAGE / "requirements.txt")
    yield from sorted(IMAGE.glob("backends/**/*.py"))


def _python_3_11() -> str:
    """Triton's stub is built for 3.11; with the distribution's interpreter its libpython is the same one."""
    for candidate in ("/usr/bin/python3.11", shutil.which("python3.11"), sys.executable):
        if candidate and Path(candidate).exists():
            return candidate
    raise RuntimeError("Python 3.11 is needed to run the CPU build of Triton")
