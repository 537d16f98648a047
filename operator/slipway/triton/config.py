"""A model's `config.pbtxt`: read it, write it, and say what it declares.

Triton runs with --disable-auto-complete-config, so what the file does not say, nobody adds: a configuration without
named and typed inputs and outputs is refused here, before a server is started for it.
"""

import math
import re
from collections.abc import Iterable
from typing import Final, Literal, NotRequired, TypedDict

from google.protobuf import text_format

from slipway.triton import model_config_pb2 as pb

# Triton fills in `backend` from the older `platform` (core, model_config_utils.cc, AutoCompleteBackendFields).
_BACKEND_OF_PLATFORM: Final = {
    "onnxruntime_onnx": "onnxruntime",
    "pytorch_libtorch": "pytorch",
    "torch_aoti": "pytorch",
    "tensorrt_plan": "tensorrt",
    "tensorflow_graphdef": "tensorflow",
    "tensorflow_savedmodel": "tensorflow",
}
_LONGEST_BACKEND: Final = 128
_LONGEST_VALUE: Final = 80
_LARGEST_BATCH: Final = 65_536
_MOST_INSTANCES: Final = 1024
_MOST_DIMS: Final = 64
_MOST_ELEMENTS: Final = 2**40
_AT: Final = re.compile(r"^(?P<line>\d+):(?P<column>\d+) ?: ?(?P<what>.*)$", re.DOTALL)

Tensor = tuple[str, str, list[int]]
"""Name, V2 datatype and dimensions, as config.pbtxt has them: without the batch dimension."""


class Part(TypedDict):
    """What the operator has to know of a model that another one asks, in the same server."""

    name: str
    backend: str
    maxBatchSize: int
    instances: int
    tensorBytes: int
    """Of all inputs and outputs of one element of a batch."""


class Declared(TypedDict):
    """What a model says of itself, in the shape of `model` in the resolve Job's answer."""

    backend: str
    maxBatchSize: int
    instances: int
    inputs: list[Tensor]
    outputs: list[Tensor]
    sequences: NotRequired[Literal[True]]
    parts: NotRequired[list[Part]]
    """Of an entry model: the others of its bundle."""


class ConfigError(ValueError):
    """A configuration that cannot be served, or an overlay that does not fit it: one sentence with the field."""


def parse(text: str) -> pb.ModelConfig:
    """The configuration in `text`; ConfigError with the line, or with the field that is missing."""
    config = pb.ModelConfig()
    try:
        text_format.Parse(text, config)
    except text_format.ParseError as error:
        raise ConfigError(_where(str(error))) from None
    except ValueError as error:  # a number of an enumeration that no field holds: protobuf's own, without a line
        raise ConfigError(f"{str(error)[:_LONGEST_VALUE]}; name the value, such as TYPE_FP32 or KIND_CPU") from None
    _require_tensors("input", config.input)
    _require_tensors("output", config.output)
    if not _backend(config):
        raise ConfigError('backend: not set; name what runs the model, such as backend: "onnxruntime"')
    if len(_backend(config)) > _LONGEST_BACKEND:
        raise ConfigError(f"backend: {len(_backend(config))} characters, and {_LONGEST_BACKEND} are the most")
    if not 0 <= config.max_batch_size <= _LARGEST_BATCH:
        raise ConfigError(f"max_batch_size: {config.max_batch_size} is not between 0 and {_LARGEST_BATCH}")
    _require_instances(config)
    return config


def to_text(config: pb.ModelConfig) -> str:
    """The configuration as Triton reads it."""
    return text_format.MessageToString(config)


def declared(config: pb.ModelConfig) -> Declared:
    """What the model says of itself: backend, batching, instances, tensors, and whether it keeps state by sequence."""
    said: Declared = {
        "backend": _backend(config),
        "maxBatchSize": config.max_batch_size,
        "instances": _all_instances(config),
        "inputs": [(tensor.name, datatype(tensor.data_type), list(tensor.dims)) for tensor in config.input],
        "outputs": [(tensor.name, datatype(tensor.data_type), list(tensor.dims)) for tensor in config.output],
    }
    if config.HasField("sequence_batching"):
        said["sequences"] = True
    return said


def datatype(value: pb.DataType) -> str:
    """The V2 protocol's name of a configuration's data type: TYPE_FP32 is FP32, TYPE_STRING is BYTES."""
    name = pb.DataType.Name(value).removeprefix("TYPE_")
    return "BYTES" if name == "STRING" else name


def data_type(datatype: str) -> pb.DataType:
    """The configuration's data type of a V2 datatype: the inverse of `datatype`."""
    return getattr(pb, "TYPE_" + ("STRING" if datatype == "BYTES" else datatype))  # type: ignore[no-any-return]


def _where(message: str) -> str:
    match = _AT.match(message)
    if not match:
        return message
    what = re.sub(r'Message type "[\w.]+" ', "", match["what"]).replace("slipway.triton.", "").rstrip(".")
    return f"line {match['line']}, column {match['column']}: {what}"


def _require_tensors(field: str, tensors: "Iterable[pb.ModelInput | pb.ModelOutput]") -> None:
    seen: set[str] = set()
    for index, tensor in enumerate(tensors):
        at = f"{field}[{index}]"
        if not tensor.name:
            raise ConfigError(f"{at}: has no name")
        if tensor.name in seen:
            raise ConfigError(f"{at}: {tensor.name!r} is declared twice")
        if tensor.data_type == pb.TYPE_INVALID:
            raise ConfigError(f"{at}: {tensor.name!r} has no data_type")
        if tensor.data_type not in pb.DataType.values():
            raise ConfigError(f"{at}: {tensor.name!r} has data_type {tensor.data_type}, which is none of Triton's")
        if not tensor.dims:
            raise ConfigError(
                f"{at}: {tensor.name!r} has no dims; for one number a row write dims: [ 1 ] reshape {{ shape: [ ] }}"
            )
        if odd := [size for size in tensor.dims if size < 1 and size != -1]:
            raise ConfigError(f"{at}: {tensor.name!r} has dims of {odd[0]}; write 1 or more, or -1 for any")
        if len(tensor.dims) > _MOST_DIMS or math.prod(abs(size) for size in tensor.dims) > _MOST_ELEMENTS:
            raise ConfigError(f"{at}: {tensor.name!r} has more dims, or elements, than any server holds")
        seen.add(tensor.name)
    if not seen:
        raise ConfigError(f"{field}: none declared; config.pbtxt must name and type every {field}")


def _require_instances(config: pb.ModelConfig) -> None:
    for index, group in enumerate(config.instance_group):
        if group.count < 0:
            raise ConfigError(f"instance_group[{index}]: count is {group.count}; write how many, or leave it out")
    if sum(map(_instances, config.instance_group)) > _MOST_INSTANCES:
        raise ConfigError(f"instance_group: more than {_MOST_INSTANCES} instances")


def _backend(config: pb.ModelConfig) -> str:
    return config.backend or _BACKEND_OF_PLATFORM.get(config.platform, config.platform)


def _all_instances(config: pb.ModelConfig) -> int:
    """Over all groups. An ensemble has none of its own, and counts as one."""
    if config.HasField("ensemble_scheduling"):
        return 1
    return sum(_instances(group) for group in config.instance_group or [pb.ModelInstanceGroup()])


def _instances(group: pb.ModelInstanceGroup) -> int:
    """How many instances a group makes: unless it says, two on a CPU and one on a GPU (seen on 2.51)."""
    count = group.count or (1 if group.kind == pb.ModelInstanceGroup.KIND_GPU else 2)
    return count * max(len(group.gpus), 1)
