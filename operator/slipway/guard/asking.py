"""One golden request, asked in the way that the model's configuration says: by sequence, as a stream, or plainly.

The guard asks by this in the pod, and people by `slipway ask`.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Callable, Iterator, NamedTuple, Sequence

from . import comparison, model_config
from .golden import GoldenRequest
from .model_config import ModelConfig
from .protocol import Client
from .tensors import Tensor


class Answer(NamedTuple):
    """What came back for one request, or one step of a sequence."""

    request: GoldenRequest
    responses: Sequence[Sequence[Tensor]]
    """One, but of a decoupled model."""
    wrong: str | None
    """What is wrong with it, in one sentence, or None."""
    seconds: float


def ask(
    client: Client,
    config: ModelConfig,
    request: GoldenRequest,
    seconds_left: Callable[[], float],
    *,
    version: str = "",
    ended: Callable[[int, float | None], None] = lambda _step, _seconds: None,
) -> Iterator[Answer]:
    """Ask each step when it is wanted, and give it what time is left then. `ended` is called after each with its
    number and the seconds that its answer took, None where none came. Unreachable, TooSlow and Refused as `Client`
    raises them, and CannotAskError."""
    sequence = model_config.new_sequence(config) if config.sequences else None
    steps = (request,) if config.decoupled else request.steps
    for index, step in enumerate(steps):
        place = {} if sequence is None else model_config.step_parameters(sequence, index, len(steps))
        parameters, began = {**step.parameters, **place}, time.monotonic()
        seconds = None
        try:
            responses = _responses(client, config, replace(step, parameters=parameters), seconds_left(), version)
            seconds = time.monotonic() - began
        finally:
            ended(index, seconds)
        wrong = (
            comparison.wrong_responses(step, responses) if config.decoupled else comparison.wrong(step, responses[0])
        )
        yield Answer(step, responses, wrong, seconds)


def _responses(
    client: Client, config: ModelConfig, step: GoldenRequest, timeout_seconds: float, version: str
) -> Sequence[Sequence[Tensor]]:
    if config.decoupled:
        return client.generate(step.inputs, config, timeout_seconds, version=version, parameters=step.parameters)
    outputs = [output.name for output in step.outputs] or None
    return [client.infer(step.inputs, outputs, timeout_seconds, version=version, parameters=step.parameters)]
