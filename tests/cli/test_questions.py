"""What may be asked of a model by hand: each way in which a person may write it, and what is said of a wrong one."""

import json
from typing import Any

import pytest

from slipway.cli.questions import QuestionError, of_bundle, of_file, of_inputs, of_spec, without_answers
from tests.triton.models import golden

DECLARED = [("x", "FP32", [-1, 4]), ("ids", "INT64", [-1, -1]), ("text", "BYTES", [-1, 1]), ("one", "BOOL", [1])]
X = {"name": "x", "datatype": "FP32", "shape": [1, 1], "data": [3]}


@pytest.mark.parametrize(
    ("given", "shape", "data"),
    [
        ("x=[1, 2, 3, 4]", (1, 4), [1, 2, 3, 4]),
        ("x=[1, 2, 3, 4, 5, 6, 7, 8]", (2, 4), [1, 2, 3, 4, 5, 6, 7, 8]),
        ("x=[[1, 2, 3, 4]]", (1, 4), [1, 2, 3, 4]),
        ("ids=7", (1, 1), [7]),
        ("ids=[7, 8]", (1, 2), [7, 8]),
        ("text=3 of = them", (1, 1), [b"3 of = them"]),
        ('text=["a"]', (1, 1), [b"a"]),
        ("text=", (1, 1), [b""]),
        ("one=true", (1,), [True]),
    ],
)
def test_an_input_gets_the_shape_that_the_model_declares(given: str, shape: tuple[int, ...], data: list[Any]) -> None:
    (tensor,) = of_inputs([given], DECLARED).inputs
    assert (tensor.shape, list(tensor.data)) == (shape, data)


def test_numbers_that_json_has_not_are_inputs_too() -> None:
    (tensor,) = of_inputs(["x=[NaN, Infinity, -Infinity, 1e3]"], DECLARED).inputs
    assert str(list(tensor.data)) == "[nan, inf, -inf, 1000.0]"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["x"], "--input x: write NAME=VALUE"),
        (["y=1"], "--input y: the model has no such input; it takes x, ids, text, one"),
        (["x=[1, 2, 3]"], "--input x: 3 elements do not fill its shape, which is [-1, 4]"),
        (["x=[[1, 2], [3]]"], "--input x: data: shape [2, 2] has 4 elements, found 3"),
        (["x=[1, 2, 3, four]"], "--input x: 1 elements do not fill"),
        (["ids=abc"], "--input ids: data[0]: 'abc' is not INT64; write JSON, as in [1, 2]"),
        (["ids=1.5"], "--input ids: data[0]: 1.5 is not INT64"),
        (["one=yes"], "--input one: data[0]: 'yes' is not BOOL; write JSON, as in [true, false]"),
        (["text=[1]"], '--input text: data[0]: 1 is not BYTES; write JSON, as in ["a text"]'),
        (["one=1", "one=0"], "--input: a name stands there twice"),
        (["ids=" + "[" * 100_000], "--input ids: data[0]: "),
    ],
)
def test_a_wrong_input_is_named(given: list[str], words: str) -> None:
    with pytest.raises(QuestionError) as raised:
        of_inputs(given, DECLARED)
    assert words in str(raised.value)


@pytest.mark.parametrize(
    ("document", "names", "exact"),
    [
        (golden(), ["f.json"], True),
        ([golden(), golden()], ["f.json[0]", "f.json[1]"], True),
        ({"inputs": [X]}, ["f.json"], False),
        ([{"inputs": [X]}, {"inputs": [X], "parameters": {"a": 1}}], ["f.json[0]", "f.json[1]"], False),
    ],
)
def test_a_file_is_a_request_or_a_sequence_with_answers_or_without(
    document: Any, names: list[str], exact: bool
) -> None:
    (request,) = of_file(json.dumps(document).encode(), "f.json")
    assert [step.name for step in request.steps] == names
    assert {step.exact for step in request.steps} == {exact}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"{", "f.json: "),
        (b"\xff", "f.json: "),
        (b"[" * 100_000, "f.json: "),
        (b"[]", "f.json: expected a request, or a list of those of one sequence, found []"),
        (b"3", "f.json: expected an object with inputs"),
        (b"{}", "f.json: inputs: expected a list of tensors, found"),
        (json.dumps({"inputs": [{**X, "datatype": "F"}]}).encode(), "f.json: inputs[0].datatype: "),
        (json.dumps({"inputs": [X], "parameters": 1}).encode(), "f.json: parameters: expected an object"),
        (json.dumps([golden(), {"inputs": [X]}]).encode(), "f.json: [1]: outputs: expected a list of tensors"),
    ],
)
def test_a_wrong_file_is_told_with_its_field(content: bytes, words: str) -> None:
    with pytest.raises(QuestionError) as raised:
        of_file(content, "f.json")
    assert str(raised.value).startswith(words)


def record(**data: Any) -> dict[str, Any]:
    return {"data": data}


def test_golden_requests_are_those_of_the_spec_with_their_answers() -> None:
    text = json.dumps({"requests": [golden(), {**golden(), "sequence": "s"}, {**golden(1, 3), "sequence": "s"}]})
    found = of_spec(record(children=[{"kind": "ConfigMap", "data": {"golden.json": text}}]))
    assert [(each.name, len(each.steps), each.exact) for each in found] == [
        ("verification.requests[0]", 1, True),
        ("verification.requests[1]", 2, True),
    ]


@pytest.mark.parametrize("data", [{}, {"children": 3}, {"children": [None, {"kind": "ConfigMap", "data": 3}]}])
def test_a_record_of_a_stranger_has_no_golden_requests(data: dict[str, Any]) -> None:
    assert of_spec(record(**data)) == []
    assert without_answers(record(**data, resolved={"asks": 3})) == []


def test_what_a_revision_keeps_of_its_bundles_is_asked_without_answers() -> None:
    (found,) = without_answers(record(resolved={"asks": [{"inputs": [X]}]}))
    assert (found.name, found.exact, found.outputs) == ("the bundle's golden request 1", False, ())


def test_files_of_the_bundle_are_asked_in_their_order_and_a_wrong_one_is_named() -> None:
    files = {name: json.dumps(golden()) for name in ("b.json", "a.json")}
    assert [each.name for each in of_bundle(files)] == ["golden/a.json", "golden/b.json"]
    with pytest.raises(QuestionError, match="golden requests: not JSON"):
        of_bundle({"a.json": "{"})
