"""Golden requests that a bundle carries: whether each file can be asked of the model. Pure.

The guard asks them later and its reader reads them here too, so both agree; a mistake found here costs no server start.
"""

from collections.abc import Mapping
from typing import Final

from slipway.fetch.verdict import invalid
from slipway.guard.golden import GoldenError, GoldenRequest, check_askable, read
from slipway.guard.model_config import ModelConfig
from slipway.guard.tensors import FLOATS
from slipway.guard.tensors import Tensor as GoldenTensor
from slipway.guard.wire import CannotAskError
from slipway.triton.config import Declared, Tensor

LIMIT_BYTES: Final = 16 * 1024 * 1024
MOST_BYTES: Final = 64 * 1024 * 1024
"""Of all of them."""
MOST_VALUES: Final = 2_000_000
"""Of one. Parsed, 16 MiB of two-byte elements took 900 MiB; this many take 330."""


def check(path: str, content: bytes, model: Declared, optional_inputs: frozenset[str], way: ModelConfig) -> None:
    """BundleInvalid with file and field unless `content` is a request, or a sequence of them, that fits what the model
    declares and the way in which it is asked."""
    request = _read(path, content)
    for step in request.steps:
        _check_tensors(step, model, optional_inputs)
    try:
        check_askable(request, way)
    except CannotAskError as error:
        raise invalid(f"{path}: {error}") from None


def check_telling(files: Mapping[str, bytes]) -> None:
    """BundleInvalid where a model that gives nothing but zeros would pass them all, by the tolerances they state."""
    if files and not any(
        _tells(step) for path, content in sorted(files.items()) for step in _read(path, content).steps
    ):
        raise invalid(
            f"{min(files)}: tolerance: an answer of zeros would pass, in each of the model's golden requests; make it "
            "smaller than the answers, or ask for larger ones"
        )


def _tells(request: GoldenRequest) -> bool:
    tolerance, outputs = request.tolerance, [each for one in (request.outputs, *request.more) for each in one]
    if tolerance is None or any(output.datatype not in FLOATS for output in outputs):
        return True
    right = [value for output in outputs for value in output.data]
    return not any(right) or not all(tolerance.allows(value, 0.0) for value in right)


def _check_tensors(request: GoldenRequest, model: Declared, optional_inputs: frozenset[str]) -> None:
    path, responses = request.name, (request.outputs, *request.more)
    fields = [f"responses[{index}].outputs" for index in range(len(responses))] if request.more else ["outputs"]
    max_batch = model["maxBatchSize"] or None
    for field, tensors, declared in (
        ("inputs", request.inputs, model["inputs"]),
        *((field, outputs, model["outputs"]) for field, outputs in zip(fields, responses, strict=True)),
    ):
        by_name = {tensor[0]: tensor for tensor in declared}
        for index, tensor in enumerate(tensors):
            _check_declared(f"{path}: {field}[{index}]", tensor, by_name, max_batch)
    needed = {name for name, _, _ in model["inputs"]} - optional_inputs
    missing = sorted(needed - {tensor.name for tensor in request.inputs})
    if missing:
        raise invalid(f"{path}: inputs: {missing[0]!r} is missing, which config.pbtxt declares; add it")


def _read(path: str, content: bytes) -> GoldenRequest:
    if content.count(b",") + content.count(b"[") > MOST_VALUES:
        raise invalid(f"{path}: more than {MOST_VALUES} values; ask for smaller tensors, and write SHA256SUMS anew")
    try:
        return read(content, path)
    except GoldenError as error:
        raise invalid(f"{path}: {error}; correct it and write SHA256SUMS anew") from None


def _check_declared(at: str, tensor: GoldenTensor, by_name: Mapping[str, Tensor], max_batch: int | None) -> None:
    if tensor.name not in by_name:
        raise invalid(
            f"{at}.name: the model has no {tensor.name!r}; config.pbtxt declares {', '.join(by_name)}; correct the name"
        )
    _, datatype, dims = by_name[tensor.name]
    if tensor.datatype != datatype:
        raise invalid(
            f"{at}.datatype: {tensor.datatype}, and config.pbtxt has {tensor.name!r} as {datatype}; make them agree"
        )
    shape = list(tensor.shape)
    if max_batch is not None:
        if not shape or not 1 <= shape[0] <= max_batch:
            raise invalid(
                f"{at}.shape: {shape} must begin with a batch of 1 to {max_batch} (max_batch_size); correct it"
            )
        shape = shape[1:]
    if len(shape) != len(dims) or any(dim not in (-1, size) for dim, size in zip(dims, shape, strict=True)):
        batch = " after the batch" if max_batch is not None else ""
        seen = [*tensor.shape[:1], *dims] if max_batch is not None else dims
        raise invalid(
            f"{at}.shape: {tensor.name!r} has {list(tensor.shape)}, and config.pbtxt declares dims {dims}{batch}; "
            f"make them agree: by config.pbtxt clients see {seen}"
        )
