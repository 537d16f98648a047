"""What `check --serve` measures: every size of batch, and why nothing where nothing can be."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from slipway.bundle import pack, throughput
from slipway.bundle.memory import memory_of
from slipway.bundle.throughput import Load, sizes
from slipway.guard.golden import GoldenRequest
from slipway.guard.tensors import Tensor
from tests.bundle import graphs
from tests.bundle.conftest import Serve

Out = dict[str, Any]
QUICK = Load(seconds=0.1)


@pytest.mark.parametrize(
    ("most", "asked"),
    [(0, [0]), (1, [1]), (2, [1, 2]), (3, [1, 2, 3]), (32, [1, 2, 4, 8, 16, 32]), (48, [1, 2, 4, 8, 16, 32, 48])],
)
def test_batches_double_up_to_the_most(most: int, asked: list[int]) -> None:
    assert sizes(most) == asked


def test_a_batch_is_the_rows_of_a_golden_request_again_and_again() -> None:
    numbers = Tensor("x", "INT8", (2, 2), (1, 2, 3, 4))
    texts = Tensor("t", "BYTES", (2, 1), (b"a", b"bcd"))
    encoded = throughput._encoded(GoldenRequest("one", (numbers, texts), ()), 3, 8000, "m")
    raw = encoded.body[int(encoded.headers["Inference-Header-Content-Length"]) :]
    assert raw == bytes([1, 2, 3, 4, 1, 2]) + b"\1\0\0\0a" + b"\3\0\0\0bcd" + b"\1\0\0\0a"


@pytest.mark.triton
def test_a_model_without_batches_is_asked_as_it_is(tmp_path: Path, out: Out, served: Serve) -> None:
    file = graphs.linear(tmp_path / "m.onnx", takes=(3, 1), gives=(3, 1))
    packed = pack.onnx(file, np.ones((3, 1)), batch=False, **out)
    found = served(packed.directory, QUICK)
    assert [each.batch for each in found.throughput] == [0]
    assert found.after is not None


@pytest.mark.triton
def test_a_python_model_is_seen_in_shared_memory_and_asked_by_several_at_once(
    tmp_path: Path, out: Out, served: Serve
) -> None:
    (tmp_path / "model.py").write_text(
        "import triton_python_backend_utils as pb_utils\n"
        "class TritonPythonModel:\n"
        "    def execute(self, requests):\n"
        "        found = [pb_utils.get_input_tensor_by_name(r, 'x').as_numpy() * 2 for r in requests]\n"
        "        return [pb_utils.InferenceResponse([pb_utils.Tensor('y', y)]) for y in found]\n"
    )
    rows = {"x": np.array([[1.0], [2.0]], np.float32)}
    packed = pack.python(tmp_path / "model.py", rows, lambda asked: {"y": asked["x"] * 2}, max_batch_size=4, **out)
    found = served(packed.directory, Load(seconds=0.1, clients=3))
    assert [each.batch for each in found.throughput] == [1, 2, 4]
    assert 0 < found.memory.shared < found.memory.all


UNMEASURED = {
    "sequence": ("sequence_batching { }", "the model keeps state by sequence"),
    "decoupled": ("model_transaction_policy { decoupled: true }", "the model answers in streams (decoupled)"),
    "nothing to ask": ("", "the bundle has no golden request whose rows could be asked"),
}


@pytest.mark.parametrize("case", UNMEASURED)
def test_what_cannot_be_measured_is_said(case: str, tmp_path: Path) -> None:
    more, message = UNMEASURED[case]
    model = tmp_path / "repository" / "m"
    model.mkdir(parents=True)
    tensors = 'input { name: "x" data_type: TYPE_FP32 dims: 1 } output { name: "y" data_type: TYPE_FP32 dims: 1 }'
    (model / "config.pbtxt").write_text(f'backend: "python" max_batch_size: 4 {tensors} {more}')
    assert message in (throughput.cannot(tmp_path, "m") or "")


def test_memory_of_nobody_is_none() -> None:
    assert memory_of(2**30).all == 0
