"""Hashing what is on disk, and what to say when it is not what it should be."""

import hashlib
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from slipway.fetch import sums
from slipway.fetch.progress import Progress
from slipway.fetch.verdict import FetchError, Reason

_BUFFER_BYTES: Final = 128 * 1024  # stays in the processor's cache
_READERS: Final = 2


def feed(digest: "hashlib._Hash", fd: int, start: int, end: int) -> None:
    """Hash the bytes from `start` to `end` of an open file. Blocks; hashlib lets other threads run meanwhile."""
    buffer = bytearray(min(_BUFFER_BYTES, end - start))
    view = memoryview(buffer)
    while start < end:
        count = os.preadv(fd, [view[: min(len(buffer), end - start)]], start)
        if not count:
            raise FetchError(
                Reason.FETCH_FAILED, f"a file on the volume shrank to {start} bytes while it was read; try again"
            )
        digest.update(view[:count])
        start += count


def matching(directory: Path, hashes: Mapping[str, str], progress: Progress | None = None) -> set[str]:
    """Those of the listed files that lie in `directory` with the right content."""

    def actual(path: str) -> str | None:
        return _sha256(directory / path, progress)

    with ThreadPoolExecutor(_READERS, "hash") as threads:
        actual_hashes = threads.map(actual, hashes)
        return {
            path for (path, expected), hashed in zip(hashes.items(), actual_hashes, strict=True) if hashed == expected
        }


def check(path: str, content: bytes, hashes: Mapping[str, str]) -> None:
    """BundleCorrupt unless a small file's content is what SHA256SUMS says; without a list nothing is said."""
    if path in hashes:
        check_hash(path, hashlib.sha256(content).hexdigest(), hashes[path])


def check_hash(path: str, actual: str, expected: str) -> None:
    """BundleCorrupt unless the two are the same."""
    if actual != expected:
        message = f"{path}: SHA-256 is {actual[:16]}…, {sums.NAME} says {expected[:16]}…; upload it again"
        raise FetchError(Reason.BUNDLE_CORRUPT, message)


def _sha256(path: Path, progress: Progress | None) -> str | None:
    try:
        with path.open("rb", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            digest = hashlib.sha256()
            feed(digest, file.fileno(), 0, size)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None
    if progress:
        progress.add(size)
    return digest.hexdigest()
