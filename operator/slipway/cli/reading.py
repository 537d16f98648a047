"""JSON that a cluster hands out: whoever may write an object has written a part of it."""

import json
import re
from collections.abc import Iterator
from itertools import chain
from typing import Any, Final

DEEPEST: Final = 100
"""Levels. What renders, validates or prints an object goes a few calls down for each."""
TOO_DEEP: Final = f"nested deeper than {DEEPEST} levels: not shown"
"""In the place of what is."""

_PARTS: Final = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[{[]|[]}]')


def read(text: str | bytes) -> Any:
    """The value of a JSON text, with TOO_DEEP in place of what is nested too deep; ValueError for what is no JSON."""
    text = text.decode(errors="replace") if isinstance(text, bytes) else text
    try:
        value = json.loads(text)
        deep = _is_deep(value)
    except RecursionError:
        deep = True
    return json.loads("".join(_cut(text))) if deep else value


def _is_deep(value: Any) -> bool:
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(DEEPEST):
        inner = (each.values() if isinstance(each, dict) else each for each in level)
        level = [each for each in chain.from_iterable(inner) if isinstance(each, dict | list)]
    return bool(level)


def _cut(text: str) -> Iterator[str]:
    """The text's pieces, without what is nested too deep."""
    depth, start = 0, 0
    for part in _PARTS.finditer(text):
        if part[0] in "{[":
            depth += 1
            if depth == DEEPEST + 1:
                yield text[start : part.start()]
        elif part[0] in "]}":
            if depth == DEEPEST + 1:
                yield json.dumps(TOO_DEEP)
                start = part.end()
            depth -= 1
    if depth <= DEEPEST:
        yield text[start:]
