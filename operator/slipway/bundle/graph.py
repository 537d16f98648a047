"""An ONNX file: what it takes and gives, the files that belong to it, and names that suit people better."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

import onnx
from google.protobuf.message import DecodeError
from onnx import TensorProto

from slipway.bundle.errors import BundleError
from slipway.bundle.tensors import FREE, Declared, Signature

_DATATYPES: Final[Mapping[int, str]] = {
    TensorProto.BOOL: "BOOL",
    TensorProto.UINT8: "UINT8",
    TensorProto.UINT16: "UINT16",
    TensorProto.UINT32: "UINT32",
    TensorProto.UINT64: "UINT64",
    TensorProto.INT8: "INT8",
    TensorProto.INT16: "INT16",
    TensorProto.INT32: "INT32",
    TensorProto.INT64: "INT64",
    TensorProto.FLOAT16: "FP16",
    TensorProto.BFLOAT16: "BF16",
    TensorProto.FLOAT: "FP32",
    TensorProto.DOUBLE: "FP64",
    TensorProto.STRING: "BYTES",
}


def load(file: Path) -> onnx.ModelProto:
    """The graph without the weights that lie in files beside it."""
    try:
        model = onnx.load(file, load_external_data=False)
    except OSError as error:
        raise BundleError(f"{file}: {error.strerror or error}; name the exported ONNX file") from None
    except DecodeError:
        raise BundleError(f"{file}: not an ONNX file; export the model to ONNX first") from None
    if not model.graph.node and not model.graph.output:
        raise BundleError(f"{file}: not an ONNX file, or an empty one; export the model to ONNX first")
    beside(model, file)
    return model


def signature(model: onnx.ModelProto, file: str) -> Signature:
    """What the graph takes and gives."""
    constant = {tensor.name for tensor in model.graph.initializer}
    inputs = tuple(_declared(value, "input", file) for value in model.graph.input if value.name not in constant)
    outputs = tuple(_declared(value, "output", file) for value in model.graph.output)
    if not inputs:
        raise BundleError(f"{file}: takes no input, and Triton asks no model without one; export it with its inputs")
    return Signature(inputs=inputs, outputs=outputs)


def beside(model: onnx.ModelProto, file: Path) -> list[str]:
    """The files that hold weights of the graph, by their path beside it."""
    places: dict[str, str] = {}
    for tensor in _tensors(model.graph):
        if tensor.data_location == TensorProto.EXTERNAL:
            place = next((entry.value for entry in tensor.external_data if entry.key == "location"), "")
            places.setdefault(place, tensor.name)
    for place, name in places.items():
        if not place or Path(place).is_absolute() or ".." in Path(place).parts:
            raise BundleError(f"{file}: the weights of {name!r} are at {place!r}, outside its folder; export it again")
        if not (file.parent / place).is_file():
            raise BundleError(f"{file}: the weights of {name!r} are in {place}, which is not beside it; put it there")
    return sorted(places)


def rename(model: onnx.ModelProto, names: Mapping[str, str], file: str) -> None:
    """Call inputs and outputs by other names."""
    taken = _names(model.graph)
    own = [value.name for value in (*model.graph.input, *model.graph.output)]
    for old, new in names.items():
        if old not in own:
            raise BundleError(f"{file}: has no input or output {old!r} to rename; it has {', '.join(own)}")
        if new in taken and names.get(new, new) == new != old:
            raise BundleError(f"{file}: {new!r} is already the name of a tensor in the graph; choose another")
    _rename(model.graph, names)


def _declared(value: onnx.ValueInfoProto, what: str, file: str) -> Declared:
    kind = value.type.WhichOneof("value")
    if kind != "tensor_type":
        noun = (kind or "value without a type").removesuffix("_type").replace("_", " ")
        raise BundleError(
            f"{file}: {what} {value.name!r} is a {noun}, and Triton has tensors only; export it as tensors "
            "(scikit-learn: options={'zipmap': False})"
        )
    tensor = value.type.tensor_type
    if tensor.elem_type not in _DATATYPES:
        name = TensorProto.DataType.Name(tensor.elem_type)
        raise BundleError(f"{file}: {what} {value.name!r} is {name}, which Triton has no tensors of; cast it")
    dims = tuple(_dim(dim) for dim in tensor.shape.dim) if tensor.HasField("shape") else None
    return Declared(name=value.name, datatype=_DATATYPES[tensor.elem_type], dims=dims)


def _dim(dim: onnx.TensorShapeProto.Dimension) -> int:
    """A dimension without a value is free, with a name or without one."""
    return dim.dim_value if dim.WhichOneof("value") == "dim_value" and dim.dim_value > 0 else FREE


def _subgraphs(graph: onnx.GraphProto) -> Iterable[onnx.GraphProto]:
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                yield attribute.g
            yield from attribute.graphs


def _tensors(graph: onnx.GraphProto) -> Iterable[onnx.TensorProto]:
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.TENSOR:
                yield attribute.t
            yield from attribute.tensors
    for inner in _subgraphs(graph):
        yield from _tensors(inner)


def _names(graph: onnx.GraphProto) -> set[str]:
    own = {name for node in graph.node for name in (*node.input, *node.output)}
    own |= {value.name for value in (*graph.input, *graph.output)}
    return own.union(*(_names(inner) for inner in _subgraphs(graph)))


def _rename(graph: onnx.GraphProto, names: Mapping[str, str]) -> None:
    for value in (*graph.input, *graph.output, *graph.value_info):
        value.name = names.get(value.name, value.name)
    for tensor in graph.initializer:
        tensor.name = names.get(tensor.name, tensor.name)
    for node in graph.node:
        node.input[:] = _renamed(node.input, names)
        node.output[:] = _renamed(node.output, names)
    for inner in _subgraphs(graph):
        _rename(inner, names)


def _renamed(tensors: Sequence[str], names: Mapping[str, str]) -> list[str]:
    return [names.get(name, name) for name in tensors]
