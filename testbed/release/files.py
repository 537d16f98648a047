"""What a release has beside the registry: manifests for `kubectl apply`, and the command as a wheel, as one file for
each platform, and for krew. Each is signed.
"""

import shutil
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from testbed.release import krew, pyz
from testbed.release.charts import CHARTS
from testbed.release.pyz import PLATFORMS, PYTHONS, Platform
from testbed.release.signing import Key
from testbed.shell import ROOT, run
from testbed.tools import KUBERNETES_VERSION, find

NAMESPACE: Final = "slipway-system"
_CLOSED: Final = "--set=models.networkPolicy=Namespace"
"""Said, since the chart asks the cluster what was there before, and nobody answers while manifests are made."""


_SOURCES: Final = ("pyproject.toml", "README.md", "LICENSE")
"""Of the wheel, beside its code."""


@dataclass(frozen=True)
class Command:
    """For whom the command is written, beside the wheel."""

    address: str = ""
    """Where the files will be published; krew's manifest says it, and without it there is none."""
    platforms: tuple[Platform, ...] = PLATFORMS
    pythons: tuple[str, ...] = PYTHONS


EVERYBODY: Final = Command()


def write(archives: Mapping[str, Path], folder: Path, key: Key, version: str, command: Command) -> list[Path]:
    """Write and sign the manifests of these packaged charts, and the command. Returns the files, signatures apart."""
    written = [*(_manifests(name, archives[name], folder) for name in CHARTS), *commands(folder, version, command)]
    for path in written:
        key.sign_file(path)
    return written


def commands(folder: Path, version: str, command: Command) -> list[Path]:
    """The command in each of its forms."""
    wheel = _wheel(folder)
    files = {each: pyz.write(wheel, each, folder, command.pythons) for each in command.platforms}
    packed = {each: krew.archive(file, each, folder) for each, file in files.items()}
    for earlier in folder.glob(f"{krew.MANIFEST}*"):
        earlier.unlink()
    manifests = [krew.write(packed, command.address, version, folder)] if command.address else []
    return [wheel, *files.values(), *packed.values(), *manifests]


def _manifests(name: str, archive: Path, folder: Path) -> Path:
    """All objects of a chart with its own values, in the order in which helm makes them."""
    settings = [_CLOSED] if name == "slipway" else []
    rendered = run(
        find("helm"), "template", name, archive, f"--namespace={NAMESPACE}", f"--kube-version={KUBERNETES_VERSION}",
        *settings,
    )  # fmt: skip
    path = folder / f"{name}.yaml"
    path.write_text(rendered if name == "slipway" else f"{_NAMESPACE}{rendered}")
    return path


_NAMESPACE: Final = f"""---
apiVersion: v1
kind: Namespace
metadata:
  name: {NAMESPACE}
"""


def _wheel(folder: Path) -> Path:
    """The command `slipway`, kubectl's plugin and the library. Of a copy: setuptools builds in its folder, and takes
    what an earlier build has left there."""
    for earlier in folder.glob("*.whl"):
        earlier.unlink()
    with tempfile.TemporaryDirectory() as scratch:
        for part in _SOURCES:
            shutil.copy(ROOT / part, scratch)
        without = shutil.ignore_patterns("__pycache__", "*.egg-info")
        shutil.copytree(ROOT / "operator", Path(scratch, "operator"), ignore=without)
        run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", f"--wheel-dir={folder}", scratch)
    (wheel,) = folder.glob("*.whl")
    return wheel
