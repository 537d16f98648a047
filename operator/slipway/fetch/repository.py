"""The model repository that Triton sees: made of links to verified files, under a dot-name, and renamed at the end.

A repository is only a view: the bundle's bytes stay as SHA256SUMS lists them, so a restarted container can check them
again, and a claim is served where it lies. config.pbtxt alone is a file of its own, with the spec's overlay on it.
"""

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from slipway.fetch import layout, sums
from slipway.guard import archive

REPOSITORY = "repository"


def lay_out(
    root: Path, model: str, bundle: Path, paths: Iterable[str], *, config: str, golden: Mapping[str, bytes]
) -> None:
    """Put golden requests, guard and, last, the model repository below `root`."""
    with _replacing(root / layout.GOLDEN) as staged:
        for path, content in golden.items():
            _write(staged / Path(path).name, content)
    archive.write(root / ".guard.pyz")
    _sync(root / ".guard.pyz")
    (root / ".guard.pyz").rename(root / "guard.pyz")
    repository = root / REPOSITORY
    repository.mkdir(exist_ok=True)
    with _replacing(repository / model) as staged:
        _write(staged / layout.CONFIG, config.encode())
        for name in sorted({path.partition("/")[0] for path in paths} - {layout.CONFIG, layout.GOLDEN, sums.NAME}):
            (staged / name).symlink_to(_address(bundle / name, repository / model, root))
    _sync(root)


@contextmanager
def _replacing(final: Path) -> Iterator[Path]:
    """A directory that is filled under a dot-name and takes its place when the block ends well."""
    staged, old = final.with_name(f".{final.name}.new"), final.with_name(f".{final.name}.old")
    shutil.rmtree(staged, ignore_errors=True)
    staged.mkdir()
    yield staged
    _sync(staged)
    shutil.rmtree(old, ignore_errors=True)
    if final.exists():
        final.rename(old)
    staged.rename(final)
    shutil.rmtree(old, ignore_errors=True)
    _sync(final.parent)


def _address(target: Path, directory: Path, root: Path) -> Path:
    """Relative inside the volume, so that it may be mounted anywhere; absolute into a claim, or into memory."""
    return Path(os.path.relpath(target, directory)) if target.is_relative_to(root) else target


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    _sync(path)


def _sync(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
