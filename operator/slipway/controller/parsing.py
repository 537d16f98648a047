"""Parsing of JSON from the API server, whatever people stored in it.

What the fast parser refuses is valid JSON all the same: lists within lists by the thousand, numbers beyond a float,
halves of characters. One object like that stands in a page beside everybody else's. So parsing is total: what is nested
too deep is cut off, so that the object alone cannot be used; every other oddity is read as near as can be.
"""

import json
import math
import re
import sys
from collections.abc import Iterator
from typing import Any, Final

import orjson

DEEPEST: Final = 128
"""Levels that are read, a list's or a watch's own included. The fast parser reads 1,024, and writes 254."""
CUT: Final = f"(nested deeper than {DEEPEST} levels)"
"""What stands where something was cut off."""

# Brackets in a row are one token, and strings are passed over: no byte is looked at twice.
_TOKEN: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[\[{]+|[\]}]+', re.DOTALL)
_INTEGER_DIGITS: Final = 19
"""From so many on it may be more than 64 bits, and is a float."""


def loads(text: bytes | str) -> Any:
    """Parse any JSON, with CUT in place of what is nested too deep; ValueError for what is no JSON."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        raw = text.encode(errors="replace") if isinstance(text, str) else text
        return _slowly(b"".join(_shallow(raw)))


def dumps(value: Any) -> bytes:
    """JSON of what was parsed here, with CUT in place of what is nested too deep."""
    try:
        return orjson.dumps(value)
    except TypeError:  # it writes no more than 254 levels
        return orjson.dumps(_cut(value, DEEPEST))


def _cut(value: Any, levels: int) -> Any:
    match value:
        case dict() | list() if not levels:
            return CUT
        case dict():
            return {key: _cut(each, levels - 1) for key, each in value.items()}
        case list():
            return [_cut(each, levels - 1) for each in value]
    return value


def _slowly(text: bytes) -> Any:
    """By the standard library, which knows no bounds, and once more by the fast one, so that there is no difference."""
    words = text.decode(errors="replace")
    value = json.loads(words, parse_int=_integer, parse_float=_number, parse_constant=_refused, strict=False)
    return orjson.loads(json.dumps(value, ensure_ascii=False).encode(errors="replace"))


def _shallow(text: bytes) -> Iterator[bytes]:
    """The text with CUT in place of all that is nested deeper than DEEPEST."""
    depth, begin = 0, 0
    for token in _TOKEN.finditer(text):
        first = text[token.start()]
        if first == _QUOTE:
            continue
        length = token.end() - token.start()
        if first in _OPENING:
            if depth <= DEEPEST < depth + length:
                yield text[begin : token.start() + DEEPEST - depth]
            depth += length
        else:
            if depth - length <= DEEPEST < depth:
                yield f'"{CUT}"'.encode()
                begin = token.start() + depth - DEEPEST
            depth -= length
    if depth <= DEEPEST:
        yield text[begin:]


_QUOTE: Final = ord('"')
_OPENING: Final = b"[{"


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) < _INTEGER_DIGITS else _number(digits)


def _number(digits: str) -> float:
    number = float(digits)
    return number if math.isfinite(number) else math.copysign(sys.float_info.max, number)


def _refused(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON")
