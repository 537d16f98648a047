"""Text and JSON out of a bundle's bytes, read by one rule wherever they are read: the fetcher imports this too."""

from __future__ import annotations

import codecs
import json
import math
from typing import Any, Callable

_WIDE = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE)
_NOT_NUMBERS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


class NotText(ValueError):
    """Bytes that are not UTF-8, or say so in front."""


def text(content: bytes) -> str:
    """The text; NotText says what it is instead. Triton takes no byte order mark, so none is taken here."""
    if content.startswith(codecs.BOM_UTF8):
        raise NotText("begins with a byte order mark; save it as UTF-8 without one")
    if content.startswith(_WIDE):
        raise NotText("is not UTF-8 but UTF-16 or UTF-32; save it as UTF-8 without a byte order mark")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise NotText(f"not UTF-8 at byte {error.start}; save it as UTF-8") from None


def read(content: bytes, not_a_number: Callable[[str], Any] = _NOT_NUMBERS.__getitem__) -> Any:
    """The JSON value; ValueError for none. `not_a_number` is given `NaN`, `Infinity` or `-Infinity`."""
    return json.loads(text(content), parse_float=_float, parse_constant=not_a_number)


def _float(literal: str) -> float:
    """Python reads what no double holds as an infinity: another number than what was written, and no JSON again."""
    value = float(literal)
    if math.isinf(value):
        raise ValueError(f'{literal[:40]} is more than a float holds; write "Infinity" where that is meant')
    return value
