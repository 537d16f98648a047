"""Golden requests that a bundle carries: whether each file can be asked of the model. Pure.

The guard asks them; a mistake found here costs no server start.
"""

import json
import math
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from slipway.fetch.verdict import invalid
from slipway.triton.config import Declared, Tensor

LIMIT_BYTES: Final = 16 * 1024 * 1024

_INTEGER_BITS: Final = {f"{sign}INT{bits}": bits for sign in ("", "U") for bits in (8, 16, 32, 64)}
_FLOATS: Final = frozenset({"FP16", "BF16", "FP32", "FP64"})


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Tensor(_Strict):
    name: str
    datatype: str
    shape: list[Annotated[int, Field(ge=0)]]
    data: list[Any]


class _Tolerance(_Strict):
    absolute: Annotated[float, Field(ge=0)] | None = None
    relative: Annotated[float, Field(ge=0)] | None = None


class _Request(_Strict):
    inputs: Annotated[list[_Tensor], Field(min_length=1)]
    outputs: Annotated[list[_Tensor], Field(min_length=1)]
    tolerance: _Tolerance | None = None


def check(path: str, content: bytes, model: Declared, optional_inputs: frozenset[str]) -> None:
    """BundleInvalid with file and field unless `content` is a request that fits what the model declares."""
    request = _parse(path, content)
    batched = model["maxBatchSize"] > 0
    for field, given, declared in (
        ("inputs", request.inputs, model["inputs"]),
        ("outputs", request.outputs, model["outputs"]),
    ):
        known = {tensor[0]: tensor for tensor in declared}
        for index, tensor in enumerate(given):
            at = f"{path}: {field}[{index}]"
            _check_data(at, tensor)
            _check_declared(at, tensor, known, model["maxBatchSize"] if batched else None)
    _check_names(path, request, model, optional_inputs)


def _parse(path: str, content: bytes) -> _Request:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise invalid(f"{path}: not JSON: {error}; write it again") from None
    try:
        return _Request.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        field = _field(first["loc"]) or "the whole"
        raise invalid(f"{path}: {field}: {first['msg']}; see `golden/` in the docs for the shape") from None


def _field(location: tuple[int | str, ...]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).removeprefix(".")


def _check_data(at: str, tensor: _Tensor) -> None:
    if (
        tensor.datatype not in _INTEGER_BITS
        and tensor.datatype not in _FLOATS
        and tensor.datatype not in {"BOOL", "BYTES"}
    ):
        raise invalid(f"{at}.datatype: {tensor.datatype!r} is none of the V2 protocol's; such as FP32, INT64 or BYTES")
    count = 0
    for element in _flat(tensor.data):
        if not _is(tensor.datatype, element):
            raise invalid(f"{at}.data[{count}]: {element!r} is no {tensor.datatype}; correct the value or the datatype")
        count += 1
    wanted = math.prod(tensor.shape)
    if count != wanted:
        raise invalid(f"{at}.data: {count} elements, and shape {tensor.shape} makes {wanted}; correct one of them")


def _flat(data: list[Any]) -> Iterator[Any]:
    for element in data:
        if isinstance(element, list):
            yield from _flat(element)
        else:
            yield element


def _is(datatype: str, value: object) -> bool:
    if datatype == "BOOL":
        return isinstance(value, bool)
    if datatype == "BYTES":
        return isinstance(value, str)
    if isinstance(value, bool):
        return False
    if datatype in _FLOATS:
        return isinstance(value, (int, float))
    bits = _INTEGER_BITS[datatype]
    low, high = (0, 2**bits) if datatype.startswith("U") else (-(2 ** (bits - 1)), 2 ** (bits - 1))
    return isinstance(value, int) and low <= value < high


def _check_declared(at: str, tensor: _Tensor, known: Mapping[str, Tensor], max_batch: int | None) -> None:
    if tensor.name not in known:
        raise invalid(f"{at}.name: the model has no {tensor.name!r}; config.pbtxt declares {', '.join(known)}")
    _, datatype, dims = known[tensor.name]
    if tensor.datatype != datatype:
        raise invalid(f"{at}.datatype: {tensor.datatype}, and config.pbtxt declares {tensor.name!r} as {datatype}")
    shape = tensor.shape
    if max_batch is not None:
        if not shape or not 1 <= shape[0] <= max_batch:
            raise invalid(f"{at}.shape: {shape} must begin with a batch of 1 to {max_batch} (max_batch_size)")
        shape = shape[1:]
    if len(shape) != len(dims) or any(dim not in (-1, size) for dim, size in zip(dims, shape, strict=True)):
        batch = " after the batch" if max_batch is not None else ""
        raise invalid(f"{at}.shape: {tensor.shape}, and config.pbtxt declares dims {dims}{batch}")


def _check_names(path: str, request: _Request, model: Declared, optional_inputs: frozenset[str]) -> None:
    for field, tensors in (("inputs", request.inputs), ("outputs", request.outputs)):
        names = [tensor.name for tensor in tensors]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise invalid(f"{path}: {field}: {twice[0]!r} is given twice; keep one")
    needed = {name for name, _, _ in model["inputs"]} - optional_inputs
    missing = sorted(needed - {tensor.name for tensor in request.inputs})
    if missing:
        raise invalid(f"{path}: inputs: {missing[0]!r} is missing, which config.pbtxt declares; add it")
