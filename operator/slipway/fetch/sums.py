"""SHA256SUMS: the list that names every file of a bundle, and the digests made from it. Pure."""

import hashlib
import re
from collections.abc import Iterable
from typing import Final

from slipway.fetch.verdict import invalid
from slipway.guard import document

NAME: Final = "SHA256SUMS"
SIGNATURE: Final = "model.sig"
"""Beside the list and not in it: it is made of the list, so that signing changes no digest. Never served."""
COMMAND: Final = f"find . -type f ! -name {NAME} ! -name {SIGNATURE} -print0 | sort -z | xargs -0 sha256sum > {NAME}"
"""What people write it with: every file, at any depth, with any name."""
LIMIT_BYTES: Final = 4 * 1024 * 1024

_LINE: Final = re.compile(r"(?P<hash>[0-9a-fA-F]{64}) [ *](?P<path>.+)")


def parse(content: bytes) -> dict[str, str]:
    """Path to lower-case hash, in the order of the file; BundleInvalid with the line that cannot be read."""
    try:
        text = document.text(content)
    except document.NotText as error:
        raise invalid(f"{NAME}: {error}, or write it with sha256sum") from None
    listed: dict[str, str] = {}
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        path, digest = _read(line.removesuffix("\r"), number)
        if path in listed:
            raise invalid(f"{NAME}: line {number}: {path} is listed twice; write the list anew")
        listed[path] = digest
    if not listed:
        raise invalid(f"{NAME}: names no file; write it with: {COMMAND}")
    return listed


def digest_of(content: bytes) -> str:
    """The digest that names a bundle: the SHA-256 of its SHA256SUMS."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def digest_of_listing(entries: Iterable[tuple[str, int, str]]) -> str:
    """A digest for a bundle without SHA256SUMS: over each file's path, size and entity tag."""
    lines = (f"{path}\t{size}\t{tag}\n" for path, size, tag in sorted(entries))
    return digest_of("".join(lines).encode())


def _read(line: str, number: int) -> tuple[str, str]:
    if line.startswith("\\"):
        raise invalid(f"{NAME}: line {number}: names a file with a backslash or a line break in it; rename the file")
    match = _LINE.fullmatch(line)
    if not match:
        # Not quoted: where a source leads to is the source's to say, and what is there may be for nobody's eyes.
        raise invalid(
            f"{NAME}: line {number}: {len(line)} characters that are not `HASH  PATH`; write it with sha256sum"
        )
    path = match["path"].removeprefix("./")
    if path == NAME:
        raise invalid(f"{NAME}: line {number}: lists itself, and its own hash can never be right; take the line out")
    if path == SIGNATURE:
        raise invalid(f"{NAME}: line {number}: lists {SIGNATURE}, which is made of this list; take the line out")
    return path, match["hash"].lower()
