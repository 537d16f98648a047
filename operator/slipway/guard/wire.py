"""Requests and answers as Triton's HTTP endpoints write them: `/infer`, with binary tensors, and `/generate_stream`.

A decoupled model has any number of responses to a request, which `/infer` refuses. `/generate_stream` has them all, as
flat JSON without shapes, so it takes only what the server can shape by itself.
"""

from __future__ import annotations

import json
import struct
from typing import Any, Callable, Iterator, Mapping, Sequence

from . import tensors
from .model_config import ModelConfig, Shape, sizes_of
from .tensors import Tensor

HEADER_LENGTH = "Inference-Header-Content-Length"
STREAM = "data:"

_NOT_IN_JSON = frozenset({"FP16", "BF16"})
_MALFORMED = (
    KeyError,
    IndexError,
    TypeError,
    AttributeError,
    ValueError,
    OverflowError,  # 1e999 as a size
    RecursionError,
    struct.error,
)


class CannotAskError(ValueError):
    """A request that no endpoint takes for that model: what does not fit, and what to do."""


class UnreadableError(ValueError):
    """An answer that is none."""


class ResponseError(Exception):
    """A response of the model that is an error."""


def infer_request(
    inputs: Sequence[Tensor], parameters: Mapping[str, Any], outputs: Sequence[str] | None = None
) -> tuple[bytes, dict[str, str]]:
    """Body and headers for `/infer`; `outputs` are those that are wanted, None all of them."""
    raws = [tensors.encode(tensor.datatype, tensor.data) for tensor in inputs]
    document: dict[str, Any] = {
        "inputs": [
            {
                "name": tensor.name,
                "datatype": tensor.datatype,
                "shape": tensor.shape,
                "parameters": {"binary_data_size": len(raw)},
            }
            for tensor, raw in zip(inputs, raws)
        ],
        "parameters": dict(parameters),
    }
    if outputs is None:
        document["parameters"]["binary_data_output"] = True
    else:
        document["outputs"] = [{"name": name, "parameters": {"binary_data": True}} for name in outputs]
    header = json.dumps(document).encode()
    headers = {"Content-Type": "application/octet-stream", HEADER_LENGTH: str(len(header))}
    return header + b"".join(raws), headers


def infer_answer(
    body: bytes, header_length: int, read: Callable[[str, Any], Sequence[Any]] = tensors.decode
) -> list[Tensor]:
    """The tensors in an answer of `/infer`, whose elements `read` gets out of their bytes.

    Each byte belongs to one tensor: sizes that say otherwise would have few bytes read many times over."""
    at, answered = header_length, []
    try:
        outputs = json.loads(body[:header_length])["outputs"]
        sizes = [_size(output) for output in outputs]
        if header_length < 0 or header_length + sum(sizes) != len(body):
            raise ValueError(f"binary_data_size: {sum(sizes)} in all, and {len(body) - header_length} bytes came")
        for output, size in zip(outputs, sizes):
            data = read(output["datatype"], memoryview(body)[at : at + size])
            name = str(output["name"])
            answered.append(Tensor(name, output["datatype"], sizes_of(name, output["shape"]), data))
            at += size
    except _MALFORMED as error:
        raise UnreadableError(f"{type(error).__name__}: {error}") from None
    return answered


def _size(output: Mapping[str, Any]) -> int:
    size = output.get("parameters", {}).get("binary_data_size", 0)
    if type(size) is not int or size < 0:
        raise ValueError(f"binary_data_size: {size!r} is no number of bytes")
    return size


def check_streamed(config: ModelConfig) -> None:
    """CannotAskError for a decoupled model that `/generate_stream` has no JSON for."""
    for field, datatypes in (("input", config.datatypes), ("output", config.outputs)):
        for name, datatype in datatypes.items():
            if datatype in _NOT_IN_JSON:
                raise CannotAskError(f"{field}: {name!r} is {datatype}, which {_JSON}; make it TYPE_FP32")


def generate_request(
    inputs: Sequence[Tensor], parameters: Mapping[str, Any], config: ModelConfig
) -> tuple[bytes, dict[str, str]]:
    """Body and headers for `/generate_stream`; CannotAskError where it cannot hold the request."""
    body: dict[str, Any] = dict(parameters)
    for index, tensor in enumerate(inputs):
        at = f"inputs[{index}]"
        declared = config.inputs.get(tensor.name, tensor.shape)
        shaped = generated_shape(declared, len(tensor.data))
        if shaped != tensor.shape:
            raise CannotAskError(
                f"{at}.shape: {list(tensor.shape)} cannot be asked of a decoupled model, which gets its elements "
                f"without a shape, and would make {list(shaped) if shaped else 'nothing'} of {len(tensor.data)}; ask "
                f"for another, or fix the dims in config.pbtxt, which are {list(declared)} with the batch"
            )
        if tensor.name in parameters:
            raise CannotAskError(f"parameters.{tensor.name}: an input has that name; call one of them otherwise")
        try:
            body[tensor.name] = [_plain(value) for value in tensor.data]
        except UnicodeDecodeError as error:
            raise CannotAskError(f"{at}.data: bytes that are not UTF-8 at byte {error.start} {_JSON}") from None
    try:
        text = json.dumps(body, allow_nan=False)
    except ValueError:
        raise CannotAskError(f"inputs: NaN and infinities {_JSON}; ask for other numbers") from None
    return text.encode(), {"Content-Type": "application/json"}


def generated_shape(declared: Sequence[int], count: int) -> Shape | None:
    """The shape that the server gives so many elements without one: the last free size takes what is left."""
    for size in declared:
        if size > 0:
            if count % size:
                return None
            count //= size
    shape: list[int] = []
    for size in reversed(declared):
        if size < 0:
            shape.append(count)
            count = 1
        else:
            shape.append(size)
    return tuple(reversed(shape)) if count == 1 and 0 not in shape else None


def generate_answers(body: bytes, config: ModelConfig) -> list[list[Tensor]]:
    """The responses in a stream, in their order; their shapes are the numbers of their elements."""
    responses = []
    for event in _events(body):
        if "error" in event and "error" not in config.outputs:
            raise ResponseError(str(event["error"]))
        try:
            # By what the event has, and not by what is declared: both may be thousands.
            responses.append(
                [_flat(name, config.outputs[name], event[name]) for name in event if name in config.outputs]
            )
        except _MALFORMED as error:
            raise UnreadableError(f"{type(error).__name__}: {error}") from None
    return responses


_JSON = "no server writes as JSON, and a decoupled model is asked in JSON"


def _events(body: bytes) -> Iterator[Mapping[str, Any]]:
    # Text of a model need not be UTF-8.
    for line in body.decode("utf-8", "surrogateescape").split("\n"):
        if not line.startswith(STREAM):
            continue
        try:
            event = json.loads(line[len(STREAM) :])
        except _MALFORMED as error:
            raise UnreadableError(f"{type(error).__name__}: {error}") from None
        if not isinstance(event, dict):
            raise UnreadableError("an event that is no object")
        yield event


def _flat(name: str, datatype: str, value: Any) -> Tensor:
    values = value if isinstance(value, list) else [value]
    if datatype == "BYTES":
        values = [each.encode("utf-8", "surrogateescape") for each in values]
    data = tensors.decode(datatype, tensors.encode(datatype, values))
    return Tensor(name, datatype, (len(data),), data)


def _plain(value: Any) -> Any:
    return value.decode("utf-8") if isinstance(value, bytes) else value
