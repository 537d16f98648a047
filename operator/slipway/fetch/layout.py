"""Which files may make up a bundle. Pure: names in, the first broken rule out.

Triton reads a directory name as a version with `stoll`, so `2.tmp` *is* version 2 for it and a half-written one hangs
the server for ever: nothing that only resembles a version may reach it.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Final

from slipway.fetch import sums
from slipway.fetch.stores import Entry
from slipway.fetch.verdict import FetchError, Reason, invalid, shown

CONFIG: Final = "config.pbtxt"
GOLDEN: Final = "golden"
MAX_FILES: Final = 10_000
MAX_ENTRIES: Final = 2 * MAX_FILES
"""With what stands for directories."""
MAX_BYTES: Final = 2**50
_MAX_PATH_BYTES: Final = 1024
_MAX_NAME_BYTES: Final = 255

_VERSION: Final = re.compile(r"[1-9][0-9]{0,17}")
_READ_AS_VERSION: Final = re.compile(r"\s*[+-]?[0-9]")
_FORBIDDEN: Final = re.compile(r"[\\\x00-\x1f\x7f]")


def check_path(path: str) -> None:
    """BundleInvalid unless `path` is a plain relative path that stays inside the bundle."""
    parts = path.split("/")
    if path.startswith("/") or ".." in parts:
        raise invalid(f"{path!r}: leaves the bundle's directory; name files by their path inside it")
    if _FORBIDDEN.search(path):
        raise invalid(f"{path!r}: a backslash or a control character in a name; rename the file")
    if "" in parts or "." in parts:
        raise invalid(f"{path!r}: an empty or `.` part in a path; upload it under a plain path")
    if len(path.encode(errors="surrogateescape")) > _MAX_PATH_BYTES or any(
        len(part.encode(errors="surrogateescape")) > _MAX_NAME_BYTES for part in parts
    ):
        raise _too_long(path)
    try:
        path.encode()
    except UnicodeEncodeError:
        raise invalid(f"{path!r}: the name is not UTF-8; rename the file") from None
    if "__pycache__" in parts:
        raise invalid(
            f"{path}: Python's own cache, which changes what Triton loads; delete __pycache__ from the bundle"
        )


def check(paths: Collection[str]) -> None:
    """BundleInvalid unless these files, and no others, are one Triton model directory."""
    if len(paths) > MAX_FILES:
        raise invalid(f"the bundle has {len(paths)} files and {MAX_FILES} are the most; pack the small ones together")
    for path in paths:
        check_path(path)
    if any(path.startswith(f"{sums.NAME}/") for path in paths):
        raise invalid(f"{sums.NAME}/: a directory where the list of files belongs; rename it")
    _check_no_file_is_a_directory(set(paths))
    _check_config(paths)
    _check_versions({path.split("/")[0] for path in paths if "/" in path})


def check_complete(listed: Mapping[str, str], present: Iterable[str]) -> None:
    """What SHA256SUMS names is all there, and nothing else is."""
    there = set(present) - {sums.NAME}
    unlisted = sorted(there - listed.keys())
    if unlisted:
        raise invalid(f"{shown(unlisted)}: in the bundle but not in {sums.NAME}; delete it, or write the list anew")
    missing = sorted(listed.keys() - there)
    if missing:
        message = f"{shown(missing)}: {sums.NAME} names it and the source does not have it; upload it"
        raise FetchError(Reason.SOURCE_NOT_FOUND, message)


def without_markers(sizes: Mapping[str, int]) -> set[str]:
    """The paths without the empty objects that S3 browsers leave to stand for a directory."""
    empty = {path for path, size in sizes.items() if size == 0}
    return sizes.keys() - {parent for path in sizes for parent in parents(path) if parent in empty}


def too_many(what: str) -> FetchError:
    """More files than a bundle may have."""
    return invalid(f"{what} has more than {MAX_FILES} files; pack the small ones together")


def bounded(entries: Iterable[Entry], what: str) -> list[Entry]:
    """The entries of a listing; BundleInvalid where it, or a name in it, goes on and on."""
    found = []
    for entry in entries:
        if len(entry.path) > _MAX_PATH_BYTES:
            raise _too_long(entry.path)
        found.append(entry)
        if len(found) > MAX_ENTRIES:
            raise too_many(what)
    return found


def _too_long(path: str) -> FetchError:
    return invalid(f"{path[:80]!r}…: longer than a file system takes; shorten the name")


def is_version(name: str) -> bool:
    """Whether a top-level directory is a version directory."""
    return bool(_VERSION.fullmatch(name))


def is_golden(path: str) -> bool:
    """Whether the file is one of the bundle's golden requests."""
    directory, _, name = path.partition("/")
    return directory == GOLDEN and name.endswith(".json") and "/" not in name


def parents(path: str) -> list[str]:
    """The directories that a file is in, the outermost first."""
    parts = path.split("/")
    return ["/".join(parts[:end]) for end in range(1, len(parts))]


def _check_no_file_is_a_directory(paths: set[str]) -> None:
    for path in sorted(paths):
        for parent in parents(path):
            if parent in paths:
                raise invalid(f"{parent}: a file, and a directory in {path}; rename one of them")


def _check_config(paths: Collection[str]) -> None:
    if CONFIG in paths:
        return
    if not paths:
        raise invalid("the source has no file; put the bundle there")
    deeper = sorted(path for path in paths if path.endswith(f"/{CONFIG}"))
    if deeper:
        raise invalid(f"{CONFIG}: not at the top, but there is {deeper[0]}; let source.uri end in that directory")
    raise invalid(
        f"{CONFIG}: not in the bundle, which has {shown(sorted(paths))}; add Triton's configuration of the model"
    )


def _check_versions(directories: set[str]) -> None:
    odd = sorted(name for name in directories if _READ_AS_VERSION.match(name) and not is_version(name))
    if odd:
        raise invalid(f"{odd[0]}/: Triton would take it for a version; name versions 1, 2, 3 and remove this directory")
    if not any(is_version(name) for name in directories):
        raise invalid("no version directory; put the model's file into 1/, such as 1/model.onnx")
