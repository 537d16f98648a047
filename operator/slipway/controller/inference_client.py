"""Inference requests to single pods, for the comparison of answers: asked as the guard asks, in the way that the pod's
own configuration of the model says.

Every request ends in an Answer: tensors, or in words why there are none.
"""

import asyncio
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Final, ParamSpec, TypeVar
from urllib.parse import quote

import aiohttp

from slipway.controller.http import AnswerTooLargeError, host_of, read_bounded
from slipway.controller.turns import NoTurnError
from slipway.core.analysis.look import Target
from slipway.core.names import HTTP_PORT
from slipway.core.observed.evidence import Answer, Output
from slipway.core.reasons import fit
from slipway.guard import golden, labelled, model_config, wire
from slipway.guard.model_config import ModelConfig
from slipway.guard.tensors import Tensor

_P = ParamSpec("_P")
_R = TypeVar("_R")
Turn = Callable[[], AbstractAsyncContextManager[None]]

_LARGEST_BYTES: Final = 256 * 1024
"""Of an answer: its elements are compared one by one, in Python."""
_LONGEST: Final = 200
_CACHED: Final = (
    "its server has a response cache, which may have answered for the model: take --cache-config out of server.args, "
    "or response_cache out of config.pbtxt"
)


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is asked of each pod."""

    inputs: tuple[Tensor, ...]
    parameters: Mapping[str, Any]


class _RefusedError(Exception):
    def __init__(self, status: int, trouble: str) -> None:
        super().__init__(trouble)
        self.status = status


def parse_request(document: Mapping[str, Any]) -> Request:
    """The V2 request in a document. The message of its ValueError names the field that does not fit."""
    inputs = golden.parse_tensors(document, "inputs")
    return Request(inputs=inputs, parameters=golden.parse_parameters(document))


async def infer(
    session: aiohttp.ClientSession,
    target: Target,
    model: str,
    request: Request,
    *,
    reading_turn: Turn,
    timeout_seconds: float,
    port: int = HTTP_PORT,
) -> Answer:
    """Send one inference request to one pod. Each thread for it waits for a `reading_turn`."""
    url = f"http://{host_of(target.ip)}:{port}/v2/models/{quote(model, safe='')}"
    try:
        async with asyncio.timeout(timeout_seconds):
            return Answer(pod=target.name, outputs=await _outputs_of(session, url, request, reading_turn))
    except _RefusedError as error:
        return Answer(pod=target.name, status=error.status, trouble=str(error))
    except TimeoutError:
        trouble = f"no answer within {timeout_seconds:g} s"
    except NoTurnError as error:
        trouble = str(error)
    except AnswerTooLargeError:
        trouble = f"its answer is larger than {_LARGEST_BYTES // 1024} KiB: compare smaller ones"
    except (aiohttp.ClientError, OSError) as error:
        trouble = f"cannot be reached: {_plain(str(error)) or type(error).__name__}"
    # The boundary to a server that anybody may have written: whatever its bytes bring about is its answer's fault.
    except Exception as error:  # noqa: BLE001
        trouble = f"its answer cannot be read: {_plain(str(error)) or type(error).__name__}"
    return Answer(pod=target.name, status=0, trouble=trouble)


async def mark(
    session: aiohttp.ClientSession,
    target: Target,
    model: str,
    rows: labelled.Rows,
    *,
    turn: Turn,
    reading_turn: Turn,
    deadline: float,
    timeout_seconds: float,
    port: int = HTTP_PORT,
) -> tuple[labelled.Marking | None, int, str]:
    """Ask one pod labelled rows, one request after the other: its answers beside the labels, how many requests were
    sent, and why there are no answers. Each request waits for its `turn`, each thread for a `reading_turn`; `deadline`
    is of the loop's clock."""
    url = f"http://{host_of(target.ip)}:{port}/v2/models/{quote(model, safe='')}"
    sent = 0
    try:
        async with asyncio.timeout_at(deadline):
            async with turn():
                content, _ = await _exchange(session, "GET", f"{url}/config")
            config = await _in_thread(reading_turn, _config, content)
            marking, batches = labelled.Marking(config), labelled.batches(rows, config)
            while batch := await _in_thread(reading_turn, next, batches, None):
                async with turn():
                    sent += 1
                    async with asyncio.timeout(timeout_seconds):
                        answer = await _infer(session, url, batch.inputs, {}, reading_turn)
                await _in_thread(reading_turn, _take, marking, batch, *answer)
            if config.response_cache:
                await _require_no_cache(session, url)
            return marking, sent, ""
    except (labelled.LabelledError, _RefusedError) as error:
        trouble = fit(str(error), _LONGEST)
    except TimeoutError:
        trouble = f"labelled rows were not all answered in time, after {sent} requests; keep fewer"
    except AnswerTooLargeError:
        trouble = f"an answer is larger than {_LARGEST_BYTES // 1024} KiB"
    # The boundary to a server that anybody may have written: whatever its bytes bring about is its answer's fault.
    except Exception as error:  # noqa: BLE001
        trouble = f"labelled rows cannot be asked: {_plain(str(error)) or type(error).__name__}"
    return None, sent, trouble


def _take(marking: labelled.Marking, batch: labelled.Batch, content: bytes, header: int) -> None:
    marking.take(batch, wire.infer_answer(content, header))


async def _in_thread(turn: Turn, work: Callable[_P, _R], *args: _P.args, **kwargs: _P.kwargs) -> _R:
    """Do what takes time by what a pod says. There are few threads, and other namespaces' looks need them too."""
    async with turn():
        return await asyncio.to_thread(work, *args, **kwargs)


def _config(content: bytes) -> ModelConfig:
    return model_config.read(json.loads(content))


async def _infer(
    session: aiohttp.ClientSession,
    url: str,
    inputs: Sequence[Tensor],
    parameters: Mapping[str, Any],
    reading_turn: Turn,
) -> tuple[bytes, int]:
    """The answer's bytes, and how many of them are its JSON."""
    body, headers = await _in_thread(reading_turn, wire.infer_request, inputs, parameters)
    content, header = await _exchange(session, "POST", f"{url}/infer", body, headers)
    return content, len(content) if header is None else int(header)


async def _outputs_of(
    session: aiohttp.ClientSession, url: str, request: Request, reading_turn: Turn
) -> tuple[Output, ...]:
    content, _ = await _exchange(session, "GET", f"{url}/config")
    config = await _in_thread(reading_turn, _config, content)
    if config.decoupled:
        return await _streamed(session, url, request, config, reading_turn)
    parameters = dict(request.parameters)
    if config.sequences:
        parameters |= model_config.step_parameters(model_config.new_sequence(config), 0, 1)
    answer = await _infer(session, url, request.inputs, parameters, reading_turn)
    outputs = await _in_thread(reading_turn, _outputs, *answer)
    if config.response_cache:
        await _require_no_cache(session, url)
    return outputs


async def _streamed(
    session: aiohttp.ClientSession, url: str, request: Request, config: ModelConfig, reading_turn: Turn
) -> tuple[Output, ...]:
    try:
        body, headers = await _in_thread(
            reading_turn, wire.generate_request, request.inputs, request.parameters, config
        )
    except wire.CannotAskError as error:
        raise _RefusedError(0, f"is a decoupled model and cannot be asked: {_plain(str(error))}") from None
    content, _ = await _exchange(session, "POST", f"{url}/generate_stream", body, headers)
    try:
        responses = await _in_thread(reading_turn, wire.generate_answers, content, config)
    except wire.ResponseError as error:
        raise _RefusedError(500, f"answered with an error: {_plain(str(error))}") from None
    if not responses:
        return (Output(name="responses", datatype="INT64", shape=(1,), data=(0,)),)
    count = Output(name="responses", datatype="INT64", shape=(1,), data=(len(responses),))
    return (count, *(each for index, tensors in enumerate(responses) for each in _named(tensors, f"[{index}]")))


async def _require_no_cache(session: aiohttp.ClientSession, url: str) -> None:
    """With a cache every request is a hit or a miss; without one there are none of either."""
    content, _ = await _exchange(session, "GET", f"{url}/stats")
    counted = [each["inference_stats"] for each in json.loads(content)["model_stats"]]
    if any(each["cache_hit"]["count"] or each["cache_miss"]["count"] for each in counted):
        raise _RefusedError(0, _CACHED)


async def _exchange(
    session: aiohttp.ClientSession,
    method: str,
    url: str,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> tuple[bytes, str | None]:
    # Of the time that one answer may take, the caller thinks.
    limit = aiohttp.ClientTimeout(total=None)
    request = session.request(method, url, data=body, headers=headers, timeout=limit, allow_redirects=False)
    async with request as response:
        content = await read_bounded(response, _LARGEST_BYTES)
        if response.status != 200:
            raise _RefusedError(response.status, f"answered {response.status}: {_error(content)}")
        return content, response.headers.get(wire.HEADER_LENGTH)


def _outputs(content: bytes, header: int) -> tuple[Output, ...]:
    return tuple(_named(wire.infer_answer(content, header)))


def _named(tensors: Iterable[Tensor], suffix: str = "") -> Iterable[Output]:
    for tensor in tensors:
        name = _plain(tensor.name) + suffix
        yield Output(name=name, datatype=tensor.datatype, shape=tensor.shape, data=tuple(tensor.data))


def _error(content: bytes) -> str:
    text = content.removeprefix(wire.STREAM.encode())
    try:
        return _plain(str(json.loads(text)["error"]))
    except (ValueError, KeyError, TypeError, RecursionError, OverflowError):
        return content[:_LONGEST].decode(errors="replace").strip() or "no reason given"


def _plain(words: str) -> str:
    return fit(words, _LONGEST)
