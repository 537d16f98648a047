"""Text of anybody's, harmless to a terminal; and logs of which each occurrence is one line.

The commands, the operator, the fetcher and the guard show it by this rule alone.
"""

from __future__ import annotations

import logging
import re
from typing import Any

STEERS = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u206f\ufff9-\ufffb\ud800-\udfff]",
)
"""What orders a terminal about, ends a line, turns the direction of writing round, or is half of a letter. All else is
shown as it is: any script, and emoji with what joins them."""


def printable(text: str) -> str:
    """Return the text with what steers a terminal escaped, on one line; what is printable stays as it is."""
    return STEERS.sub(lambda match: ascii(match[0])[1:-1], text)


def printable_lines(text: str) -> str:
    """Return the text with what steers a terminal escaped in each of its lines."""
    return "\n".join(map(printable, text.split("\n")))


class LineFormatter(logging.Formatter):
    """A log's text: each occurrence is a line of its own, and those of a trace are indented. Much of what is logged is
    in a tenant's words: a line end in it would be another line in the program's name."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  logging's name
        """Return the line of one occurrence."""
        return printable(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:  # noqa: N802  logging's name
        """Return the lines of a trace, indented."""
        return "\n".join(f"    {printable(line)}" for line in super().formatException(ei).split("\n"))
