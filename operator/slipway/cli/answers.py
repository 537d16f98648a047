"""What `slipway ask` and the console's Try show: each request, whether its answer is right, how long it took. Pure."""

import base64
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import Any, Final

from slipway.cli.text import plain
from slipway.guard.asking import Answer
from slipway.guard.tensors import Tensor

MOST_ELEMENTS: Final = 1000
"""Of a tensor that is shown."""
_MOST_TENSORS: Final = 20
_FIRST: Final = 16
"""Elements of a tensor in a line."""
_LONGEST: Final = 200
"""Characters of a name, and of an element, in a line."""
_MOST_WORDS: Final = 2000
"""Characters: a server's error is as long as it likes, and so are the names in it."""


class Outcome(StrEnum):
    """What became of a request."""

    RIGHT = "right"
    WRONG = "wrong"
    ANSWERED = "answered"
    """And nobody says what is right."""
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A tensor, as the V2 protocol's JSON has it."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    data: list[Any]
    more: int | None = None
    """Elements that are left out."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One request, and what came of it."""

    request: str
    outcome: Outcome
    milliseconds: float | None = None
    words: str = ""
    """What is wrong, or why there is no answer."""
    expected: list[Shown]
    outputs: list[Shown]


@dataclass(frozen=True, kw_only=True)
class Answers:
    """All that was asked of one model, and who answered."""

    name: str
    namespace: str
    version: str
    revision: str
    pod: str
    asked: list[Asked]
    remarks: list[str]

    @property
    def well(self) -> bool:
        """Whether each was answered, and none wrongly."""
        return bool(self.asked) and all(each.outcome in (Outcome.RIGHT, Outcome.ANSWERED) for each in self.asked)


def asked(answer: Answer) -> Asked:
    """What came of a request that was answered."""
    request = answer.request
    judged = Outcome.ANSWERED if not request.exact else Outcome.RIGHT if answer.wrong is None else Outcome.WRONG
    return Asked(
        request=request.name,
        outcome=judged,
        milliseconds=round(answer.seconds * 1000, 1),
        words=_cut((answer.wrong or "").removeprefix(f"{request.name}: "), _MOST_WORDS),
        expected=_tensors([request.outputs, *request.more]) if request.exact else [],
        outputs=_tensors(answer.responses),
    )


def failed(request: str, why: str) -> Asked:
    """A request without an answer."""
    return Asked(request=request, outcome=Outcome.FAILED, words=_cut(why, _MOST_WORDS), expected=[], outputs=[])


def in_lines(tensors: Sequence[Shown]) -> list[tuple[str, str]]:
    """Each tensor in a line: its name, and its first elements. How many there are, and how long, is for the server to
    say: of much there is a part."""
    lines = [(_brief(each.name), _in_a_line(each)) for each in tensors[:_MOST_TENSORS]]
    more = len(tensors) - len(lines)
    return [*lines, ("…", f"and {more} more")] if more > 0 else lines


def _in_a_line(tensor: Shown) -> str:
    elements = ", ".join(_brief(f"{value:g}" if isinstance(value, float) else value) for value in tensor.data[:_FIRST])
    more = len(tensor.data) - _FIRST + (tensor.more or 0)
    shape = _brief(",".join(map(str, tensor.shape)))
    return f"{tensor.datatype}[{shape}] {elements}{f', and {more} more' if more > 0 else ''}"


def _brief(value: object) -> str:
    return plain(_cut(str(value), _LONGEST))


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]}… and {len(text) - most} characters more"


def _tensors(responses: Iterable[Sequence[Tensor]]) -> list[Shown]:
    return [_shown(tensor) for response in responses for tensor in response]


def _shown(tensor: Tensor) -> Shown:
    data = [_element(value) for value in islice(tensor.data, MOST_ELEMENTS)]
    more = len(tensor.data) - len(data)
    return Shown(name=tensor.name, datatype=tensor.datatype, shape=tensor.shape, data=data, more=more or None)


def _element(value: Any) -> Any:
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return {"b64": base64.b64encode(value).decode()}
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value
