"""Golden requests: what is read from where, and which words a mistake in one gets."""

import json
import math
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from slipway.guard import comparison, golden, tensors, wire
from slipway.guard.golden import GoldenError
from slipway.guard.model_config import ModelConfig
from slipway.guard.tensors import Tensor, Tolerance
from slipway.guard.verdict import BUNDLE_INVALID, Verdict


def _document(**changes: Any) -> dict[str, Any]:
    return {
        "inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 1], "data": [3]}],
        "outputs": [{"name": "y", "datatype": "FP32", "shape": [1, 1], "data": [7]}],
        **changes,
    }


def _output(**changes: Any) -> dict[str, Any]:
    return _document(outputs=[{"name": "y", "datatype": "FP32", "shape": [2], "data": [1, 2], **changes}])


def test_a_request_is_read_as_the_server_will_hold_it() -> None:
    tensor = {"name": "y", "datatype": "FP16", "shape": [2, 2], "data": [[0.1, "NaN"], ["-Infinity", 2]]}
    request = golden.parse(_document(outputs=[tensor], tolerance={"absolute": "0.5"}), "g")
    (output,) = request.outputs
    assert output.shape == (2, 2)
    assert output.data[0] == 0.0999755859375
    assert math.isnan(output.data[1])
    assert output.data[2:] == (-math.inf, 2.0)
    assert request.tolerance == Tolerance(0.5, 0.001)


def test_strings_are_utf_8() -> None:
    request = golden.parse(_output(datatype="BYTES", data=["é", ""]), "g")
    assert request.outputs[0].data == ("é".encode(), b"")


def test_bytes_that_are_no_text_are_written_in_base64() -> None:
    request = golden.parse(_output(datatype="BYTES", data=[{"b64": "/9j/4A=="}, "text"]), "g")
    assert request.outputs[0].data == (b"\xff\xd8\xff\xe0", b"text")


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ([], "expected an object with inputs and outputs"),
        (_document(inputs=[]), "inputs: expected a list of tensors, found []"),
        ({"inputs": _document()["inputs"]}, "outputs: expected a list of tensors, found nothing"),
        (
            _document(tolerence={}),
            "tolerence: no such field; known are inputs, outputs, parameters, responses, tolerance",
        ),
        (_document(outputs=[3]), "outputs[0]: expected a tensor, found 3"),
        (_output(typ="FP32"), "outputs[0].typ: no such field"),
        (_output(name=""), 'outputs[0].name: expected a name, found ""'),
        (_output(datatype="FLOAT"), 'outputs[0].datatype: "FLOAT" is not one of BF16, BOOL'),
        (_output(shape=[-1]), "outputs[0].shape: expected a list of sizes, found [-1]"),
        (_output(shape=[3]), "outputs[0].data: shape [3] has 3 elements, found 2"),
        (_output(data=7), "outputs[0].data: expected a list of elements, found 7"),
        (_output(data=[1, "7"]), "outputs[0].data[1]: '7' is not FP32"),
        (_output(data=[1, True]), "outputs[0].data[1]: True is not FP32"),
        (_output(data=[1, None]), "outputs[0].data[1]: None is not FP32"),
        (_output(datatype="INT8", data=[1, 300]), "outputs[0].data[1]: 300 is not INT8"),
        (_output(datatype="INT8", data=[1, 1.0]), "outputs[0].data[1]: 1.0 is not INT8"),
        (_output(datatype="BYTES"), "outputs[0].data[0]: 1 is not BYTES"),
        (
            _output(datatype="BYTES", data=["", {"b64": "/9j"}]),
            "outputs[0].data[1].b64: not base64; write the bytes with",
        ),
        (_output(datatype="BYTES", data=["", {"b64": 1}]), "outputs[0].data[1].b64: not base64"),
        (
            _output(datatype="BYTES", data=["", {"b64": "", "x": 1}]),
            "outputs[0].data[1]: {'b64': '', 'x': 1} is not BYTES",
        ),
        (_output(data=["1", {"b64": "AA=="}]), "outputs[0].data[0]: '1' is not FP32"),
        (_output(datatype="BOOL", data=[0, 2]), "outputs[0].data[1]: 2 is not BOOL"),
        (_document(outputs=_document()["outputs"] * 2), "outputs[1]: 'y' stands there twice"),
        (_document(tolerance=1), "tolerance: expected an object, found 1"),
        (_document(tolerance={"abs": 1}), "tolerance.abs: no such field; known are absolute, relative"),
        (_document(tolerance={"absolute": "-1"}), 'tolerance.absolute: expected a number of 0 or more, found "-1"'),
        (_document(parameters=[]), "parameters: expected an object, found []"),
        (_document(parameters={"a": {}}), "parameters.a: expected a text, a number or a boolean, found {}"),
        (_document(parameters={"a": math.inf}), "parameters.a: expected a text, a number or a boolean"),
        (_document(parameters={"a": 10**400}), "parameters.a: expected a text, a number or a boolean"),
        (_document(parameters={"sequence_end": True}), "parameters.sequence_end: each request has its own"),
        (_document(responses=[]), "responses: stand for outputs; take one of them out"),
        ({"inputs": _document()["inputs"], "responses": []}, "responses: expected a list of objects with outputs"),
        ({"inputs": _document()["inputs"], "responses": [3]}, "responses[0]: expected an object with outputs, found 3"),
        ({"inputs": _document()["inputs"], "responses": [{}]}, "responses[0].outputs: expected a list of tensors"),
        ({"inputs": _document()["inputs"], "responses": [{"out": 1}]}, "responses[0].out: no such field"),
        (_document(tolerance={"relative": 10**400}), "tolerance.relative: expected a number of 0 or more"),
        (_document(parameters={"a": "\ud83d"}), "parameters.a: expected a text, a number or a boolean"),
        (_document(parameters={"\ud83d": 1}), ": expected a text, a number or a boolean"),
        (_document(tolerance={"relative": "much"}), "tolerance.relative: expected a number of 0 or more"),
    ],
)
def test_a_mistake_is_told_with_its_field(document: Any, words: str) -> None:
    with pytest.raises(GoldenError) as refused:
        golden.parse(document, "g")
    assert words in str(refused.value)


def test_a_list_is_a_sequence_in_its_order() -> None:
    request = golden.read(json.dumps([_document(), _output()]).encode(), "golden/a.json")
    assert [step.name for step in request.steps] == ["golden/a.json[0]", "golden/a.json[1]"]
    named = request.of_version("3")
    assert [step.name for step in named.steps] == ["version 3: golden/a.json[0]", "version 3: golden/a.json[1]"]


@pytest.mark.parametrize(
    ("document", "words"), [([], "or a list of them, found []"), ([_document(), {}], "[1]: inputs:")]
)
def test_a_mistake_in_a_sequence_is_told_with_its_step(document: Any, words: str) -> None:
    with pytest.raises(GoldenError) as refused:
        golden.read(json.dumps(document).encode(), "g")
    assert words in str(refused.value)


def test_the_bundles_files_are_asked_in_their_order(tmp_path: Path) -> None:
    (tmp_path / "golden").mkdir()
    for name in ("b", "a"):
        (tmp_path / "golden" / f"{name}.json").write_text(json.dumps(_document()))
    assert [request.name for request in golden.load(tmp_path, tmp_path)] == ["golden/a.json", "golden/b.json"]


def test_requests_of_the_spec_are_of_the_sequences_that_they_name(tmp_path: Path) -> None:
    named = [{**_document(), **({"sequence": name} if name else {})} for name in ("a", "", "b", "a", "0")]
    (tmp_path / "golden.json").write_text(json.dumps({"requests": named}))
    found = [[step.name for step in request.steps] for request in golden.load(tmp_path, tmp_path)]
    of = "verification.requests[{}]".format
    assert found == [[of(0), of(3)], [of(1)], [of(2)], [of(4)]]


def test_no_golden_requests_are_none(tmp_path: Path) -> None:
    assert golden.load(tmp_path, tmp_path) == []


@pytest.mark.parametrize(
    ("place", "content", "reason", "words"),
    [
        ("golden/a.json", "{", "BundleInvalid", "golden/a.json: not JSON: Expecting property name"),
        ("golden/a.json", "{}", "BundleInvalid", "golden/a.json: inputs: expected a list of tensors"),
        ("golden.json", "[]", "SpecInvalid", "spec.model.verification: cannot be read"),
        ("golden.json", '{"requests": [{}]}', "SpecInvalid", "spec.model.verification.requests[0]: inputs: expected"),
        (
            "golden.json",
            '{"requests": [{"sequence": 1}]}',
            "SpecInvalid",
            "spec.model.verification.requests[0]: sequence:",
        ),
    ],
)
def test_a_file_that_cannot_be_asked_is_its_authors_fault(
    tmp_path: Path, place: str, content: str, reason: str, words: str
) -> None:
    (tmp_path / "golden").mkdir()
    (tmp_path / place).write_text(content)
    with pytest.raises(Verdict) as refused:
        golden.load(tmp_path, tmp_path)
    assert refused.value.reason == reason
    assert refused.value.message.startswith(words)


METADATA = {
    "inputs": [
        {"name": "x", "datatype": "FP32", "shape": [-1, 2]},
        {"name": "s", "datatype": "BYTES", "shape": [1]},
        {"name": "b", "datatype": "BOOL", "shape": [1]},
    ],
    "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1, 3]}],
}


def test_declared_shapes_are_asked_with_zeros_and_ones_for_what_may_vary() -> None:
    asked = golden.of_declared_shapes(METADATA, ModelConfig(batched=True)).inputs
    assert tuple(replace(tensor, data=tuple(tensor.data)) for tensor in asked) == (
        Tensor("x", "FP32", (1, 2), (0, 0)),
        Tensor("s", "BYTES", (1,), (b"",)),
        Tensor("b", "BOOL", (1,), (False,)),
    )


def test_what_is_declared_takes_no_more_memory_than_its_bytes() -> None:
    """The guard's memory counts against the server's limit: a picture asked for and answered must not fill it."""
    count = 1 << 20
    picture = {"name": "x", "datatype": "FP32", "shape": [count]}
    tracemalloc.start()
    request = golden.of_declared_shapes({"inputs": [picture], "outputs": [picture]}, ModelConfig())
    body, headers = wire.infer_request(request.inputs, {}, ["x"])
    assert len(body) == int(headers[wire.HEADER_LENGTH]) + 4 * count
    output = {**picture, "parameters": {"binary_data_size": 4 * count}}
    head = json.dumps({"outputs": [output]}).encode()
    answer = wire.infer_answer(head + bytes(4 * count), len(head), tensors.in_place)
    assert comparison.wrong(request, answer) is None
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 6 * 4 * count


def test_what_nobody_could_ask_at_once_is_the_bundles_fault() -> None:
    endless = {"name": "x", "datatype": "FP32", "shape": [-1, 1 << 20, 1 << 20]}
    with pytest.raises(Verdict, match="x: 1099511627776 elements cannot be asked at once") as refused:
        golden.of_declared_shapes({"inputs": [endless], "outputs": []}, ModelConfig())
    assert refused.value.reason == BUNDLE_INVALID


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Tensor("y", "FP32", (1, 3), (1.0,) * 3), None),
        (Tensor("z", "FP32", (1, 3), (1.0,) * 3), "y: expected an output of that name, got ['z']"),
        (Tensor("y", "FP64", (1, 3), (1.0,) * 3), "y: expected datatype FP32, got FP64"),
        (Tensor("y", "FP32", (1, 4), (1.0,) * 4), "y: expected shape [1, 3], got [1, 4]"),
        (Tensor("y", "FP32", (1, 3), ()), "y: shape [1, 3] has 3 elements, got 0"),
        (Tensor("y", "FP32", (0, 3), ()), "y: expected shape [1, 3], got [0, 3]"),
    ],
)
def test_an_answer_of_declared_shapes_may_hold_any_values(answer: Tensor, words: str | None) -> None:
    found = comparison.wrong(golden.of_declared_shapes(METADATA, ModelConfig(batched=True)), [answer])
    assert found == (None if words is None else f"its declared shapes: {words}")
