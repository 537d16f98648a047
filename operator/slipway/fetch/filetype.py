"""What bytes are by how they begin, whatever their name says. Pure. None is quoted: a source may lead anywhere.

An upload that went wrong in an ordinary way is told as what it is: a page to sign in at in place of an archive, an
archive of another kind, a pointer in place of the file that it stands for.
"""

from typing import Final

from slipway.fetch.verdict import FetchError, Reason, invalid

HEAD_BYTES: Final = 512
"""As many as tell an archive: tar's mark stands behind its first header."""
ARCHIVES: Final = ".tar, .tar.gz, .tgz or .tar.zst"
MOST_POINTER_BYTES: Final = 1024

_GZIP: Final = "a gzip file"
_ZSTD: Final = "a zstd file"
_TAR: Final = "a plain tar"
_PAGE: Final = "a web page"
_BY_ENDING: Final = {".tar": _TAR, ".tar.gz": _GZIP, ".tgz": _GZIP, ".tar.zst": _ZSTD}
_BEGINNINGS: Final = (
    (b"\x1f\x8b", _GZIP),
    (b"\x28\xb5\x2f\xfd", _ZSTD),
    *((bytes((number,)) + b"\x2a\x4d\x18", _ZSTD) for number in range(0x50, 0x60)),  # a frame that is passed over
    (b"PK\x03\x04", "a zip file"),
    (b"\xfd7zXZ\x00", "an xz file"),
    (b"BZh", "a bzip2 file"),
)
_MARKUP: Final = (b"<!doctype", b"<html", b"<?xml")
_POINTERS: Final = (
    (b"version https://git-lfs.github.com/spec/", "a Git LFS pointer", "git lfs pull"),
    (b"version https://hawser.github.com/spec/", "a Git LFS pointer", "git lfs pull"),
    (b"/annex/objects/", "a git-annex pointer", "git annex get"),
)


def check_archive(head: bytes, ending: str, shown: str) -> None:
    """A FetchError where an archive's first bytes are of another kind than its name's ending says."""
    wanted, actual = _BY_ENDING[ending], _kind(head)
    if actual == wanted or not head:
        return
    check_no_page(head, shown)
    if actual is None:
        if wanted == _TAR:
            return  # old ones have no mark
        if any(beginning.startswith(head) and kind == wanted for beginning, kind in _BEGINNINGS):
            raise FetchError(Reason.BUNDLE_TRUNCATED, f"{shown}: the archive ends in the middle; upload it again")
        raise FetchError(
            Reason.BUNDLE_CORRUPT, f"{shown}: not {wanted}, which its name says; write and upload it again"
        )
    right = next((ending for ending, kind in _BY_ENDING.items() if kind == actual), None)
    if right is None:
        raise invalid(f"{shown}: {actual}; archives are {ARCHIVES}: pack it anew")
    raise invalid(f"{shown}: {actual}, and its name says {wanted}; let source.uri end in {right}")


def check_no_page(head: bytes, shown: str) -> None:
    """SourceDenied where a server answers with a page what a program asked it for."""
    if _kind(head) == _PAGE:
        message = f"{shown}: {_PAGE}, and not the file; if one signs in there, name a Secret in source.secretName, "
        raise FetchError(Reason.SOURCE_DENIED, f"{message}else let source.uri name the bundle itself")


def check_file(path: str, content: bytes) -> None:
    """BundleInvalid where a file's content only names what belongs there."""
    for beginning, what, command in _POINTERS:
        if len(content) < MOST_POINTER_BYTES and content.startswith(beginning):
            raise invalid(f"{path}: {what}, not the file; {command}, then write SHA256SUMS anew and upload both")


def _kind(head: bytes) -> str | None:
    if head[257:262] == b"ustar":
        return _TAR
    if head.lstrip().lower().startswith(_MARKUP):
        return _PAGE
    return next((kind for beginning, kind in _BEGINNINGS if head.startswith(beginning)), None)
