"""A bundle on disk: written under a hidden name, listed in SHA256SUMS, and renamed when it is whole."""

import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from slipway.bundle.errors import BundleError
from slipway.fetch import layout, sums, verify
from slipway.fetch.verdict import FetchError

Content = bytes | str | Path
"""What a file holds, or the file that it is a copy of."""


@contextmanager
def staged(out: Path, *, replace: bool) -> Iterator[Path]:
    """A directory to fill, which takes the place of `out` when the block ends well."""
    out = Path(os.path.abspath(out))  # noqa: PTH100  a link stays what it is
    new, old = out.with_name(f".{out.name}.new"), out.with_name(f".{out.name}.old")
    if old.is_dir() and not out.exists():  # killed between the two renames
        old.rename(out)
    _check_place(out, replace=replace)
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    try:
        yield new
        shutil.rmtree(old, ignore_errors=True)
        if out.exists():
            out.rename(old)
        new.rename(out)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def check_beside(out: Path, bundle: Path) -> None:
    """BundleError where `out` lies in the bundle that it is made of: that would then have files it does not list."""
    if bundle.resolve() in out.resolve().parents:
        raise BundleError(f"{out}: lies in {bundle}, which would no longer be what its list says; name another place")


@contextmanager
def parts(new: Path) -> Iterator[Path]:
    """A directory beside a staged one, for files under way; what a killed run left there is gone."""
    apart = new.with_name(f"{new.name}.parts")
    shutil.rmtree(apart, ignore_errors=True)
    apart.mkdir()
    try:
        yield apart
    finally:
        shutil.rmtree(apart, ignore_errors=True)


def fill(directory: Path, files: Mapping[str, Content], others: Iterable[str] = ()) -> None:
    """Write the files of a bundle; `others` are those that the caller writes."""
    try:
        layout.check([*files, *others])
    except FetchError as error:
        raise BundleError(error.message) from None
    for path, content in files.items():
        target = directory / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, Path):
            shutil.copyfile(content, target)
        else:
            target.write_bytes(content.encode() if isinstance(content, str) else content)


def seal(directory: Path) -> str:
    """Write SHA256SUMS over all other files; the bundle's digest."""
    content = "".join(f"{sha256(directory / path)}  {path}\n" for path in listed(directory)).encode()
    (directory / sums.NAME).write_bytes(content)
    return sums.digest_of(content)


def listed(directory: Path) -> list[str]:
    """The files that SHA256SUMS names, sorted."""
    paths = (file.relative_to(directory).as_posix() for file in directory.rglob("*") if file.is_file())
    return sorted(path for path in paths if path not in {sums.NAME, sums.SIGNATURE})


def verified(directory: Path) -> dict[str, str]:
    """The files with their hashes, as SHA256SUMS has them and byte for byte as they are; BundleError otherwise."""
    try:
        hashes = sums.parse((directory / sums.NAME).read_bytes())
        layout.check(hashes.keys())
        layout.check_complete(hashes, [*listed(directory), sums.NAME])
    except OSError:
        raise BundleError(f"{directory / sums.NAME}: not there; name a bundle's directory, packed or pulled") from None
    except FetchError as error:
        raise BundleError(f"{error.reason.value}: {error.message}") from None
    if wrong := sorted(hashes.keys() - verify.matching(directory, hashes)):
        raise BundleError(f"BundleCorrupt: {wrong[0]}: its SHA-256 is not what {sums.NAME} says; get it again")
    return hashes


def sha256(file: Path) -> str:
    """The hash of a file of any size."""
    digest = hashlib.sha256()
    with file.open("rb", buffering=0) as opened:
        if size := os.fstat(opened.fileno()).st_size:
            verify.feed(digest, opened.fileno(), 0, size)
    return digest.hexdigest()


def size(directory: Path, paths: Iterable[str]) -> int:
    """Bytes of some files of a bundle."""
    return sum((directory / path).stat().st_size for path in paths)


def _check_place(out: Path, *, replace: bool) -> None:
    if not out.exists():
        return
    if not out.is_dir():
        raise BundleError(f"{out}: a file is there; name a directory for the bundle")
    if not any(out.iterdir()):
        return
    if not (out / sums.NAME).is_file():
        raise BundleError(f"{out}: holds something that is no bundle; name another directory")
    if not replace:
        raise BundleError(f"{out}: a bundle is there already; name another directory, or say replace=True (--replace)")
