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
MODELS: Final = "models"
"""Where the other models of a bundle lie, its parts: `models/NAME/config.pbtxt` makes NAME one. Without any it is a
directory like others."""
MAX_PARTS: Final = 16
MAX_FILES: Final = 10_000
MAX_ENTRIES: Final = 2 * MAX_FILES
"""With what stands for directories."""
MAX_BYTES: Final = 2**50
_MAX_PATH_BYTES: Final = 1024
_MAX_NAME_BYTES: Final = 255

_VERSION: Final = re.compile(r"[1-9][0-9]{0,17}")
_PART: Final = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9_])?")
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
    """BundleInvalid unless these files, and no others, are a Triton model directory, with those of its parts."""
    if len(paths) > MAX_FILES:
        raise invalid(f"the bundle has {len(paths)} files and {MAX_FILES} are the most; pack the small ones together")
    for path in paths:
        check_path(path)
    for name, what in ((sums.NAME, "the list of files"), (sums.SIGNATURE, "the signature")):
        if any(path.startswith(f"{name}/") for path in paths):
            raise invalid(f"{name}/: a directory where {what} belongs; rename it")
    _check_no_file_is_a_directory(set(paths))
    _check_config(paths)
    names = parts(paths)
    _check_parts(paths, names)
    for name, files in by_model(paths).items():
        _check_versions({path.split("/")[0] for path in files if "/" in path}, place(name))
    if not names:  # with parts, each configuration says whether its model needs one
        check_has_version(paths, "")


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


def several(where: str, configurations: list[str]) -> FetchError:
    """Several models, and none of them is the one that clients ask."""
    return invalid(
        f"{where} {shown(configurations)}; a bundle has the model that clients ask at its top, and those that this one "
        f"asks in {MODELS}/: lay them out so, as slipway pack models does, or serve each by itself"
    )


def bounded(entries: Iterable[Entry], what: str) -> list[Entry]:
    """The entries of a listing; BundleInvalid where it, or a name in it, goes on and on."""
    listed = []
    for entry in entries:
        if len(entry.path) > _MAX_PATH_BYTES:
            raise _too_long(entry.path)
        listed.append(entry)
        if len(listed) > MAX_ENTRIES:
            raise too_many(what)
    return listed


def _too_long(path: str) -> FetchError:
    return invalid(f"{path[:80]!r}…: longer than a file system takes; shorten the name")


def is_version(name: str) -> bool:
    """Whether a top-level directory is a version directory."""
    return bool(_VERSION.fullmatch(name))


def check_has_version(paths: Iterable[str], where: str) -> None:
    """BundleInvalid unless a model's own files are some of a version. `where`: the model's place in the bundle."""
    if not any("/" in path and is_version(path.split("/")[0]) for path in paths):
        problem = f"{where}: no version directory" if where else "no version directory"
        raise invalid(f"{problem}; put the model's file into {where}1/, such as {where}1/model.onnx")


def part_of(path: str) -> tuple[str, str] | None:
    """The name of the part that a file would belong to, and its path in there; None for a file of the entry model."""
    directory, _, rest = path.partition("/")
    name, _, inner = rest.partition("/")
    return (name, inner) if directory == MODELS and inner else None


def parts(paths: Iterable[str]) -> list[str]:
    """The names of a bundle's parts."""
    pairs = (part_of(path) for path in paths)
    return sorted({part[0] for part in pairs if part and part[1] == CONFIG})


def is_in_version(path: str) -> bool:
    """Whether the file lies in a version directory, of the entry model or of what may be a part."""
    part = part_of(path)
    return is_version((part[1] if part else path).partition("/")[0])


def place(name: str) -> str:
    """Where a model's files are in the bundle: `models/NAME/` for a part, nothing for the entry model, called ``."""
    return f"{MODELS}/{name}/" if name else ""


def by_model(paths: Collection[str]) -> dict[str, set[str]]:
    """Each model's files, by their paths in its own directory: the entry model's first, under the name ``."""
    files: dict[str, set[str]] = {name: set() for name in ("", *parts(paths))}
    for path in paths:
        part = part_of(path) if len(files) > 1 else None
        if part and part[0] in files:
            files[part[0]].add(part[1])
        else:
            files[""].add(path)
    return files


def is_config(path: str) -> bool:
    """Whether the file is the configuration of the entry model, or of a part."""
    part = part_of(path)
    return part[1] == CONFIG if part else path == CONFIG


def is_golden(path: str) -> bool:
    """Whether the file is a golden request, of the entry model or of a part."""
    part = part_of(path)
    directory, _, name = (part[1] if part else path).partition("/")
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
    if len(deeper) > 1 or any(map(is_config, deeper)):
        raise several(f"{CONFIG}: not at the top, but there is", deeper)
    if deeper:
        raise invalid(f"{CONFIG}: not at the top, but there is {deeper[0]}; let source.uri end in that directory")
    raise invalid(
        f"{CONFIG}: not in the bundle, which has {shown(sorted(paths))}; add Triton's configuration of the model"
    )


def _check_versions(directories: set[str], where: str) -> None:
    odd = sorted(name for name in directories if _READ_AS_VERSION.match(name) and not is_version(name))
    if odd:
        message = "Triton would take it for a version; name versions 1, 2, 3 and remove this directory"
        raise invalid(f"{where}{odd[0]}/: {message}")


def _check_parts(paths: Collection[str], names: list[str]) -> None:
    """Where there are parts, everything in models/ is one of theirs: a slip of a name is not passed over."""
    if len(names) > MAX_PARTS:
        raise invalid(f"{MODELS}/: {len(names)} models, and {MAX_PARTS} are the most; take some out")
    for name in names:
        if not _PART.fullmatch(name):
            raise invalid(
                f"{place(name)}: no name for a model; take at most 63 letters, digits, `.`, `_` and `-`, a letter or "
                "digit first and last"
            )
    for path in sorted(paths) if names else ():
        part = part_of(path)
        if path.startswith(f"{MODELS}/") and (part is None or part[0] not in names):
            raise invalid(
                f"{path}: belongs to no model, since {MODELS}/ holds a directory with a {CONFIG} for each; add that "
                "file, or move this one elsewhere"
            )
