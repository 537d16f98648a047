"""Prometheus and promtool, which tests ask what they make of our rules and queries: Debian's, unpacked, not installed.

A build from the Go module takes minutes, since both bring the clients of every cloud along.
"""

import shutil
import tempfile
from pathlib import Path

from testbed import debian
from testbed.say import MissingError, working
from testbed.shell import CACHE, CommandError, locked, run

PACKAGE = "prometheus"


def find(program: str) -> Path:
    """The path of `prometheus` or `promtool`: the one on PATH, or else Debian's, fetched first where it is absent."""
    if found := shutil.which(program):
        return Path(found)
    folder = CACHE / "tools" / f"debian-{PACKAGE}"
    with locked(folder):
        if not folder.exists():
            _unpack(folder)
    return folder / "usr" / "bin" / program


def _unpack(folder: Path) -> None:
    if not debian.installable():
        raise MissingError(
            f"promtool and prometheus are not on PATH: install them (Debian: apt-get install {PACKAGE})."
        )
    with tempfile.TemporaryDirectory() as where, working(f"fetching {PACKAGE} from Debian"):
        _download(Path(where))
        part = folder.with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        run("dpkg-deb", "--extract", *Path(where).glob("*.deb"), part)
        part.rename(folder)


def _download(where: Path) -> None:
    download = ["apt-get", "-qq", "-o", "APT::Sandbox::User=root", "-o", "Acquire::Retries=3", "download", PACKAGE]
    try:
        run(*download, cwd=where)
    except CommandError:  # the package lists are not there yet, or too old
        run("apt-get", "-qq", "-o", "Acquire::Retries=3", "update")
        run(*download, cwd=where)
