"""Small ONNX files for tests of packing: as people export them, rightly and wrongly."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tests.triton.models import ONNX_TYPE

Dims = Sequence[int | str | None] | None
Tensors = Mapping[str, tuple[str, Dims]]


def save(
    file: Path,
    nodes: Sequence[onnx.NodeProto],
    inputs: Tensors,
    outputs: Tensors,
    constants: Mapping[str, "np.ndarray[Any, Any]"] | None = None,
) -> Path:
    """A graph of these nodes. A dimension is a size, a name, or None; dims of None are no shape at all."""

    def values(declared: Tensors) -> list[onnx.ValueInfoProto]:
        return [helper.make_tensor_value_info(name, ONNX_TYPE[kind], dims) for name, (kind, dims) in declared.items()]

    initial = [numpy_helper.from_array(value, name) for name, value in (constants or {}).items()]
    graph = helper.make_graph(list(nodes), "graph", values(inputs), values(outputs), initial)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), file)
    return file


def linear(file: Path, *, takes: Dims = ("batch", 1), gives: Dims = ("batch", 1), x: str = "x", y: str = "y") -> Path:
    """y = 2x + 1."""
    nodes = [helper.make_node("Mul", [x, "a"], ["ax"]), helper.make_node("Add", ["ax", "b"], [y])]
    constants = {"a": np.array([2], np.float32), "b": np.array([1], np.float32)}
    return save(file, nodes, {x: ("FP32", takes)}, {y: ("FP32", gives)}, constants)


def reshaped(file: Path) -> Path:
    """The shapes say that the batch is free, and inside it was written down as 2."""
    nodes = [helper.make_node("Reshape", ["x", "shape"], ["y"])]
    tensors = {"x": ("FP32", ("batch", 4))}, {"y": ("FP32", ("batch", 4))}
    return save(file, nodes, *tensors, {"shape": np.array([2, 4], np.int64)})


def summed(file: Path, gives: Dims) -> Path:
    """One number for all rows."""
    nodes = [helper.make_node("ReduceSum", ["x"], ["total"], keepdims=1 if gives else 0)]
    return save(file, nodes, {"x": ("FP32", ("batch", 2))}, {"total": ("FP32", gives)})


def same(file: Path, kinds: Sequence[str], dims: Dims = ("batch", 3)) -> Path:
    """One output a datatype, equal to its input."""
    nodes = [helper.make_node("Identity", [f"in_{kind}"], [f"out_{kind}"]) for kind in kinds]
    return save(file, nodes, {f"in_{k}": (k, dims) for k in kinds}, {f"out_{k}": (k, dims) for k in kinds})


def named(file: Path, names: Sequence[str]) -> Path:
    """An input of each name, and an output that is equal to it."""
    nodes = [helper.make_node("Identity", [name], [f"{name} again"]) for name in names]
    dims = ("batch", 3)
    return save(file, nodes, dict.fromkeys(names, ("FP32", dims)), {f"{n} again": ("FP32", dims) for n in names})


def logarithm(file: Path) -> Path:
    """NaN for what is below zero, an infinity for zero."""
    return save(file, [helper.make_node("Log", ["x"], ["y"])], {"x": ("FP32", ("n", 1))}, {"y": ("FP32", ("n", 1))})


def sequence(file: Path) -> Path:
    """A list of tensors, as classifiers with ZipMap give their probabilities."""
    node = helper.make_node("SplitToSequence", ["x"], ["parts"], axis=0)
    taken = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 2])
    given = helper.make_tensor_sequence_value_info("parts", TensorProto.FLOAT, None)
    graph = helper.make_graph([node], "graph", [taken], [given])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), file)
    return file


def beside(file: Path) -> Path:
    """y = x W with W in a file beside the graph."""
    node = helper.make_node("MatMul", ["x", "W"], ["y"])
    weights = np.arange(512, dtype=np.float32).reshape(2, 256)
    save(file, [node], {"x": ("FP32", ("n", 2))}, {"y": ("FP32", ("n", 256))}, {"W": weights})
    model = onnx.load(file)
    onnx.save(model, file, save_as_external_data=True, location="weights.bin", size_threshold=0)
    return file
