"""Pages of what is more than one page holds."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

T = TypeVar("T")
_CHIPS: Final = 40
"""Values by which a page may be narrowed: anybody who may write an object makes one more."""


def page_of(all_of_them: Sequence[T], wanted: str, length: int) -> tuple[list[T], int, int]:
    """What is on a page, its number, and how many there are. A page that is no number is the first."""
    pages = max(1, -(-len(all_of_them) // length))
    number = int(wanted) if wanted.isascii() and wanted.isdigit() and len(wanted) < 6 else 1
    page = min(max(1, number), pages)
    return list(all_of_them[(page - 1) * length : page * length]), page, pages


@dataclass(frozen=True)
class Facet:
    """Values with how many have them, and how many more values there are, which fewer have."""

    values: list[tuple[str, int]]
    more: int


def facet(counts: Counter[str]) -> Facet:
    """The values that most have, by their names."""
    named = Counter({value: count for value, count in counts.items() if value})
    most = sorted(named.items(), key=lambda each: (-each[1], each[0]))[:_CHIPS]
    return Facet(sorted(most), len(named) - len(most))
