"""Labelled rows: read, asked together where they fit together, and marked."""

import json
from pathlib import Path
from typing import Any

import pytest

from slipway.guard import labelled
from slipway.guard.labelled import LabelledError, Marking, batches
from slipway.guard.model_config import ModelConfig
from slipway.guard.tensors import Tensor

CONFIG = ModelConfig(
    batched=True, max_batch_size=4, inputs={"x": (-1, 2)}, datatypes={"x": "FP32"}, outputs={"p": "FP32", "c": "INT64"}
)


def lines(*rows: tuple[Any, Any]) -> bytes:
    return "\n".join(json.dumps({"inputs": {"x": x}, "label": label}) for x, label in rows).encode()


def read(content: bytes) -> labelled.Rows:
    return labelled.read({"labelled/a.jsonl": content})


def test_rows_of_one_shape_are_asked_together_as_many_as_the_model_takes() -> None:
    asked = list(batches(read(lines(*(([i, i + 0.5], i % 2) for i in range(6)))), CONFIG))
    assert [len(batch.rows) for batch in asked] == [4, 2]
    (tensor,) = asked[1].inputs
    assert (tensor.shape, list(tensor.data)) == ((2, 2), [4, 4.5, 5, 5.5])


def test_rows_of_several_shapes_are_asked_each_with_their_own() -> None:
    config = ModelConfig(batched=True, max_batch_size=8, inputs={"x": (-1, -1)}, datatypes={"x": "BYTES"}, outputs={})
    asked = list(batches(read(lines((["a"], 0), (["b"], 1), (["c", "d"], 0))), config))
    assert [[list(tensor.shape) for tensor in batch.inputs] for batch in asked] == [[[2, 1]], [[1, 2]]]


def test_without_batches_each_row_is_a_request_of_the_models_own_shape() -> None:
    config = ModelConfig(inputs={"x": (1, 2)}, datatypes={"x": "FP32"}, outputs={"p": "FP32"})
    asked = list(batches(read(lines(([[1, 2]], 0), ([3, 4], 1))), config))
    assert [batch.inputs[0].shape for batch in asked] == [(1, 2), (1, 2)]


def test_a_single_number_is_a_row_of_one() -> None:
    config = ModelConfig(batched=True, max_batch_size=8, inputs={"x": (-1, 1)}, datatypes={"x": "FP32"}, outputs={})
    (batch,) = batches(read(lines((0.5, 0), (0.7, 1))), config)
    assert batch.inputs[0].shape == (2, 1)


def test_the_same_rows_have_the_same_digest_whatever_their_files_are_called() -> None:
    one = labelled.read({"labelled/a.jsonl": lines(([1, 2], 0))})
    assert one.digest == labelled.read({"rows.jsonl": lines(([1, 2], 0))}).digest
    assert one.digest != labelled.read({"rows.jsonl": lines(([1, 2], 1))}).digest


WRONG = [
    (b"", "labelled/a.jsonl: has no row"),
    (b"\n\n", "has no row"),
    (b"{", "labelled/a.jsonl:1: not JSON"),
    (b"\xff", "labelled/a.jsonl:1: not JSON: not UTF-8"),
    (b"[" * 100_000, "labelled/a.jsonl:1: not JSON"),
    (b'{"inputs": {"x": [1, 2]}}', 'expected {"inputs"'),
    (b'{"inputs": {"x": [1, 2]}, "label": 1, "more": 2}', 'expected {"inputs"'),
    (b'{"inputs": [1], "label": 1}', 'expected {"inputs"'),
    (b'{"inputs": {"x": [1, 2]}, "label": null}', "label: expected a number or a text"),
    (b'{"inputs": {"x": [1, 2]}, "label": 1%s}' % (b"0" * 400), "labelled/a.jsonl:1: label: is a whole number that no"),
    (b'{"inputs": {"x": [1, 1%s]}, "label": 1}' % (b"0" * 400), "labelled/a.jsonl:1: inputs[0].data[1]: "),
    (b'{"inputs": {"x": [1, 2]}, "label": NaN}', "label: expected a number or a text"),
    (lines(([1, 2], 0), ([1, 2, 3], 1)), "labelled/a.jsonl:2: inputs[0].data: shape [1, 2] has 2 elements, found 3"),
    (lines((["a", "b"], 0)), "labelled/a.jsonl:1: inputs[0].data[0]: 'a' is not FP32"),
    (b'{"inputs": {"y": [1, 2]}, "label": 0}', "inputs: the model has no 'y'; it has x"),
    (b'{"inputs": {}, "label": 0}', "inputs: expected a list of tensors"),
    (lines(*[([1, 2], 0)] * 10_001), "labelled/a.jsonl:10001: more than 10000 rows"),
]


@pytest.mark.parametrize(("content", "says"), WRONG, ids=[says for _, says in WRONG])
def test_rows_that_cannot_be_asked_are_named(content: bytes, says: str) -> None:
    with pytest.raises(LabelledError) as raised:
        list(batches(read(content), CONFIG))
    assert says in str(raised.value)


def test_a_bundle_without_rows_says_where_they_would_be(tmp_path: Path) -> None:
    with pytest.raises(LabelledError, match=r"no labelled rows; add labelled/rows\.jsonl"):
        labelled.load(tmp_path / "labelled")


def test_too_many_bytes_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b" " * (labelled.MOST_BYTES + 1))
    with pytest.raises(LabelledError, match="more than 4 MiB"):
        labelled.load(tmp_path)


def test_the_only_output_of_floats_comes_first_and_each_metric_has_a_number_or_a_reason() -> None:
    config = ModelConfig(
        batched=True,
        max_batch_size=4,
        inputs=CONFIG.inputs,
        datatypes=CONFIG.datatypes,
        outputs={"c": "INT64", "p": "FP32"},
    )
    rows, marking = read(lines(*(([i, i], i % 2) for i in range(4)))), Marking(config)
    for batch in batches(rows, config):
        right = [row.label for row in batch.rows]
        p = Tensor("p", "FP32", (len(right), 2), [part for each in right for part in (1 - each, each)])
        marking.take(batch, [p, Tensor("c", "INT64", (len(right), 1), [1] * len(right))])
    scores = marking.scores()
    assert marking.scores(["accuracy"])["c"]["accuracy"] == 0.5
    assert list(scores) == ["p", "c"]
    assert (scores["p"]["accuracy"], scores["c"]["accuracy"]) == (1.0, 0.5)
    assert scores["p"]["r2"] == "'p': it takes one number a row; name an output that has one"


def test_a_label_of_another_type_than_the_output_is_named_by_its_row() -> None:
    rows, marking = read(lines(([1, 2], "a"), ([1, 2], "b"))), Marking(CONFIG)
    (batch,) = batches(rows, CONFIG)
    marking.take(batch, [Tensor("p", "FP32", (2, 1), [0.5, 0.5])])
    assert marking.score("accuracy", "p") == (
        "'p': labelled/a.jsonl:1: label: is a text ('a'), and the output says how probable class 1 is; "
        "label rows with numbers, or name another output"
    )


def test_an_answer_that_is_not_one_a_row_is_none() -> None:
    rows = read(lines(([1, 2], 0), ([1, 2], 1)))
    (batch,) = batches(rows, CONFIG)
    with pytest.raises(LabelledError, match=r"labelled/a.jsonl:1: 'p': \[3, 1\] is no answer a row"):
        Marking(CONFIG).take(batch, [Tensor("p", "FP32", (3, 1), [1, 2, 3])])


def test_an_output_that_is_missing_or_too_large_has_no_score() -> None:
    rows, marking = read(lines(([1, 2], 0), ([1, 2], 1))), Marking(CONFIG)
    (batch,) = batches(rows, CONFIG)
    marking.take(batch, [Tensor("p", "FP32", (2, 200_000), [0.0] * 400_000)])
    assert marking.score("accuracy", "p") == "'p' has 200000 elements a row, which are too many to keep"
    assert marking.score("accuracy", "c") == "'c' did not come with each answer"
