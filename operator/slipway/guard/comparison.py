"""Comparison: an answer beside the right one of its golden request."""

from __future__ import annotations

from dataclasses import replace
from typing import Sequence

from . import tensors
from .golden import GoldenRequest
from .tensors import Tensor, Tolerance


def wrong(request: GoldenRequest, answer: Sequence[Tensor]) -> str | None:
    """What is wrong with the answer, in one sentence with the request's name, or None."""
    difference = _difference(request.outputs, answer, request.tolerance)
    return None if difference is None else f"{request.name}: {difference}"


def wrong_responses(request: GoldenRequest, answers: Sequence[Sequence[Tensor]]) -> str | None:
    """The same of a decoupled model's responses, which come in their order and without their shapes."""
    if not request.exact:
        return None
    expected = (request.outputs, *request.more)
    if len(answers) != len(expected):
        return f"{request.name}: expected {_counted(len(expected))}, got {len(answers)}"
    for index, (outputs, answer) in enumerate(zip(expected, answers)):
        difference = _difference(outputs, _in_shape(outputs, answer), request.tolerance)
        if difference is not None:
            return f"{request.name}: {f'response {index}: ' if request.more else ''}{difference}"
    return None


def _difference(outputs: Sequence[Tensor], answer: Sequence[Tensor], tolerance: Tolerance | None) -> str | None:
    by_name = {tensor.name: tensor for tensor in answer}
    for expected in outputs:
        got = by_name.get(expected.name)
        if got is None:
            return f"{expected.name}: expected an output of that name, got {sorted(by_name)}"
        difference = tensors.difference(expected, got, tolerance)
        if difference is not None:
            return difference
    return None


def _in_shape(outputs: Sequence[Tensor], answer: Sequence[Tensor]) -> list[Tensor]:
    shapes = {tensor.name: tensor.shape for tensor in outputs}
    return [
        replace(each, shape=shapes[each.name])
        if each.name in shapes and len(each.data) == tensors.elements(shapes[each.name])
        else each
        for each in answer
    ]


def _counted(responses: int) -> str:
    return f"{responses} response{'' if responses == 1 else 's'}"
