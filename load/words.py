"""Others' words, cut and harmless to a terminal. The operator's own rule is not where this package runs. Pure."""

from collections.abc import Sequence
from typing import Final

WORDS_KEPT: Final = 200
"""Characters of a failure, or of a wrong answer."""


def printable(text: str) -> str:
    """The text on one line, with what steers a terminal escaped."""
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


def printable_lines(text: str) -> str:
    """The text with what steers a terminal escaped in each of its lines."""
    return "\n".join(map(printable, text.split("\n")))


def values_in_words(values: Sequence[float]) -> str:
    """The values as a list. Of many the first ones, and how many there are."""
    words = str(list(values[:WORDS_KEPT]))
    if len(words) <= WORDS_KEPT and len(values) <= WORDS_KEPT:
        return words
    return f"{words[:WORDS_KEPT]}… ({len(values)} values)"
