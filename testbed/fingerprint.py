"""One short name for the content of files, so that what is made from them is made again exactly when they change."""

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

IGNORED = ("__pycache__",)


def fingerprint(*parts: str | Path) -> str:
    """Twelve hex digits over text parts, and over the names, modes and bytes of files and folders."""
    total = hashlib.sha256()
    for part in parts:
        for piece in _pieces(part):
            total.update(len(piece).to_bytes(8, "big") + piece)
    return total.hexdigest()[:12]


def _pieces(part: str | Path) -> Iterator[bytes]:
    if isinstance(part, str):
        yield part.encode()
        return
    for file in _files(part):
        yield str(file.relative_to(part)).encode()
        yield b"x" if file.stat().st_mode & 0o100 else b"-"
        yield file.read_bytes()


def _files(path: Path) -> Iterable[Path]:
    if path.is_file():
        return [path]
    found = (file for file in path.rglob("*") if file.is_file())
    return sorted(file for file in found if not set(file.parts) & set(IGNORED))
