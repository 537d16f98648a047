"""Others' words, cut and harmless to a terminal. The operator's own rule is not where this package runs. Pure."""

from typing import Final

WORDS_KEPT: Final = 200
"""Characters of a failure, or of a wrong answer."""


def printable(text: str) -> str:
    """The text on one line, with what steers a terminal escaped."""
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


def printable_lines(text: str) -> str:
    """The text with what steers a terminal escaped in each of its lines."""
    return "\n".join(map(printable, text.split("\n")))
