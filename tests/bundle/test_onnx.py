"""ONNX files as people bring them: packed, or refused with the tensor and the way out."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
import yaml

from slipway.bundle import pack
from slipway.bundle.check import check
from slipway.fetch import sums
from testbed.shell import ROOT, run
from tests.bundle import graphs

Out = dict[str, Any]
X = np.array([[1.0], [2.0], [3.0]])


def golden(bundle: Path, name: str = "one") -> dict[str, Any]:
    found: dict[str, Any] = json.loads((bundle / "golden" / f"{name}.json").read_text())
    return found


def test_a_packed_graph_is_a_bundle_that_the_fetcher_takes(tmp_path: Path, out: Out) -> None:
    packed = pack.onnx(graphs.linear(tmp_path / "any.onnx"), X, **out)
    checked = check(packed.directory)
    assert checked.digest == packed.digest
    assert checked.model == {
        "backend": "onnxruntime",
        "maxBatchSize": 32,
        "instances": 1,
        "inputs": [("x", "FP32", [1])],
        "outputs": [("y", "FP32", [1])],
    }
    assert golden(packed.directory, "batch")["outputs"] == [
        {"name": "y", "datatype": "FP32", "shape": [3, 1], "data": [3.0, 5.0, 7.0]}
    ]
    told = run("sha256sum", "--check", "--strict", sums.NAME, cwd=packed.directory)
    assert told.count(": OK") == 5


def test_the_same_model_packed_again_has_the_same_digest(tmp_path: Path) -> None:
    file = graphs.linear(tmp_path / "m.onnx")
    digests = {pack.onnx(file, X, out=tmp_path / where, name="m").digest for where in ("a", "b")}
    assert len(digests) == 1


def test_the_card_has_front_matter_in_the_hubs_words(tmp_path: Path, out: Out) -> None:
    card = pack.Card(title="Churn", license="apache-2.0", task="tabular-regression", metrics={"r2": 0.9}, dataset="d")
    text = (pack.onnx(graphs.linear(tmp_path / "m.onnx"), X, card=card, **out).directory / "README.md").read_text()
    _, front, body = text.split("---\n", 2)
    found = yaml.safe_load(front)
    assert (found["license"], found["pipeline_tag"], found["metrics"]) == ("apache-2.0", "tabular-regression", ["r2"])
    assert found["model-index"][0]["results"][0]["metrics"] == [{"type": "r2", "value": 0.9}]
    assert "| takes | `x` | FP32 | [?, 1] |" in body


def test_answers_of_the_framework_are_the_golden_ones(tmp_path: Path, out: Out) -> None:
    packed = pack.onnx(graphs.linear(tmp_path / "m.onnx"), X, answers=np.array([[3.0], [5.0], [7.00001]]), **out)
    assert golden(packed.directory, "batch")["outputs"][0]["data"] == [3.0, 5.0, 7.00001]
    assert packed.exact is False


def test_tensors_get_the_names_that_people_want(tmp_path: Path, out: Out) -> None:
    file = graphs.linear(tmp_path / "m.onnx", x="serving_default_x:0", y="StatefulPartitionedCall:0")
    packed = pack.onnx(file, X, names={"serving_default_x:0": "x", "StatefulPartitionedCall:0": "price"}, **out)
    assert (packed.model["inputs"], packed.model["outputs"]) == ([("x", "FP32", [1])], [("price", "FP32", [1])])


def test_weights_beside_the_graph_come_along(tmp_path: Path, out: Out) -> None:
    packed = pack.onnx(graphs.beside(tmp_path / "m.onnx"), np.ones((2, 2)), **out)
    assert sorted(p.name for p in (packed.directory / "1").iterdir()) == ["model.onnx", "weights.bin"]


def test_a_tolerance_is_for_floats_alone(tmp_path: Path, out: Out) -> None:
    file = graphs.same(tmp_path / "m.onnx", ["INT64", "FP32"])
    rows = {"in_INT64": np.array([[1, 2, 3], [4, 5, 6]]), "in_FP32": np.ones((2, 3))}
    bundle = pack.onnx(file, rows, tolerance=(0.5, 0.5), **out).directory
    loose, exact = golden(bundle, "batch"), golden(bundle, "batch-exact")
    assert ([t["name"] for t in loose["outputs"]], "tolerance" in loose) == (["out_FP32"], True)
    assert ([t["name"] for t in exact["outputs"]], "tolerance" in exact) == (["out_INT64"], False)


def test_infinities_are_answers_and_written_as_the_guard_reads_them(tmp_path: Path, out: Out) -> None:
    packed = pack.onnx(graphs.logarithm(tmp_path / "m.onnx"), np.array([[0.0], [1.0]]), **out)
    assert golden(packed.directory)["outputs"][0]["data"] == ["-Infinity"]


Make = Callable[[Path], Path]
REFUSED: dict[str, tuple[Make, Any, dict[str, Any], str]] = {
    "baked in an input": (
        lambda f: graphs.linear(f, takes=(1, 1), gives=(1, 1)),
        X,
        {},
        "m.onnx: input 'x' [1, 1]: the batch dimension is baked in as 1; export it with a free first dimension, or",
    ),
    "baked in the output alone": (
        lambda f: graphs.linear(f, gives=(4, 1)),
        X,
        {},
        "m.onnx: output 'y' [4, 1]: the batch dimension is baked in as 4",
    ),
    "baked inside": (graphs.reshaped, np.ones((4, 4)), {}, "a batch of 1: the exported model does not take it"),
    "one answer for all rows": (
        lambda f: graphs.summed(f, (None, None)),
        np.ones((3, 2)),
        {},
        "a batch of 2: output 'total' has shape [1, 1], whose first dimension is not the batch",
    ),
    "a scalar with batches": (lambda f: graphs.summed(f, ()), np.ones((3, 2)), {}, "'total' [] has no batch dimension"),
    "a scalar without batches": (
        lambda f: graphs.summed(f, ()),
        np.ones((3, 2)),
        {"batch": False},
        "'total' [] is a scalar, which Triton has only with batches; give it the shape [1]",
    ),
    "NaN": (
        graphs.logarithm,
        np.array([[1.0], [-1.0]]),
        {},
        "y[1, 0]: ONNX Runtime",
    ),
    "wrong answers": (
        graphs.linear,
        X,
        {"answers": np.array([[3.0], [5.0], [9.0]])},
        "a batch of 3: the exported model does not answer as the training framework does: y[2, 0] (element 2)",
    ),
    "answers of another length": (graphs.linear, X, {"answers": np.ones((2, 1))}, "'y' has 2 rows and the inputs 3"),
    "a sequence": (graphs.sequence, np.ones((2, 2)), {}, "output 'parts' is a sequence, and Triton has tensors only"),
    "no rows": (graphs.linear, np.ones((0, 1)), {}, "inputs: 'x' has no rows; give a few that differ"),
    "no inputs": (graphs.linear, {}, {}, "inputs: lacks 'x', which the model has; the model has x"),
    "an input too many": (graphs.linear, {"x": X, "z": X}, {}, "inputs: has no 'z'; the model has x"),
    "another shape": (graphs.linear, np.ones((2, 3)), {}, "inputs: 'x' [?, 1]: found shape [2, 3]"),
    "another rank": (graphs.linear, np.ones(3), {}, "inputs: 'x' [?, 1]: found shape [3]"),
    "ragged rows": (graphs.linear, [[1.0], [2.0, 3.0]], {}, "'x': its rows are not of one shape"),
    "a framework older than numpy": (
        graphs.linear,
        SimpleNamespace(numpy=Mock(side_effect=RuntimeError("Numpy is not available"))),
        {},
        "'x': its framework gives no array of it: Numpy is not available; where it is older than the numpy that",
    ),
    "text for numbers": (
        graphs.linear,
        np.array([["a"], ["b"]]),
        {},
        "'x': the examples are BYTES and the model takes FP32",
    ),
    "objects": (graphs.linear, np.array([[None], [1.0]]), {}, "'x': element 0 is None, neither number nor text"),
    "beyond FP32": (graphs.linear, np.array([[1e300]]), {}, "'x': the examples have values beyond FP32; scale them"),
    "floats for integers": (
        lambda f: graphs.same(f, ["INT64"]),
        np.array([[0.5, 1, 2]]),
        {},
        "'in_INT64': the examples are FP64 and the model takes INT64; convert them",
    ),
    "too large for INT8": (
        lambda f: graphs.same(f, ["INT8"]),
        np.array([[300, 1, 2]]),
        {},
        "'in_INT8': the examples have values that INT8 cannot hold",
    ),
    "bfloat16": (lambda f: graphs.same(f, ["BF16"]), np.ones((2, 3)), {}, "examples cannot be BF16"),
    "bytes that are no text": (
        lambda f: graphs.same(f, ["BYTES"]),
        np.array([[b"\xff", b"a", b"b"]]),
        {},
        "'in_BYTES': element 0 is not UTF-8",
    ),
    "uneven rows": (
        lambda f: graphs.same(f, ["INT64", "FP32"]),
        {"in_INT64": np.ones((2, 3), np.int64), "in_FP32": np.ones((3, 3))},
        {},
        "not of one number of rows: in_INT64 2, in_FP32 3",
    ),
    "weights that were left behind": (
        lambda f: _without(graphs.beside(f), "weights.bin"),
        np.ones((2, 2)),
        {},
        "the weights of 'W' are in weights.bin, which is not beside it; put it there",
    ),
    "not ONNX": (lambda f: _written(f, b"<!doctype html>"), X, {}, "not an ONNX file"),
    "a name that is no directory's": (graphs.linear, X, {"name": "a/b"}, "name: 'a/b' is not of letters"),
    "a batch size of none": (graphs.linear, X, {"max_batch_size": 0}, "say batch=False (--no-batch)"),
    "a tolerance of NaN": (graphs.linear, X, {"tolerance": (float("nan"), 0.1)}, "not two numbers of 0 or more"),
    "a name that is taken": (graphs.linear, X, {"names": {"y": "ax"}}, "'ax' is already the name of a tensor"),
}


def _without(file: Path, name: str) -> Path:
    (file.parent / name).unlink()
    return file


def _written(file: Path, content: bytes) -> Path:
    file.write_bytes(content)
    return file


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_served_is_refused_with_the_tensor_and_the_way_out(case: str, tmp_path: Path, out: Out) -> None:
    make, rows, how, message = REFUSED[case]
    with pytest.raises(pack.BundleError) as found:
        pack.onnx(make(tmp_path / "m.onnx"), rows, **{**out, **how})
    assert message in str(found.value)
    assert not out["out"].exists()


def test_a_missing_file_is_named(tmp_path: Path, out: Out) -> None:
    with pytest.raises(pack.BundleError, match=r"gone\.onnx: No such file or directory"):
        pack.onnx(tmp_path / "gone.onnx", X, **out)


def test_nothing_is_put_where_something_is(tmp_path: Path, out: Out) -> None:
    file = graphs.linear(tmp_path / "m.onnx")
    first = pack.onnx(file, X, **out)
    with pytest.raises(pack.BundleError, match="a bundle is there already"):
        pack.onnx(file, X, **out)
    assert pack.onnx(file, X * 2, replace=True, **out).digest != first.digest
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").touch()
    with pytest.raises(pack.BundleError, match="holds something that is no bundle"):
        pack.onnx(file, X, **{**out, "out": tmp_path / "mine", "replace": True})
    assert [p.name for p in (tmp_path / "mine").iterdir()] == ["thesis.tex"]


def test_a_pack_that_failed_leaves_what_was_there(tmp_path: Path, out: Out) -> None:
    first = pack.onnx(graphs.linear(tmp_path / "m.onnx"), X, **out)
    with pytest.raises(pack.BundleError):
        pack.onnx(graphs.linear(tmp_path / "m.onnx"), X, answers=X, replace=True, **out)
    assert check(first.directory).digest == first.digest
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bundle", "m.onnx"]


def test_onnx_runtime_writes_no_identifier_and_so_tells_nobody(tmp_path: Path) -> None:
    file, home = graphs.linear(tmp_path / "m.onnx"), tmp_path / "home"
    home.mkdir()
    program = "import sys, pathlib; from slipway.bundle.runtime import OnnxModel; OnnxModel(pathlib.Path(sys.argv[1]))"
    environment = {"HOME": str(home), "PYTHONPATH": str(ROOT / "operator")}
    subprocess.run([sys.executable, "-c", program, file], env=environment, check=True)
    assert list(home.rglob("*")) == []
