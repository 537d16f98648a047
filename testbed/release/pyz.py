"""The command as one file for each platform, `slipway-OS-ARCH.pyz`: what pip would install for it, for several Pythons.

pydantic's core and orjson are compiled, so there is no file for all platforms; those for several Pythons of one
platform have names of their own and stand side by side. PyYAML goes without its library, and the operator is not in it.
"""

import hashlib
import re
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from testbed.release import starting
from testbed.shell import ROOT, run

PYTHONS: Final = ("3.11", "3.12", "3.13", "3.14")
COMPILED: Final = ("orjson", "pydantic-core")
PURE: Final = (
    "annotated-types",
    "click",
    "markdown-it-py",
    "mdurl",
    "pydantic",
    "pygments",
    "pyyaml",
    "rich",
    "typing-extensions",
    "typing-inspection",
)
_OPERATOR: Final = "slipway/controller/"
_LIBRARIES: Final = (".so", ".dylib")
_TIME: Final = (1980, 1, 1, 0, 0, 0)
"""The earliest that a zip file can hold: the same content is the same file."""
_START: Final = b"#!/usr/bin/env python3\n"


@dataclass(frozen=True)
class Platform:
    """Where a file runs, as Go and krew call it, and which wheels are for it."""

    os: str
    arch: str
    wheels: tuple[str, ...]

    @property
    def name(self) -> str:
        """As file names have it."""
        return f"{self.os}-{self.arch}"


PLATFORMS: Final = (
    Platform("linux", "amd64", ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")),
    Platform("linux", "arm64", ("manylinux_2_28_aarch64", "manylinux_2_17_aarch64", "manylinux2014_aarch64")),
    Platform("darwin", "amd64", ("macosx_11_0_x86_64",)),
    Platform("darwin", "arm64", ("macosx_11_0_arm64",)),
)


def write(wheel: Path, platform: Platform, folder: Path, pythons: Sequence[str] = PYTHONS) -> Path:
    """Write the file of this wheel for one platform: byte for byte the same from the same packages."""
    with tempfile.TemporaryDirectory() as scratch:
        fetched = [each for python in pythons for each in _fetched(Path(scratch) / python, python, platform)]
        content = {name: data for each in (wheel, *fetched) for name, data in _of(each)}
    path = folder / f"slipway-{platform.name}.pyz"
    with path.open("wb") as file:
        file.write(_START)
        _pack(_whole(content, platform, pythons), file)
    path.chmod(0o755)
    return path


def _pack(content: Mapping[str, bytes], file: IO[bytes]) -> None:
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in sorted(content.items()):
            archive.writestr(zipfile.ZipInfo(name, _TIME), data, zipfile.ZIP_DEFLATED)


def _whole(content: Mapping[str, bytes], platform: Platform, pythons: Sequence[str]) -> dict[str, bytes]:
    digest = hashlib.sha256()
    for name, data in sorted(content.items()):
        digest.update(f"{name} {hashlib.sha256(data).hexdigest()}\n".encode())
    return {
        **{f"{starting.SITE}{name}": data for name, data in content.items()},
        "__main__.py": Path(starting.__file__).read_bytes(),
        "digest": digest.hexdigest().encode(),
        "for": f"{platform.os}/{platform.arch} and CPython {', '.join(pythons)}".encode(),
    }


def _fetched(folder: Path, python: str, platform: Platform) -> list[Path]:
    """The wheels of what the command imports, in the versions of constraints.txt."""
    chosen = ["--only-binary=:all:", "--implementation=cp", f"--python-version={python}"]
    chosen += [f"--platform={each}" for each in platform.wheels]
    fetch = ("-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", f"--dest={folder}")
    run(sys.executable, *fetch, *chosen, *pinned((*COMPILED, *PURE)))
    return sorted(folder.glob("*.whl"))


def pinned(names: Sequence[str]) -> list[str]:
    """Packages with their versions."""
    pins = dict(re.findall(r"(?m)^([\w.-]+)==([^\s;]+)", (ROOT / "constraints.txt").read_text()))
    versions = {_normal(name): version for name, version in pins.items()}
    return [f"{name}=={versions[name]}" for name in names]


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _of(wheel: Path) -> Iterator[tuple[str, bytes]]:
    """A wheel's files, as they are installed; libraries of those packages alone that cannot do without."""
    compiled = _normal(wheel.name.partition("-")[0]) in COMPILED
    with zipfile.ZipFile(wheel) as opened:
        for name in opened.namelist():
            left_out = name.startswith(_OPERATOR) or (name.endswith(_LIBRARIES) and not compiled)
            if not (name.endswith("/") or left_out or re.match(r"[^/]+\.data/", name)):
                yield name, opened.read(name)
