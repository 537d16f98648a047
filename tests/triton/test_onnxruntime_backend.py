"""The CPU image's `onnxruntime` backend in the real server: batches, instances, errors."""

import re
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy
import pytest
import tritonclient.http
from onnx import helper
from tritonclient.utils import InferenceServerException

from tests.guard.pod import Container, container
from tests.triton import models
from tests.triton.installation import Installation

pytestmark = pytest.mark.triton

Array = numpy.ndarray[Any, Any]


@pytest.fixture
def pod(tmp_path: Path, tritonserver: Installation) -> Iterator[Container]:
    made = container(tmp_path, tritonserver)
    yield made
    made.remove()


def test_requests_are_batched_and_each_gets_its_own_rows(pod: Container) -> None:
    batching = "max_batch_size: 32\ndynamic_batching {max_queue_delay_microseconds: 300000}"
    models.linear(pod.repository, more=f"{batching}\ninstance_group [{{count: 1 kind: KIND_CPU}}]")
    pod.start()
    pod.until_verified()
    with ThreadPoolExecutor(16) as threads:
        rows = [numpy.arange(n * 10, n * 10 + n, dtype=numpy.float32).reshape(-1, 1) for n in (1, 2, 3, 4) * 4]
        answers = list(threads.map(lambda x: _infer(pod, {"x": x}, "y"), rows))
    for x, y in zip(rows, answers, strict=True):
        numpy.testing.assert_allclose(y, 2 * x + 1)
    assert _counter(pod, "nv_inference_exec_count") < _counter(pod, "nv_inference_request_success")


def test_requests_of_different_shapes_are_each_answered(pod: Container) -> None:
    tensors = {"x": ("FP32", [-1])}, {"y": ("FP32", [-1])}
    batching = "max_batch_size: 8\ndynamic_batching {max_queue_delay_microseconds: 300000}"
    models.onnx_model(
        pod.repository / "m",
        [helper.make_node("Neg", ["x"], ["y"])],
        *tensors,
        models.config("m", "onnxruntime", *tensors, batching + "\ninstance_group [{count: 1}]"),
    )
    pod.start()
    pod.until_verified()
    with ThreadPoolExecutor(8) as threads:
        rows = [numpy.ones((1, n), numpy.float32) for n in (1, 2, 1, 2, 5, 5, 1, 3)]
        answers = list(threads.map(lambda x: _infer(pod, {"x": x}, "y"), rows))
    for x, y in zip(rows, answers, strict=True):
        numpy.testing.assert_array_equal(y, -x)


def test_a_request_that_fails_does_not_fail_those_batched_with_it(pod: Container) -> None:
    tensors = {"index": ("INT64", [1])}, {"y": ("FP32", [1])}
    batching = "max_batch_size: 8\ndynamic_batching {max_queue_delay_microseconds: 300000}"
    table = models.constant("table", numpy.array([0.5, 1.5, 2.5], numpy.float32))
    models.onnx_model(
        pod.repository / "m",
        [helper.make_node("Gather", ["table", "index"], ["y"])],
        *tensors,
        models.config("m", "onnxruntime", *tensors, batching + "\ninstance_group [{count: 1}]"),
        [table],
    )
    pod.start()
    pod.until_verified()
    with ThreadPoolExecutor(4) as threads:
        asked = [threads.submit(_infer, pod, {"index": numpy.array([[i]], numpy.int64)}, "y") for i in (0, 1, 9, 2)]
    assert [asked[i].result().item() for i in (0, 1, 3)] == [0.5, 1.5, 2.5]
    with pytest.raises(InferenceServerException, match=r"onnxruntime: .*indices element out of data bounds"):
        asked[2].result()


def test_several_instances_of_an_old_platform_name_serve(pod: Container) -> None:
    model = models.linear(pod.repository, more="max_batch_size: 8\ninstance_group [{count: 3 kind: KIND_CPU}]")
    pbtxt = model / "config.pbtxt"
    pbtxt.write_text(pbtxt.read_text().replace('backend: "onnxruntime"', 'platform: "onnxruntime_onnx"'))
    pod.start()
    pod.until_verified()
    assert len(pod.processes("triton_python_backend_stub")) == 3
    assert pod.ask(4) == [9.0]


def test_a_model_without_a_batch_dimension_serves(pod: Container) -> None:
    tensors = {"x": ("BYTES", [2, 2])}, {"y": ("BYTES", [2, 2])}
    models.onnx_model(
        pod.repository / "m",
        [helper.make_node("Identity", ["x"], ["y"])],
        *tensors,
        models.config("m", "onnxruntime", *tensors, "max_batch_size: 0"),
        batched=False,
    )
    pod.start()
    pod.until_verified()
    x = numpy.array([["a", "ü"], ["", "日本"]], dtype=numpy.object_)
    y = _infer(pod, {"x": x}, "y")
    assert [item.decode() for item in y.ravel()] == list(x.ravel())


def test_bytes_that_are_no_text_are_told_with_tensor_and_element(pod: Container) -> None:
    models.identity(pod.repository, ["BYTES"])
    tensor = {"datatype": "BYTES", "shape": [1, 3], "data": ["a", {"b64": "/9j/4A=="}, ""]}
    pod.golden({"inputs": [{"name": "in_BYTES", **tensor}], "outputs": [{"name": "out_BYTES", **tensor}]})
    pod.start()
    pod.until_ended()
    assert "onnxruntime: input 'in_BYTES' (element 1) is not UTF-8 at byte 0" in pod.verdict["message"]


def test_only_the_outputs_asked_for_are_sent(pod: Container) -> None:
    models.identity(pod.repository, ["FP32", "INT64"])
    pod.start()
    pod.until_verified()
    inputs: dict[str, Array] = {
        "in_FP32": numpy.ones((1, 3), numpy.float32),
        "in_INT64": numpy.ones((1, 3), numpy.int64),
    }
    with tritonclient.http.InferenceServerClient(f"127.0.0.1:{pod.ports[0]}") as client:
        answer = client.infer(
            "m", _inputs(inputs), outputs=[tritonclient.http.InferRequestedOutput("out_INT64")]
        ).get_response()
    assert [output["name"] for output in answer["outputs"]] == ["out_INT64"]


def test_bfloat16_and_strings_in_one_model_are_refused_with_the_reason(pod: Container) -> None:
    models.identity(pod.repository, ["BF16", "BYTES"])
    pod.start()
    pod.until_ended()
    assert "this backend has no model with TYPE_BF16 and TYPE_STRING" in pod.verdict["message"]


_TYPES = {"f": "FP32", "i": "INT64", "O": "BYTES"}


def _inputs(arrays: dict[str, Array]) -> list[tritonclient.http.InferInput]:
    made = []
    for name, array in arrays.items():
        made.append(tritonclient.http.InferInput(name, list(array.shape), _TYPES[array.dtype.kind]))
        made[-1].set_data_from_numpy(array)
    return made


def _infer(pod: Container, arrays: dict[str, Array], output: str) -> Array:
    with tritonclient.http.InferenceServerClient(f"127.0.0.1:{pod.ports[0]}") as client:
        answer: Array = client.infer("m", _inputs(arrays)).as_numpy(output)
        return answer


def _counter(pod: Container, name: str) -> int:
    with urllib.request.urlopen(f"http://127.0.0.1:{pod.ports[2]}/metrics", timeout=5) as response:
        text = response.read().decode()
    found = re.search(rf'^{name}{{model="m",version="1"}} (\d+)', text, re.MULTILINE)
    assert found, text
    return int(found[1])


def test_a_graph_of_a_fixed_batch_is_no_model_that_takes_batches(pod: Container) -> None:
    """NVIDIA's backend refuses it when it loads: what is proven here would fail there."""
    tensors = {"x": ("FP32", [1])}, {"y": ("FP32", [1])}
    fixed = {"x": ("FP32", [1, 1])}, {"y": ("FP32", [1, 1])}
    node = helper.make_node("Neg", ["x"], ["y"])
    models.onnx_model(pod.repository / "m", [node], *fixed, models.config("m", "onnxruntime", *tensors), batched=False)
    pod.start()
    pod.until_ended()
    said = "config.pbtxt has max_batch_size: 8, and model.onnx has input 'x' with a first dimension of 1; export it"
    assert pod.verdict["reason"] == "LoadFailed"
    assert said in pod.verdict["message"]
