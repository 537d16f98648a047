"""The Python packages of an image, fetched on the host: inside a build there may be no way to a package index.

The packages are chosen by pyproject.toml and pinned by constraints.txt, for the Python of the image and not of the
host. What no server needs (tests, type stubs, the API classes of a client that is used for its transport alone) is
left out.
"""

import platform
import shutil
import sys
import tomllib
from pathlib import Path
from typing import Any, Final

from testbed.fingerprint import fingerprint
from testbed.say import working
from testbed.shell import CACHE, ROOT, locked, run

CONSTRAINTS: Final = ROOT / "constraints.txt"
PYTHON: Final = "3.11"
GLIBC: Final = (
    "manylinux_2_36",
    "manylinux_2_34",
    "manylinux_2_31",
    "manylinux_2_28",
    "manylinux_2_24",
    "manylinux_2_17",
    "manylinux2014",
)
UNUSED: Final = (
    "**/tests",
    "**/test",
    "**/*.pyi",
    "**/*.pyx",
    "**/*.pxd",
    "**/*.c",
    "**/*.h",
    "bin",
    "*.dist-info/RECORD",
    "*.dist-info/INSTALLER",
    "*.dist-info/REQUESTED",
    # kubernetes loads these on first use, and nothing here uses them: only its transport and its logins.
    "kubernetes/client/models/[!_]*.py",
    "kubernetes/client/api/[!_]*.py",
    "kubernetes/aio/client/models/[!_]*.py",
    "kubernetes/aio/client/api/[!_]*.py",
)


def project() -> dict[str, Any]:
    """The `[project]` table of pyproject.toml."""
    return dict(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"])


def requirements(extra: str = "") -> list[str]:
    """What the package needs, or what one of its extras needs."""
    table = project()
    return list(table["optional-dependencies"][extra] if extra else table["dependencies"])


def packages(wanted: list[str]) -> Path:
    """A folder with the packages and all that they need, made once for the same wish."""
    machine = platform.machine().replace("arm64", "aarch64")
    folder = CACHE / "sites" / fingerprint(*wanted, *UNUSED, PYTHON, machine, CONSTRAINTS)
    with locked(folder):
        if not folder.exists():
            with working(f"fetching {', '.join(_name(each) for each in wanted)} and what they need"):
                _fetch(wanted, folder, machine)
    return folder


def _fetch(wanted: list[str], folder: Path, machine: str) -> None:
    part = folder.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    platforms = [f"--platform={glibc}_{machine}" for glibc in GLIBC]
    run(
        sys.executable, "-m", "pip", "install", "--quiet", "--no-compile", "--only-binary=:all:", "--no-user",
        f"--python-version={PYTHON}", *platforms, f"--target={part}", f"--constraint={CONSTRAINTS}", *wanted,
    )  # fmt: skip
    _trim(part)
    part.rename(folder)


def _name(requirement: str) -> str:
    return requirement.partition(">")[0].partition("[")[0]


def _trim(folder: Path) -> None:
    for pattern in UNUSED:
        for path in list(folder.glob(pattern)):
            if path.is_dir():
                shutil.rmtree(path)
            elif path.exists():
                path.unlink()
    # What wheels bring along in NAME.libs was moved about by patchelf: stripped, the loader takes it no more.
    libraries = [path for path in folder.rglob("*.so*") if path.is_file() and path.parent.suffix != ".libs"]
    if libraries and shutil.which("strip"):
        run("strip", "--strip-unneeded", *libraries)
