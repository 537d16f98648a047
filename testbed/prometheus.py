"""Prometheus and promtool, which tests ask what they make of our rules and queries: Debian's, unpacked, not installed.

A build from the Go module takes minutes, since both bring the clients of every cloud along. The CRDs of the Prometheus
operator come from its module, which is small.
"""

import json
import shutil
import tempfile
from pathlib import Path
from typing import Final

from testbed import debian
from testbed.say import MissingError, working
from testbed.shell import CACHE, CommandError, locked, run
from testbed.tools import need_go

PACKAGE: Final = "prometheus"
OPERATOR: Final = "github.com/prometheus-operator/prometheus-operator@v0.85.0"
KINDS: Final = ("podmonitors", "prometheusrules", "servicemonitors")


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


def operator_crds() -> Path:
    """The folder of the CRDs that the chart has objects of, one a file, fetched first where it is absent."""
    folder = CACHE / OPERATOR.rpartition("/")[2]
    with locked(folder):
        if not folder.exists():
            need_go()
            with tempfile.TemporaryDirectory() as nowhere:
                told = run("go", "mod", "download", "-json", OPERATOR, cwd=Path(nowhere), env={"GOWORK": "off"})
            part = folder.with_suffix(".part")
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir(parents=True)
            for kind in KINDS:
                name = f"monitoring.coreos.com_{kind}.yaml"
                shutil.copyfile(
                    Path(json.loads(told)["Dir"]) / "example" / "prometheus-operator-crd" / name, part / name
                )
            part.rename(folder)
    return folder
