"""What docs/monitoring.md says of Triton's counters: some failures are not where one looks for them."""

import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy
import pytest
from onnx import helper
from prometheus_client.parser import text_string_to_metric_families

from slipway.guard.protocol import Refused
from slipway.guard.tensors import Tensor
from testbed.operating import until
from tests.guard.pod import Container, container
from tests.triton import models
from tests.triton.installation import installed

pytestmark = pytest.mark.triton


@pytest.fixture
def pod(tmp_path: Path) -> Iterator[Container]:
    made = container(tmp_path, installed())
    yield made
    made.remove()


def counted(pod: Container) -> dict[str, float]:
    """Requests by how they ended."""
    with urllib.request.urlopen(f"http://127.0.0.1:{pod.ports[2]}/metrics", timeout=5) as response:
        families = text_string_to_metric_families(response.read().decode())
    # The parser gives every counter the ending that OpenMetrics wants.
    counts = {"nv_inference_request_success_total": "success", "nv_inference_request_failure_total": ""}
    return {
        counts[sample.name] or sample.labels["reason"]: sample.value
        for family in families
        for sample in family.samples
        if sample.name in counts
    }


def comes_to(pod: Container, before: dict[str, float], **wanted: float) -> None:
    """Wait until that much more was counted: Triton counts a moment after it has answered."""

    def more() -> dict[str, float]:
        after = counted(pod)
        return {how: after[how] - before[how] for how in after if after[how] != before[how]}

    until(f"Triton counts {wanted}", lambda: more() == wanted, 5)


def test_one_request_that_python_answers_with_an_error_is_a_success(pod: Container) -> None:
    tensors = {"index": ("INT64", [1])}, {"y": ("FP32", [1])}
    table = models.constant("table", numpy.array([0.5, 1.5, 2.5], numpy.float32))
    lookup = helper.make_node("Gather", ["table", "index"], ["y"])
    models.onnx_model(pod.repository / "m", [lookup], *tensors, models.config("m", "onnxruntime", *tensors), [table])
    pod.start()
    pod.until_verified()
    before = counted(pod)
    with pytest.raises(Refused, match="out of data bounds"):
        pod.client.infer([Tensor("index", "INT64", (1, 1), (9,))], ["y"], 5)
    comes_to(pod, before, success=1)


def test_a_model_that_fails_as_a_whole_is_counted_and_a_request_that_does_not_fit_it_is_not(pod: Container) -> None:
    model = models.obedient(pod.repository)
    pod.start()
    pod.until_verified()
    before = counted(pod)
    with pytest.raises(Refused, match="unexpected shape"):
        pod.client.infer([Tensor("x", "FP32", (1, 2), (1.0, 2.0))], ["y"], 5)
    models.order(model, seconds=-1)
    with pytest.raises(Refused, match="sleep length must be non-negative"):
        pod.ask()
    comes_to(pod, before, BACKEND=1)
