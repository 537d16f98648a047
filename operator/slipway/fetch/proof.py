"""Near misses of the names that carry proof. Pure.

Who writes a golden request or a list of hashes means it: passed over in silence, its model would serve unproven.
"""

import re
from collections.abc import Collection
from typing import Final

from slipway.fetch import layout, sums
from slipway.fetch.verdict import invalid

_DIRECTORY: Final = re.compile(r"goldens?", re.IGNORECASE)
_FILE: Final = re.compile(r"goldens?\.jsonl?", re.IGNORECASE)
_LIST: Final = re.compile(r"sha[-_]?256[-_]?(sums?)?(\.(txt|sums?))?", re.IGNORECASE)


def check(paths: Collection[str], *, listed: bool) -> None:
    """BundleInvalid where a file looks like a golden request, or the list of hashes, and would not be read as one."""
    for place, own in sorted((layout.place(name), own) for name, own in layout.by_model(paths).items()):
        for path in sorted(own):
            _check(path, place, listed=listed)


def _check(path: str, place: str, *, listed: bool) -> None:
    at = f"{place}{path}"
    if _passed_over(path):
        raise invalid(
            f"{at}: not asked, since golden requests lie directly in {layout.GOLDEN}/ and end in .json; move it there, "
            f"or rename what it is in: nothing else belongs into {layout.GOLDEN}/"
        )
    if not listed and not place and _LIST.fullmatch(path):
        raise invalid(f"{at}: is it the list of the files' hashes? It is read as {sums.NAME} only; rename it")


def _passed_over(path: str) -> bool:
    *directories, name = path.split("/")
    if layout.is_golden(path) or any(part.startswith(".") for part in (*directories, name)):
        return False
    if directories and layout.is_version(directories[0]):
        directories = directories[1:]
        if not name.casefold().endswith(".json"):  # what a model's own code calls so
            return False
    return bool(_DIRECTORY.fullmatch(directories[0]) if directories else _FILE.fullmatch(name))
