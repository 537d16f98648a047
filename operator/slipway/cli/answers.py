"""What `slipway ask` and the console's Try show: each request, whether its answer is right, how long it took. Pure."""

import base64
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import Any, Final

from slipway.guard.asking import Answer
from slipway.guard.tensors import Tensor

MOST_ELEMENTS: Final = 1000
"""Of a tensor that is shown."""


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
        words=(answer.wrong or "").removeprefix(f"{request.name}: "),
        expected=_tensors([request.outputs, *request.more]) if request.exact else [],
        outputs=_tensors(answer.responses),
    )


def failed(request: str, why: str) -> Asked:
    """A request without an answer."""
    return Asked(request=request, outcome=Outcome.FAILED, words=why, expected=[], outputs=[])


def in_a_line(tensor: Shown, most: int = 16) -> str:
    """A tensor with its first elements."""
    elements = ", ".join(f"{value:g}" if isinstance(value, float) else str(value) for value in tensor.data[:most])
    more = len(tensor.data) - most + (tensor.more or 0)
    shape = ",".join(map(str, tensor.shape))
    return f"{tensor.datatype}[{shape}] {elements}{f', and {more} more' if more > 0 else ''}"


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
