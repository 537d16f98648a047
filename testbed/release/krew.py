"""kubectl's plugin for krew: an archive for each platform, and the manifest that names them by address and digest."""

import gzip
import hashlib
import io
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from testbed.release.pyz import Platform
from testbed.release.registry import ReleaseError
from testbed.shell import ROOT

PLUGIN: Final = "slipway"
"""As `kubectl krew install` and `kubectl` call it."""
MANIFEST: Final = f"kubectl-{PLUGIN}.yaml"
_PROGRAM: Final = "slipway.pyz"
_LICENSE: Final = "LICENSE"
_SHORT: Final = "See, explain and steer models served by Slipway"
_DESCRIPTION: Final = """\
Shows the models that Slipway serves on NVIDIA Triton: revisions, pods, the
steps of a rollout, what is awaited until when, and why. Asks for a
promotion, an abort, a pause or a rollback, and tries golden requests.
"""
_CAVEATS: Final = """\
It takes python3 on PATH, CPython 3.11 to 3.14, and unpacks itself once into
~/.cache/slipway-command.
"""


def archive(pyz: Path, platform: Platform, folder: Path) -> Path:
    """Write what krew downloads for one platform: the same bytes of the same file."""
    content = {_PROGRAM: (pyz.read_bytes(), 0o755), _LICENSE: ((ROOT / _LICENSE).read_bytes(), 0o644)}
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, (data, mode) in content.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), mode
            tar.addfile(entry, io.BytesIO(data))
    path = folder / f"kubectl-{PLUGIN}-{platform.name}.tar.gz"
    path.write_bytes(gzip.compress(packed.getvalue(), mtime=0))
    return path


def check_address(address: str) -> str:
    """The address under which a release's files are published. ReleaseError for one that krew cannot ask."""
    if not address.startswith("https://"):
        raise ReleaseError(f"ADDRESS={address}: write where the files of dist/ will be, from https:// on.")
    return address.rstrip("/")


def write(archives: Mapping[Platform, Path], address: str, version: str, folder: Path) -> Path:
    """Write the manifest. An index has it as plugins/slipway.yaml."""
    path = folder / MANIFEST
    place = check_address(address)
    manifest = {
        "apiVersion": "krew.googlecontainertools.github.com/v1alpha2",
        "kind": "Plugin",
        "metadata": {"name": PLUGIN},
        "spec": {
            "version": f"v{version}",
            "homepage": place,
            "shortDescription": _SHORT,
            "description": _DESCRIPTION,
            "caveats": _CAVEATS,
            "platforms": [_platform(platform, archive, place) for platform, archive in archives.items()],
        },
    }
    path.write_text(yaml.safe_dump(manifest, sort_keys=False))
    return path


def _platform(platform: Platform, archive: Path, address: str) -> dict[str, Any]:
    return {
        "selector": {"matchLabels": {"os": platform.os, "arch": platform.arch}},
        "uri": f"{address}/{archive.name}",
        "sha256": hashlib.sha256(archive.read_bytes()).hexdigest(),
        "bin": _PROGRAM,
        "files": [{"from": name, "to": "."} for name in (_PROGRAM, _LICENSE)],
    }
