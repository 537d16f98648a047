"""Small models for tests: ONNX graphs, and a Python model that does what a file tells it."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper

ONNX_TYPE = {
    "BOOL": TensorProto.BOOL,
    "UINT8": TensorProto.UINT8,
    "UINT16": TensorProto.UINT16,
    "UINT32": TensorProto.UINT32,
    "UINT64": TensorProto.UINT64,
    "INT8": TensorProto.INT8,
    "INT16": TensorProto.INT16,
    "INT32": TensorProto.INT32,
    "INT64": TensorProto.INT64,
    "FP16": TensorProto.FLOAT16,
    "BF16": TensorProto.BFLOAT16,
    "FP32": TensorProto.FLOAT,
    "FP64": TensorProto.DOUBLE,
    "BYTES": TensorProto.STRING,
}

OBEDIENT = '''
import json, os, signal, time
from pathlib import Path
import numpy
import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    """y = 2x + 1, unless the file `orders` beside it says otherwise."""

    def initialize(self, args):
        self.orders = Path(args["model_repository"]) / "orders"
        time.sleep(self.read().get("load_seconds", 0))

    def read(self):
        return json.loads(self.orders.read_text()) if self.orders.exists() else {}

    def execute(self, requests):
        orders = self.read()
        with self.orders.with_name("begun").open("a") as begun:
            begun.write("x" * len(requests))
        time.sleep(orders.get("seconds", 0))
        if "kill_server" in orders:
            os.kill(os.getppid(), orders["kill_server"])
        answers = []
        if "error" in orders:
            return [pb_utils.InferenceResponse(error=pb_utils.TritonError("as ordered")) for _ in requests]
        for request in requests:
            x = pb_utils.get_input_tensor_by_name(request, "x").as_numpy()
            y = x * 2 + 1 + orders.get("wrong_by", 0)
            if orders.get("empty"):
                y = y[:0]
            answers.append(pb_utils.InferenceResponse([pb_utils.Tensor("y", y.astype(numpy.float32))]))
        return answers
'''

SUMMING = '''
import numpy
import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    """y = 2s + 1, with s the sum of a sequence's x."""

    def initialize(self, args):
        self.sums = {}

    def execute(self, requests):
        answers = []
        for request in requests:
            sequence = request.correlation_id()
            if request.flags() & pb_utils.TRITONSERVER_REQUEST_FLAG_SEQUENCE_START:
                self.sums[sequence] = 0
            x = pb_utils.get_input_tensor_by_name(request, "x").as_numpy()
            self.sums[sequence] = self.sums[sequence] + x
            y = self.sums[sequence] * 2 + 1
            answers.append(pb_utils.InferenceResponse([pb_utils.Tensor("y", y.astype(numpy.float32))]))
        return answers
'''

ECHOING = '''
import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    """y = x, whatever bytes they are."""

    def execute(self, requests):
        tensors = [pb_utils.get_input_tensor_by_name(request, "x").as_numpy() for request in requests]
        return [pb_utils.InferenceResponse([pb_utils.Tensor("y", x)]) for x in tensors]
'''

CALLING = '''
import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    """y as another model of the server has it, unless x is negative: then y is 0, and nobody is asked."""

    def execute(self, requests):
        answers = []
        for request in requests:
            x = pb_utils.get_input_tensor_by_name(request, "x")
            if x.as_numpy().min() < 0:
                answers.append(pb_utils.InferenceResponse([pb_utils.Tensor("y", x.as_numpy() * 0)]))
                continue
            asked = pb_utils.InferenceRequest(model_name="CALLED", requested_output_names=["y"], inputs=[x])
            answer = asked.exec()
            if answer.has_error():
                answers.append(pb_utils.InferenceResponse(error=answer.error()))
                continue
            y = pb_utils.get_output_tensor_by_name(answer, "y")
            answers.append(pb_utils.InferenceResponse([pb_utils.Tensor("y", y.as_numpy())]))
        return answers
'''

STREAMING = '''
import json
import numpy
import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    """Responds y = 2x + 1 and then one more each time, as often as its parameter or the request\'s says."""

    def initialize(self, args):
        self.times = int(json.loads(args["model_config"])["parameters"]["times"]["string_value"])

    def execute(self, requests):
        for request in requests:
            sender = request.get_response_sender()
            x = pb_utils.get_input_tensor_by_name(request, "x").as_numpy()
            times = json.loads(request.parameters()).get("times", self.times)
            for index in range(times):
                y = (x * 2 + 1 + index).astype(numpy.float32)
                sender.send(pb_utils.InferenceResponse([pb_utils.Tensor("y", y)]))
            if times == 0:
                sender.send(pb_utils.InferenceResponse(error=pb_utils.TritonError("has nothing to say")))
            sender.send(flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
'''


def golden(x: float = 3.0, y: float = 7.0, **more: Any) -> dict[str, Any]:
    """A request to y = 2x + 1."""
    return {
        "inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 1], "data": [x]}],
        "outputs": [{"name": "y", "datatype": "FP32", "shape": [1, 1], "data": [y]}],
        **more,
    }


def config(
    name: str,
    backend: str,
    inputs: Mapping[str, tuple[str, Sequence[int]]],
    outputs: Mapping[str, tuple[str, Sequence[int]]],
    more: str = "max_batch_size: 8",
) -> str:
    """A config.pbtxt. Types are those of the V2 protocol."""

    def tensors(declared: Mapping[str, tuple[str, Sequence[int]]]) -> str:
        return ", ".join(
            f'{{name: "{name}" data_type: TYPE_{kind.replace("BYTES", "STRING")} dims: {list(dims)}}}'
            for name, (kind, dims) in declared.items()
        )

    return f'name: "{name}"\nbackend: "{backend}"\n{more}\ninput [{tensors(inputs)}]\noutput [{tensors(outputs)}]\n'


def linear(repository: Path, name: str = "m", *, backend: str = "onnxruntime", more: str = "max_batch_size: 8") -> Path:
    """y = 2x + 1 as an ONNX graph."""
    nodes = [helper.make_node("Mul", ["x", "a"], ["ax"]), helper.make_node("Add", ["ax", "b"], ["y"])]
    constants = [constant("a", numpy.array([2], numpy.float32)), constant("b", numpy.array([1], numpy.float32))]
    tensors = {"x": ("FP32", [1])}, {"y": ("FP32", [1])}
    return onnx_model(repository / name, nodes, *tensors, config(name, backend, *tensors, more), constants)


def identity(repository: Path, types: Sequence[str], name: str = "m", more: str = "max_batch_size: 8") -> Path:
    """One output a type, equal to its input."""
    nodes = [helper.make_node("Identity", [f"in_{kind}"], [f"out_{kind}"]) for kind in types]
    inputs: dict[str, tuple[str, Sequence[int]]] = {f"in_{kind}": (kind, [3]) for kind in types}
    outputs: dict[str, tuple[str, Sequence[int]]] = {f"out_{kind}": (kind, [3]) for kind in types}
    return onnx_model(repository / name, nodes, inputs, outputs, config(name, "onnxruntime", inputs, outputs, more))


def obedient(repository: Path, name: str = "m", *, instances: int = 1, **orders: float) -> Path:
    """A Python model of y = 2x + 1 that can be told, by `order`, to be slow, wrong or worse."""
    model = repository / name
    (model / "1").mkdir(parents=True)
    (model / "1" / "model.py").write_text(OBEDIENT)
    more = f"max_batch_size: 8\ninstance_group [{{count: {instances} kind: KIND_CPU}}]"
    (model / "config.pbtxt").write_text(config(name, "python", {"x": ("FP32", [1])}, {"y": ("FP32", [1])}, more))
    order(model, **orders)
    return model


def summing(repository: Path, more: str = "", name: str = "m") -> Path:
    """A model with state by sequence."""
    return _python(repository / name, SUMMING, f"max_batch_size: 8\nsequence_batching {{ {more} }}")


def streaming(repository: Path, times: int = 1, more: str = "max_batch_size: 8", name: str = "m") -> Path:
    """A decoupled model."""
    parameter = f'parameters {{ key: "times" value {{ string_value: "{times}" }} }}'
    decoupled = f"{more}\nmodel_transaction_policy {{ decoupled: true }}\n{parameter}"
    return _python(repository / name, STREAMING, decoupled)


def echoing(repository: Path, name: str = "m") -> Path:
    """A model of BYTES."""
    return _python(repository / name, ECHOING, "max_batch_size: 8", "BYTES")


def _python(model: Path, code: str, more: str, kind: str = "FP32") -> Path:
    (model / "1").mkdir(parents=True)
    (model / "1" / "model.py").write_text(code)
    more += "\ninstance_group [{count: 1 kind: KIND_CPU}]"
    (model / "config.pbtxt").write_text(config(model.name, "python", {"x": (kind, [1])}, {"y": (kind, [1])}, more))
    return model


def order(model: Path, **orders: float) -> None:
    """Tell an obedient model what to do from its next request on."""
    being_written = model / "orders.new"
    being_written.write_text(json.dumps(orders))
    being_written.rename(model / "orders")


def begun(model: Path) -> int:
    """How many requests an obedient model has begun to answer."""
    file = model / "begun"
    return file.stat().st_size if file.exists() else 0


def constant(name: str, value: "numpy.ndarray[Any, Any]") -> onnx.TensorProto:
    """A tensor that is part of a graph."""
    return numpy_helper.from_array(value, name)


def onnx_model(
    model: Path,
    nodes: Sequence[onnx.NodeProto],
    inputs: Mapping[str, tuple[str, Sequence[int]]],
    outputs: Mapping[str, tuple[str, Sequence[int]]],
    pbtxt: str,
    constants: Sequence[onnx.TensorProto] = (),
    *,
    batched: bool = True,
) -> Path:
    """A model of these nodes; the graph's tensors are those declared, with a batch dimension in front."""
    batch = ["batch"] if batched else []

    def values(declared: Mapping[str, tuple[str, Sequence[int]]]) -> list[onnx.ValueInfoProto]:
        return [
            helper.make_tensor_value_info(name, ONNX_TYPE[kind], [*batch, *_free(name, dims)])
            for name, (kind, dims) in declared.items()
        ]

    (model / "1").mkdir(parents=True)
    graph = helper.make_graph(nodes, "graph", values(inputs), values(outputs), list(constants))
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), model / "1" / "model.onnx"
    )
    (model / "config.pbtxt").write_text(pbtxt)
    return model


def _free(name: str, dims: Sequence[int]) -> list[int | str]:
    """Dimensions as ONNX has them: one that may vary has a name."""
    return [f"{name}_{index}" if size < 0 else size for index, size in enumerate(dims)]


def ensemble(repository: Path, *steps: str, name: str = "m", more: str = "max_batch_size: 8") -> Path:
    """y of x, by way of other models: each step as `MODEL: TENSOR -> TENSOR`, of models that take x and give y."""
    model = repository / name
    (model / "1").mkdir(parents=True)
    text = config(name, "", {"x": ("FP32", [1])}, {"y": ("FP32", [1])}, f'platform: "ensemble"\n{more}')
    (model / "config.pbtxt").write_text(f"{text}ensemble_scheduling {{ {' '.join(map(_step, steps))} }}\n")
    return model


def _step(text: str) -> str:
    called, takes, gives = re.fullmatch(r"(\w+): (\w+) -> (\w+)", text).groups()  # type: ignore[union-attr]
    maps = f'input_map {{ key: "x" value: "{takes}" }} output_map {{ key: "y" value: "{gives}" }}'
    return f'step {{ model_name: "{called}" model_version: -1 {maps} }}'


def calling(repository: Path, called: str, name: str = "m") -> Path:
    """A Python model that gives what another one of its server answers."""
    return _python(repository / name, CALLING.replace("CALLED", called), "max_batch_size: 8")
