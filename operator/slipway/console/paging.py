"""Pages of what is more than one page holds."""

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


def page_of(all_of_them: Sequence[T], wanted: str, length: int) -> tuple[list[T], int, int]:
    """What is on a page, its number, and how many there are. A page that is no number is the first."""
    pages = max(1, -(-len(all_of_them) // length))
    number = int(wanted) if wanted.isascii() and wanted.isdigit() and len(wanted) < 6 else 1
    page = min(max(1, number), pages)
    return list(all_of_them[(page - 1) * length : page * length]), page, pages
