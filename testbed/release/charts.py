"""The charts as they are released: packaged by helm, with images of the registry by digest in their values."""

import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import yaml

from testbed.fingerprint import fingerprint
from testbed.release.registry import Registry, ReleaseError
from testbed.shell import ROOT, run
from testbed.tools import find

FOLDER: Final = "charts"
"""Below the registry's path."""
CHARTS: Final = ("slipway-crds", "slipway")
"""In the order of their installation."""
VALUES: Final = {
    "operator": ("image",),
    "fetcher": ("fetcher", "image"),
    "triton-cpu": ("server", "image"),
    "console": ("console", "image"),
}
"""Where the values of the chart name each image."""


def package(name: str, images: Mapping[str, str], target: Path, source: Path = ROOT / "charts") -> Path:
    """Package a chart whose values name these images, given as REPOSITORY@DIGEST by their names."""
    with tempfile.TemporaryDirectory() as scratch:
        chart = Path(shutil.copytree(source / name, Path(scratch) / name))
        if name == "slipway":
            values = chart / "values.yaml"
            values.write_text(with_digests(values.read_text(), images))
        said = run(find("helm"), "package", chart, f"--destination={target}")
    return Path(said.strip().rpartition(": ")[2])


def with_digests(values: str, images: Mapping[str, str]) -> str:
    """The chart's values.yaml, comments and all, with its images named by digest."""
    for name, reference in images.items():
        repository, _, digest = reference.partition("@")
        values, count = re.subn(
            rf'repository: slipway\.dev/{name}\n( +)tag: ""\n +digest: ""',
            lambda found: f'repository: {repository}\n{found[1]}tag: ""\n{found[1]}digest: {digest}',  # noqa: B023
            values,
        )
        if count != 1:
            raise ReleaseError(f"values.yaml of the chart names the image {name} {count} times: once is needed.")
    return values


def values_of(images: Mapping[str, str]) -> str:
    """The same as values of their own, for a chart that is installed from elsewhere."""
    values: dict[str, object] = {}
    for name, reference in images.items():
        repository, _, digest = reference.partition("@")
        at = values
        for part in VALUES[name][:-1]:
            at = at.setdefault(part, {})  # type: ignore[assignment]
        at[VALUES[name][-1]] = {"repository": repository, "digest": digest}
    return str(yaml.safe_dump(values, sort_keys=False))


def same(archive: Path, registry: Registry, name: str, digest: str) -> bool:
    """Whether what the registry has is what was packaged, file by file: an archive has the time of its making in it."""
    with tempfile.TemporaryDirectory() as scratch:
        ours, theirs = Path(scratch) / "ours", Path(scratch) / "theirs"
        ours.mkdir()
        shutil.unpack_archive(archive, ours)
        return fingerprint(ours / name) == fingerprint(registry.pull_chart(f"{FOLDER}/{name}", digest, theirs))
