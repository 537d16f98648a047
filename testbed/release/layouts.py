"""Images as OCI layouts: what the engine has, with OCI's media types and compressed as it will be pulled."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from testbed import images
from testbed.engine import docker
from testbed.release.programs import program
from testbed.say import working
from testbed.shell import CACHE, locked, run

RELEASED: Final = ("operator", "fetcher", "triton-cpu", "console")
_TAG: Final = "released"


@dataclass(frozen=True)
class Layout:
    """One image on this machine."""

    name: str
    folder: Path
    unpacked_bytes: int

    @property
    def reference(self) -> str:
        """As regctl takes it."""
        return f"ocidir://{self.folder}:{_TAG}"

    def digest(self) -> str:
        """The digest that it has here and will have in every registry."""
        return run(program("regctl"), "image", "digest", self.reference).strip()


def all_layouts() -> list[Layout]:
    """The images of a release, built first where they are absent."""
    base = images.base_image()
    wanted = (image for image in (*images.all_images(), images.console_image()) if image.name in RELEASED)
    return [_layout(image.name, images.build(image, base)) for image in wanted]


def _layout(name: str, reference: str) -> Layout:
    identity, size = docker("image", "inspect", "--format={{.Id}} {{.Size}}", reference).split()
    folder = CACHE / "layouts" / f"{name}-{identity.removeprefix('sha256:')[:12]}"
    with locked(folder):
        if not folder.exists():
            with working(f"compressing image {name}"):
                _convert(reference, folder)
    return Layout(name, folder, int(size))


def _convert(reference: str, folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        saved = Path(scratch) / "saved.tar"
        docker("save", f"--output={saved}", reference)
        from_saved(saved, Path(scratch) / "layout")
        (Path(scratch) / "layout").rename(folder)


def from_saved(saved: Path, folder: Path) -> None:
    """Make the layout of an image that `docker save` wrote, by whatever version of docker."""
    raw = f"ocidir://{folder}.raw:{_TAG}"
    run(program("regctl"), "image", "import", raw, saved)
    as_pulled = ["--to-oci", "--layer-compress=gzip"]
    run(program("regctl"), "image", "mod", raw, f"--create=ocidir://{folder}:{_TAG}", *as_pulled)
