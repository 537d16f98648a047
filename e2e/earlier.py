"""The operator as it was: chart and image of an earlier commit."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from testbed import images
from testbed.cluster import Cluster
from testbed.installing import image_values
from testbed.shell import ROOT, run


@dataclass(frozen=True)
class Earlier:
    """An operator that is in the cluster's reach, with the CRDs that it knew."""

    chart: Path
    crds: Path
    images: tuple[str, ...]
    """Its own image and its fetcher's, as settings of its chart."""


def operator(cluster: Cluster, folder: Path) -> Earlier:
    """The operator as it was before its last change that was committed, or at the commit that `EARLIER` names."""
    commit = os.environ.get("EARLIER") or _before_the_last_change()
    archive = subprocess.run(["git", "archive", commit], cwd=ROOT, capture_output=True, check=True)
    subprocess.run(["tar", "--extract", "--directory", folder], input=archive.stdout, check=True)
    base = images.base_image()
    own, fetcher = cluster.load([images.build(_image(name, folder, commit), base) for name in ("operator", "fetcher")])
    settings = (*image_values("image", own), *image_values("fetcher.image", fetcher))
    charts = folder / "charts"
    return Earlier(charts / "slipway", charts / "slipway-crds", settings)


def _before_the_last_change() -> str:
    return run("git", "log", "--format=%H", "--max-count=2", "--", "operator", "charts/slipway", cwd=ROOT).split()[-1]


def _image(name: str, tree: Path, commit: str) -> images.Image:
    """The image that the tree of then makes of itself."""

    def assemble(context: Path) -> None:
        run(sys.executable, "-m", "testbed", "context", name, context, cwd=tree)

    return images.Image(name, (commit,), assemble, folder=str(tree / "images" / name))
