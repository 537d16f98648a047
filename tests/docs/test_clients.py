"""docs/clients.md, on the real server: its programs print what the page says, and its refusals have their codes."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy
import pytest
import requests
import tritonclient.grpc
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

from testbed.shell import ROOT
from tests.guard.pod import Container, container
from tests.triton import models
from tests.triton.installation import installed

pytestmark = pytest.mark.triton

PAGE = (ROOT / "docs" / "clients.md").read_text()
PROGRAMS = re.findall(r"(?ms)^```python\n(.*?)^```\n\n```text\n(.*?)^```", PAGE)
REFUSALS = dict(re.findall(r"(?m)^\| ([^|]+?) \| (\d{3}) \|", PAGE))
BY_GRPC = dict(re.findall(r"(?m)^\| ([^|]+?) \| \d{3} \| `([A-Z_]+)` \|", PAGE))
INFER = "/v2/models/churn/infer"


def inputs(**of: Any) -> dict[str, Any]:
    return {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 1], "data": [3.0]} | of]}


ASKED: dict[str, list[tuple[str, str, Any]]] = {
    "a shape, type or name that the model does not have, or an input too few": [
        ("POST", INFER, inputs(shape=[1, 2], data=[3.0, 4.0])),
        ("POST", INFER, inputs(datatype="INT64", data=[3])),
        ("POST", INFER, inputs(name="z")),
        ("POST", INFER, {"inputs": []}),
    ],
    "more rows than `maxBatchSize`": [("POST", INFER, inputs(shape=[9, 1], data=[3.0] * 9))],
    "a number of elements that does not fit the shape": [("POST", INFER, inputs(shape=[2, 1]))],
    "text where a number belongs": [("POST", INFER, inputs(data=["three"]))],
    "no JSON": [("POST", INFER, "x = 3")],
    "an unknown model": [("POST", "/v2/models/chorn/infer", inputs())],
    "an unknown path": [("POST", "/v2/models/churn/answer", inputs())],
    "GET where POST belongs": [("GET", INFER, None)],
}


@pytest.fixture(scope="module")
def churn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Container]:
    """The model of the page."""
    pod = container(tmp_path_factory.mktemp("churn"), installed())
    pod.model = "churn"
    models.linear(pod.repository, "churn")
    pod.golden(models.golden())
    pod.start()
    pod.until_verified()
    yield pod
    pod.remove()


@pytest.mark.parametrize(("program", "output"), PROGRAMS)
def test_a_program_of_the_page_prints_what_it_says(program: str, output: str, churn: Container, tmp_path: Path) -> None:
    http, grpc, _ = churn.ports
    file = tmp_path / "program.py"
    file.write_text(program.replace(":8000", f":{http}").replace(":8001", f":{grpc}"))
    ended = subprocess.run([sys.executable, str(file)], check=False, capture_output=True, text=True, timeout=60)
    assert (ended.stdout, ended.returncode) == (output, 0), ended.stderr


def test_every_refusal_of_the_page_is_asked_for() -> None:
    assert REFUSALS.keys() == ASKED.keys()
    assert len(PROGRAMS) == 4


@pytest.mark.parametrize("kind", ASKED)
def test_a_refusal_has_the_code_that_the_page_says(kind: str, churn: Container) -> None:
    address = f"http://127.0.0.1:{churn.ports[0]}"
    for method, path, body in ASKED[kind]:
        data = {"data": body} if isinstance(body, str) else {"json": body}
        answer = requests.request(method, address + path, timeout=10, **data)
        assert str(answer.status_code) == REFUSALS[kind], (body, answer.text)


TENSORS: dict[str, list[tuple[str, list[int], str, int]]] = {
    "a shape, type or name that the model does not have, or an input too few": [
        ("x", [1, 2], "float32", 2),
        ("x", [1, 1], "int64", 1),
        ("z", [1, 1], "float32", 1),
    ],
    "more rows than `maxBatchSize`": [("x", [9, 1], "float32", 9)],
    "a number of elements that does not fit the shape": [("x", [2, 1], "float32", 1)],
    "an unknown model": [("x", [1, 1], "float32", 1)],
}


def test_every_refusal_of_the_page_by_grpc_is_asked_for() -> None:
    assert BY_GRPC.keys() == TENSORS.keys()


@pytest.mark.parametrize("kind", TENSORS)
def test_a_refusal_by_grpc_has_the_code_that_the_page_says(kind: str, churn: Container) -> None:
    model = "chorn" if kind == "an unknown model" else "churn"
    with tritonclient.grpc.InferenceServerClient(f"127.0.0.1:{churn.ports[1]}") as client:
        for name, shape, dtype, elements in TENSORS[kind]:
            values = numpy.ones(elements, dtype)
            tensor = tritonclient.grpc.InferInput(name, [elements], np_to_triton_dtype(values.dtype))
            tensor.set_data_from_numpy(values)
            tensor.set_shape(shape)
            with pytest.raises(InferenceServerException) as refused:
                client.infer(model, [tensor])
            assert refused.value.status() == f"StatusCode.{BY_GRPC[kind]}", refused.value
