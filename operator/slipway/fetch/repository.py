"""The model repository that Triton sees: made of links to verified files, under a dot-name, and renamed at the end.

It is only a view: the bundle's bytes stay as SHA256SUMS lists them, so a restarted container can check them
again, and a claim is served where it lies. config.pbtxt alone is a file of its own, with the spec's overlay on it.
"""

import os
import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from slipway.fetch import layout, references, sums
from slipway.fetch.ensemble import is_ensemble
from slipway.fetch.model import Configured
from slipway.fetch.models import Models
from slipway.guard import archive
from slipway.guard.settings import REPOSITORY


def lay_out(
    root: Path,
    model: str,
    bundle: Path,
    paths: Collection[str],
    *,
    models: Models,
    golden: Mapping[str, Mapping[str, bytes]],
) -> None:
    """Put golden requests, guard and, last, the model repository below `root`: with the parts, and no other model.

    `golden` are the requests of each model, by its name; the entry model is called ``.
    """
    with _replacing(root / layout.GOLDEN) as staged:
        for name, requests in golden.items():
            _lay_out_golden(staged / layout.place(name), requests)
    archive.write(root / ".guard.pyz")
    _sync(root / ".guard.pyz")
    (root / ".guard.pyz").rename(root / "guard.pyz")
    own = layout.by_model(paths)
    with _replacing(root / REPOSITORY) as staged:
        for name, part in models.parts.items():
            _lay_out_model(root, staged / name, bundle / layout.place(name), _shown(own[name]), part)
        _lay_out_model(root, staged / model, bundle, _shown(own[""]) - {sums.NAME}, models.entry)


def _lay_out_golden(directory: Path, requests: Mapping[str, bytes]) -> None:
    if requests:
        directory.mkdir(parents=True, exist_ok=True)
    for path, content in requests.items():
        _write(directory / Path(path).name, content)


def _shown(paths: Collection[str]) -> set[str]:
    """Those of a model's own files that the server sees."""
    return {path for path in paths if not path.startswith(f"{layout.GOLDEN}/")}


def _lay_out_model(root: Path, staged: Path, source: Path, paths: Collection[str], configured: Configured) -> None:
    """One model's directory in the staged repository: its configuration, and links to what is below `source`."""
    staged.mkdir()
    _write(staged / layout.CONFIG, configured.text.encode())
    for top in sorted({path.partition("/")[0] for path in paths} - {layout.CONFIG}):
        (staged / top).symlink_to(_address(source / top, root / REPOSITORY / staged.name, root))
    if is_ensemble(configured):  # Triton wants to see a version, and no store keeps a directory that is empty
        for version in references.served(configured.config, paths, configured.at):
            if not (staged / version).is_symlink():
                (staged / version).mkdir()
    _sync(staged)


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
