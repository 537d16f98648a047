"""Golden requests: what to ask the model, and what it must answer.

From the spec (`golden.json` of the configuration) or else the bundle's `golden/*.json`, in the V2 protocol's JSON. A
file may hold a list: requests of one sequence, in their order. The spec's name their `sequence` instead. A model with
neither is asked for its declared shapes.
"""

from __future__ import annotations

import base64
import json
import math
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Mapping, Sequence

from . import document as documents
from . import tensors, wire
from .model_config import ModelConfig
from .tensors import Tensor, Tolerance
from .verdict import BUNDLE_INVALID, SPEC_INVALID, Verdict

_FIELDS = frozenset({"inputs", "outputs", "parameters", "responses", "tolerance"})
_TENSOR_FIELDS = frozenset({"name", "datatype", "shape", "data"})
# No more than fits the stack of any Python that reads it.
_DEEPEST = 64
# What belongs to the way in which a request is asked, and is not the author's to say.
_OUR_PARAMETERS = frozenset({"sequence_id", "sequence_start", "sequence_end", "binary_data_output"})
_BASE64 = "b64"
# Servers take 64 MiB, unless server.args raise it.
_MOST_ZEROS_BYTES = 1 << 30
_NOT_NUMBERS = {
    "NaN": math.nan,
    "Infinity": math.inf,
    "+Infinity": math.inf,
    "-Infinity": -math.inf,
}


class GoldenError(ValueError):
    """A golden request that cannot be asked: the field, what was found, what belongs there."""


class _NotBase64(tensors.DoesNotFit):
    def __init__(self, index: int) -> None:
        ValueError.__init__(self, f"data[{index}].{_BASE64}: not base64; write the bytes with base64 -w0")


@dataclass(frozen=True)
class GoldenRequest:
    """One request and its right answer. `name` is how messages call it; `fault` whose it is if it does not fit."""

    name: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    tolerance: Tolerance | None = None
    fault: str = BUNDLE_INVALID
    exact: bool = True
    """False: only names, types and shapes are known of the answer, not its values."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """Of the request, for the model and its scheduler."""
    more: tuple[tuple[Tensor, ...], ...] = ()
    """What a decoupled model responds after `outputs`."""
    then: tuple[GoldenRequest, ...] = ()
    """What is asked after it in the same sequence."""

    @property
    def steps(self) -> tuple[GoldenRequest, ...]:
        """All requests of its sequence."""
        return (self, *self.then)

    def of_version(self, version: str) -> GoldenRequest:
        """The same, called by the version that is asked."""
        named = tuple(replace(step, name=f"version {version}: {step.name}") for step in self.then)
        return replace(self, name=f"version {version}: {self.name}", then=named)


def load(root: Path, config: Path) -> list[GoldenRequest]:
    """The golden requests of this pod, the spec's before the bundle's; a verdict for one that does not parse."""
    of_spec = config / "golden.json"
    if of_spec.is_file():
        return read_of_spec(of_spec.read_bytes())
    return [_of_bundle(file, "golden") for file in sorted((root / "golden").glob("*.json"))]


def load_part(root: Path, part: str) -> list[GoldenRequest]:
    """Those of a part, which the bundle alone has; a verdict for one that does not parse."""
    directory = root / "golden" / "models" / part
    return [_of_bundle(file, f"models/{part}/golden") for file in sorted(directory.glob("*.json"))]


def read(content: bytes, name: str) -> GoldenRequest:
    """What a bundle's file holds: a request, or a list of those of one sequence; GoldenError says what cannot be read.
    The fetcher reads by this too."""
    try:
        return _sequence(documents.read(content), name)
    except (GoldenError, documents.NotText) as error:
        raise GoldenError(str(error)) from None
    except (ValueError, RecursionError) as error:
        raise GoldenError(f"not JSON: {error}") from None


def _sequence(document: Any, name: str) -> GoldenRequest:
    if not isinstance(document, list):
        return parse(document, name)
    if not document:
        raise GoldenError("expected an object with inputs and outputs, or a list of them, found []")
    steps = []
    for index, each in enumerate(document):
        try:
            steps.append(parse(each, f"{name}[{index}]"))
        except GoldenError as error:
            raise GoldenError(f"[{index}]: {error}") from None
    return replace(steps[0], then=tuple(steps[1:]))


def parse(document: Any, name: str, fault: str = BUNDLE_INVALID) -> GoldenRequest:
    """One request from its JSON value; GoldenError names the field."""
    if not isinstance(document, dict):
        raise GoldenError("expected an object with inputs and outputs")
    _check_fields(document, _FIELDS, "")
    inputs, responses = parse_tensors(document, "inputs"), _responses(document)
    return GoldenRequest(
        name=name,
        inputs=inputs,
        outputs=responses[0],
        tolerance=_tolerance(document.get("tolerance")),
        fault=fault,
        parameters=parse_parameters(document),
        more=responses[1:],
    )


def parse_parameters(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """The request's parameters; GoldenError names one that cannot be sent."""
    parameters = document.get("parameters", {})
    if not isinstance(parameters, dict):
        raise GoldenError(f"parameters: expected an object, found {_shown(parameters)}")
    for name, value in parameters.items():
        if name in _OUR_PARAMETERS:
            raise GoldenError(f"parameters.{name}: each request has its own from who asks; take it out")
        if not _is_text(name) or not _is_parameter(value):
            raise GoldenError(f"parameters.{name}: expected a text, a number or a boolean, found {_shown(value)}")
    return parameters


def check_model(config: ModelConfig) -> None:
    """CannotAskError where no request can be asked of such a model."""
    if config.sequences and config.decoupled:
        raise wire.CannotAskError(
            "model_transaction_policy.decoupled: with sequence_batching such a model is only asked over gRPC streams, "
            "which Slipway does not do; leave decoupled out, or set sequence_batching.iterative_sequence"
        )
    if config.decoupled:
        wire.check_streamed(config)


def check_askable(request: GoldenRequest, config: ModelConfig) -> None:
    """CannotAskError where the model is not asked in such a way."""
    check_model(config)
    if request.then and not config.sequences:
        raise wire.CannotAskError("several requests are one sequence, and config.pbtxt has no sequence_batching")
    for step in request.steps:
        if step.more and not config.decoupled:
            raise wire.CannotAskError("responses: only a decoupled model has several; give one, in outputs")
        if config.decoupled:
            wire.generate_request(step.inputs, step.parameters, config)


def of_declared_shapes(metadata: Mapping[str, Any], config: ModelConfig) -> GoldenRequest:
    """Zeros of the shapes that the model declares, what may vary at 1; any values will do as an answer."""
    inputs = []
    for declared in metadata["inputs"]:
        shape = tuple(1 if int(size) < 0 else int(size) for size in declared["shape"])
        inputs.append(_zeros(declared["name"], declared["datatype"], shape))
    outputs = []
    for declared in metadata["outputs"]:
        # One row is asked for, so one comes back. Any other free size may be 0: a detector finds nothing in zeros.
        sizes = [int(size) for size in declared["shape"]]
        shape = (1, *sizes[1:]) if config.batched else tuple(sizes)
        outputs.append(Tensor(declared["name"], declared["datatype"], shape, ()))
    return GoldenRequest("its declared shapes", tuple(inputs), tuple(outputs), exact=False)


def _zeros(name: str, datatype: str, shape: tuple[int, ...]) -> Tensor:
    count = tensors.elements(shape)
    if tensors.size_bytes(datatype, count) > _MOST_ZEROS_BYTES:
        raise Verdict(
            BUNDLE_INVALID,
            f"its declared shapes: {name}: {count} elements cannot be asked at once; correct the dims in config.pbtxt, "
            "or leave those free that vary and give golden requests",
        )
    return Tensor(name, datatype, shape, tensors.Zeros(datatype, count))


def _responses(document: Mapping[str, Any]) -> tuple[tuple[Tensor, ...], ...]:
    if "responses" not in document:
        return (parse_tensors(document, "outputs"),)
    if "outputs" in document:
        raise GoldenError("responses: stand for outputs; take one of them out")
    listed = document["responses"]
    if not isinstance(listed, list) or not listed:
        raise GoldenError(f"responses: expected a list of objects with outputs, found {_shown(listed)}")
    parsed = []
    for index, response in enumerate(listed):
        at = f"responses[{index}]"
        if not isinstance(response, dict):
            raise GoldenError(f"{at}: expected an object with outputs, found {_shown(response)}")
        _check_fields(response, frozenset({"outputs"}), at)
        try:
            parsed.append(parse_tensors(response, "outputs"))
        except GoldenError as error:
            raise GoldenError(f"{at}.{error}") from None
    return tuple(parsed)


def read_of_spec(content: bytes) -> list[GoldenRequest]:
    """What golden.json of a revision's configuration holds; a verdict for one that does not parse."""
    try:
        requests = documents.read(content)["requests"]
    except (ValueError, KeyError, TypeError) as error:
        raise Verdict(SPEC_INVALID, f"spec.model.verification: cannot be read: {error}") from None
    sequences: dict[str | int, list[GoldenRequest]] = {}
    for index, document in enumerate(requests):
        name = f"verification.requests[{index}]"
        try:
            sequence, request = _of_sequence(document)
            parsed = parse(request, name, SPEC_INVALID)
        except GoldenError as error:
            raise Verdict(SPEC_INVALID, f"spec.model.{name}: {error}") from None
        sequences.setdefault(index if sequence is None else sequence, []).append(parsed)
    return [replace(first, then=tuple(then)) for first, *then in sequences.values()]


def _of_sequence(document: Any) -> tuple[str | None, Any]:
    """The name of its sequence, which a list in the spec has no other place for, and the request."""
    if not isinstance(document, dict) or "sequence" not in document:
        return None, document
    name = document["sequence"]
    if not isinstance(name, str):
        raise GoldenError(f"sequence: expected a name, found {_shown(name)}")
    return name, {field: value for field, value in document.items() if field != "sequence"}


def _of_bundle(file: Path, place: str) -> GoldenRequest:
    name = f"{place}/{file.name}"
    try:
        return read(file.read_bytes(), name)
    except (OSError, GoldenError) as error:
        raise Verdict(BUNDLE_INVALID, f"{name}: {error}") from None


def parse_tensors(document: Mapping[str, Any], field: str) -> tuple[Tensor, ...]:
    """The tensors in one field of a request; GoldenError names what does not fit."""
    listed = document.get(field)
    if not isinstance(listed, list) or not listed:
        raise GoldenError(f"{field}: expected a list of tensors, found {_shown(listed)}")
    parsed = tuple(_tensor(item, f"{field}[{index}]") for index, item in enumerate(listed))
    names = [tensor.name for tensor in parsed]
    for index, name in enumerate(names):
        if name in names[:index]:
            raise GoldenError(f"{field}[{index}]: {name!r} stands there twice")
    return parsed


def _tensor(item: Any, at: str) -> Tensor:
    if not isinstance(item, dict):
        raise GoldenError(f"{at}: expected a tensor, found {_shown(item)}")
    _check_fields(item, _TENSOR_FIELDS, at)
    name, datatype, shape = item.get("name"), item.get("datatype"), item.get("shape")
    if not isinstance(name, str) or not name:
        raise GoldenError(f"{at}.name: expected a name, found {_shown(name)}")
    if datatype not in tensors.DATATYPES:
        raise GoldenError(f"{at}.datatype: {_shown(datatype)} is not one of {', '.join(sorted(tensors.DATATYPES))}")
    if not isinstance(shape, list) or not all(_is_int(size) and size >= 0 for size in shape):
        raise GoldenError(f"{at}.shape: expected a list of sizes, found {_shown(shape)}")
    if not isinstance(item.get("data"), list):
        raise GoldenError(f"{at}.data: expected a list of elements, found {_shown(item.get('data'))}")
    flat = _flat(item["data"])
    if len(flat) != tensors.elements(shape):
        raise GoldenError(f"{at}.data: shape {shape} has {tensors.elements(shape)} elements, found {len(flat)}")
    return Tensor(name, str(datatype), tuple(shape), _values(str(datatype), flat, at))


def _values(datatype: str, flat: Sequence[Any], at: str) -> tuple[Any, ...]:
    """The elements as the server would hold them: an expected 0.1 in FP16 is the FP16 nearest to 0.1."""
    try:
        values = [_value(datatype, value, index) for index, value in enumerate(flat)]
        return tensors.decode(datatype, tensors.encode(datatype, values))
    except tensors.DoesNotFit as error:
        raise GoldenError(f"{at}.{error}") from None


def _value(datatype: str, value: Any, index: int) -> Any:
    if datatype == "BYTES":
        if isinstance(value, str):
            return value.encode("utf-8")
        if isinstance(value, dict) and value.keys() == {_BASE64}:
            return _bytes(value[_BASE64], index)
    elif datatype == "BOOL":
        if isinstance(value, bool) or (_is_int(value) and value in {0, 1}):
            return bool(value)
    elif datatype in tensors.FLOATS:
        if isinstance(value, str) and value in _NOT_NUMBERS:
            return _NOT_NUMBERS[value]
        if isinstance(value, float) or _is_int(value):
            return value
    elif _is_int(value):
        return value
    raise tensors.DoesNotFit(index, value, datatype)


def _bytes(encoded: Any, index: int) -> bytes:
    """Bytes that are no text, as a picture."""
    try:
        return base64.b64decode(encoded, validate=True)
    except (TypeError, ValueError):
        raise _NotBase64(index) from None


def _tolerance(value: Any) -> Tolerance | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        raise GoldenError(f"tolerance: expected an object, found {_shown(value)}")
    _check_fields(value, frozenset({"absolute", "relative"}), "tolerance")
    default = tensors.DEFAULT_TOLERANCE
    return Tolerance(
        _limit(value.get("absolute", default.absolute), "absolute"),
        _limit(value.get("relative", default.relative), "relative"),
    )


def _limit(value: Any, field: str) -> float:
    try:
        limit = float(value)
    except (TypeError, ValueError, OverflowError):
        limit = math.nan
    if not (math.isfinite(limit) and limit >= 0):
        raise GoldenError(f"tolerance.{field}: expected a number of 0 or more, found {_shown(value)}")
    return limit


def _check_fields(document: Mapping[str, Any], fields: frozenset[str], at: str) -> None:
    for name in document:
        if name not in fields:
            raise GoldenError(f"{at}{'.' if at else ''}{name}: no such field; known are {', '.join(sorted(fields))}")


def _flat(data: Any, deepest: int = _DEEPEST) -> list[Any]:
    if not isinstance(data, list):
        return [data]
    if not any(isinstance(item, list) for item in data):
        return data
    if not deepest:
        raise GoldenError(f"data: nested deeper than {_DEEPEST} lists, which is more than tensors have dimensions")
    return [value for item in data for value in _flat(item, deepest - 1)]


def _is_parameter(value: Any) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    return _is_text(value) or (isinstance(value, int) and -(2**63) <= value < 2**63)


def _is_text(value: Any) -> bool:
    """Half of a pair of UTF-16 is none: who writes it anew writes another."""
    return isinstance(value, str) and not any("\ud800" <= letter <= "\udfff" for letter in value)


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _shown(value: Any) -> str:
    text = json.dumps(value, default=str)
    return "nothing" if value is None else text if len(text) <= 80 else text[:80] + "…"
