"""The request that is sent: the V2 protocol's JSON for HTTP, its message for gRPC. Pure."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy
from google.protobuf.message import DecodeError
from tritonclient.grpc import service_pb2
from tritonclient.utils import triton_to_np_dtype

DATA: Final = "data"


class UnreadableError(ValueError):
    """An answer that cannot be read as the V2 protocol's."""


@dataclass(frozen=True)
class Question:
    """One request for inference in both forms."""

    model: str
    body: bytes
    """For HTTP."""
    message: bytes
    """For gRPC."""

    @classmethod
    def of(cls, model: str, document: Mapping[str, Any]) -> "Question":
        """From a V2 request; a golden request is one too. The first of its `outputs`, when named, is compared."""
        inputs = [{name: given[name] for name in ("name", "datatype", "shape", DATA)} for given in document["inputs"]]
        outputs = [{"name": output["name"]} for output in document.get("outputs", [])[:1]]
        asked = {"inputs": inputs, **({"outputs": outputs} if outputs else {})}
        return cls(model, json.dumps(asked).encode(), _message(model, inputs, outputs))


def read_body(body: bytes) -> tuple[float, ...]:
    """The values of an HTTP answer's first tensor."""
    try:
        values = json.loads(body)["outputs"][0][DATA]
        return tuple(float(value) for value in values)
    except (ValueError, LookupError, TypeError, OverflowError, RecursionError) as error:
        raise UnreadableError(f"{body[:200]!r}: {error}") from error


def read_message(message: bytes) -> tuple[float, ...]:
    """The values of a gRPC answer's first tensor."""
    return _values(_parsed(service_pb2.ModelInferResponse, message))


def read_stream(messages: Sequence[bytes]) -> tuple[float, ...]:
    """The values of a stream's only answer."""
    if len(messages) != 1:
        raise UnreadableError(f"{'more than one answer' if messages else 'no answer'} to one request")
    answer = _parsed(service_pb2.ModelStreamInferResponse, messages[0])
    if answer.error_message:
        raise UnreadableError(answer.error_message)
    return _values(answer.infer_response)


def _values(answer: Any) -> tuple[float, ...]:
    if not answer.outputs or not answer.raw_output_contents:
        raise UnreadableError("an answer without a tensor")
    datatype = _numeric(answer.outputs[0].datatype)
    try:
        values = numpy.frombuffer(answer.raw_output_contents[0], datatype)
    except ValueError as error:
        raise UnreadableError(f"a tensor of no whole values: {error}") from error
    return tuple(float(value) for value in values)


def _parsed(kind: Any, message: bytes) -> Any:
    try:
        return kind.FromString(message)
    except DecodeError as error:
        raise UnreadableError(f"{message[:200]!r}: {error}") from error


def _message(model: str, inputs: list[dict[str, Any]], outputs: list[dict[str, Any]]) -> bytes:
    request = service_pb2.ModelInferRequest(model_name=model)
    for given in inputs:
        request.inputs.add(name=given["name"], datatype=given["datatype"], shape=given["shape"])
        values = numpy.array(given[DATA], _numeric(given["datatype"]))
        request.raw_input_contents.append(values.tobytes())
    for output in outputs:
        request.outputs.add(name=output["name"])
    return bytes(request.SerializeToString())


def _numeric(datatype: str) -> Any:
    found = triton_to_np_dtype(datatype)
    if found is None or found is numpy.object_:
        raise UnreadableError(f"{datatype}: only tensors of numbers that numpy knows can be sent and compared")
    return found
