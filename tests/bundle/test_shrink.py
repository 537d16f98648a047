"""Smaller models: they keep the original's golden answers, pass the gate, or are not written."""

import json
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from onnx import numpy_helper
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier, MLPRegressor

from slipway.bundle import directory, metric, pack
from slipway.bundle.check import check
from slipway.bundle.errors import BundleError
from slipway.bundle.metric import Gate
from slipway.bundle.shrink import shrink
from slipway.program import main
from tests.bundle import graphs
from tests.bundle.conftest import Serve

PIXELS, y = load_digits(return_X_y=True)
X = PIXELS / 16
TRAINED, TESTED = slice(0, 1200), slice(1200, None)
Data = dict[str, Any]
LABELLED: Data = {"labelled": X[TESTED], "labels": y[TESTED]}
WAYS: dict[str, Data] = {"int8-dynamic": {}, "int8": {"calibration": X[TRAINED][:200]}, "fp16": {}}


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that tells digits."""
    model = MLPClassifier((256,), random_state=0, max_iter=20, tol=0.01).fit(X[TRAINED], y[TRAINED])
    out: Path = tmp_path_factory.mktemp("digits") / "digits"
    pack.sklearn(model, X[TESTED][:20], out=out)
    return out


def outputs(bundle: Path) -> dict[str, Any]:
    """Every golden answer by request (without the ending that marks what must be equal) and tensor."""
    found: dict[str, Any] = {}
    for path in (bundle / "golden").iterdir():
        for tensor in json.loads(path.read_text())["outputs"]:
            found[f"{path.stem.removesuffix('-exact')} {tensor['name']}"] = tensor["data"]
    return found


@pytest.mark.parametrize("way", WAYS)
def test_it_is_smaller_and_keeps_the_originals_answers(way: str, digits: Path, tmp_path: Path) -> None:
    found = shrink(digits, out=tmp_path / "b", to=way, gate="accuracy drop <= 0.01", **LABELLED, **WAYS[way])
    assert found.after.bytes < 0.7 * found.before.bytes
    assert outputs(tmp_path / "b") == outputs(digits)
    assert check(tmp_path / "b").digest == found.digest
    assert check(tmp_path / "b").model == check(digits).model
    for path in (tmp_path / "b" / "golden").iterdir():
        tolerance = json.loads(path.read_text()).get("tolerance")
        assert tolerance == (None if path.stem.endswith("-exact") else {"absolute": "0.02", "relative": "0.02"})
    card = (tmp_path / "b" / "README.md").read_text()
    assert f"of {check(digits).digest}, whose golden answers it keeps" in card
    assert "| accuracy | " in card


@pytest.mark.triton
def test_a_smaller_model_that_drifts_where_it_serves_is_refused_there(
    digits: Path, tmp_path: Path, served: Serve
) -> None:
    shrink(digits, out=tmp_path / "b", to="int8", **WAYS["int8"])
    assert served(tmp_path / "b").said == "4 golden requests answered rightly"
    file = tmp_path / "b" / "1" / "model.onnx"
    model = onnx.load(file)
    scale = next(tensor for tensor in model.graph.initializer if tensor.name.startswith("coefficient1_scale"))
    scale.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(scale) * np.float32(0.5), scale.name))
    onnx.save(model, file)
    directory.seal(tmp_path / "b")
    with pytest.raises(BundleError, match=r"WrongAnswer: golden/batch\.json: probabilities\[0, \d\] "):
        served(tmp_path / "b")


REFUSED: dict[str, tuple[Data, str]] = {
    "the gate": ({"gate": "accuracy >= 0.999", **LABELLED}, "and the gate is `accuracy >= 0.999`"),
    "a gate of a drop": ({"gate": "accuracy drop <= -0.5", **LABELLED}, "and the gate is `accuracy drop <= -0.5`"),
    "answers too far": ({"answers": 0.0}, "elements are too far, by"),
    "a tolerance that proves nothing": ({"answers": 0.5}, "answers: 0.5 is not between 0 and 0.1"),
    "a tolerance of NaN": ({"answers": math.nan}, "answers: nan is not between"),
    "no calibration": ({"to": "int8"}, "calibration: int8 needs rows to learn its ranges from"),
    "calibrated on what is asked": (
        {"to": "int8", "calibration": X[TESTED][:100]},
        "calibration: row 0 is asked in golden/one.json; leave it out",
    ),
    "empty calibration": ({"to": "int8", "calibration": X[:0]}, "inputs: 'x' has no rows"),
    "calibration of another model": ({"to": "int8", "calibration": X[:9, :3]}, "calibration: 'x' [?, 64]: found shape"),
    "an unknown way": ({"to": "int4"}, "to: 'int4' is none of int8-dynamic, int8, fp16"),
    "an unknown metric": ({"gate": "f2 drop <= 0.1", **LABELLED}, "gate: scikit-learn has no scorer 'f2'"),
    "a metric of other labels": ({"gate": "f1 drop <= 0.1", **LABELLED}, "gate: f1 of output 'probabilities': "),
    "an output that is not there": (
        {"gate": "accuracy drop <= 0.1", "output": "z", **LABELLED},
        "output: the model has no 'z'; it has label, probabilities",
    ),
    "no labels": ({"gate": "accuracy drop <= 0.1"}, "needs labelled rows; give them with their labels"),
    "too few labels": (
        {"gate": "accuracy drop <= 0.1", "labelled": X[:5], "labels": y[:4]},
        "labelled: 5 rows and 4 labels",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_fails_is_not_written(case: str, digits: Path, tmp_path: Path) -> None:
    how, message = REFUSED[case]
    with pytest.raises(BundleError) as found:
        shrink(digits, out=tmp_path / "b", **how)
    assert message in str(found.value)
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize(
    ("text", "gate"),
    [
        ("f1 drop <= 0.01", Gate(metric="f1", drop=True, limit=0.01)),
        ("  roc_auc drop<=1e-3 ", Gate(metric="roc_auc", drop=True, limit=0.001)),
        ("neg_mean_absolute_error >= -2", Gate(metric="neg_mean_absolute_error", drop=False, limit=-2)),
    ],
)
def test_a_gate_is_read(text: str, gate: Gate) -> None:
    assert metric.parse(text) == gate
    assert metric.parse(str(gate).strip("`")) == gate


@pytest.mark.parametrize(
    "text", ["", "f1", "f1 drop >= 0.1", "f1 <= 0.1", "f1 drop <= nan", "f1 drop <= x", "f1 >= inf"]
)
def test_what_is_no_gate_is_refused(text: str) -> None:
    with pytest.raises(BundleError, match="is neither `METRIC drop <= NUMBER` nor `METRIC >= NUMBER`"):
        metric.parse(text)


@pytest.mark.parametrize(
    ("gate", "before", "after", "passes"),
    [
        ("f1 drop <= 0.01", 0.9, 0.895, True),
        ("f1 drop <= 0.01", 0.9, 0.95, True),
        ("f1 drop <= 0.01", 0.9, 0.88, False),
        ("f1 drop <= 0", 0.0, 0.0, True),
        ("f1 >= 0.9", 0.5, 0.9, True),
        ("f1 >= 0.9", 0.95, 0.89, False),
        ("f1 drop <= 0.01", math.nan, 0.9, False),
        ("f1 drop <= 0.01", 0.9, math.nan, False),
        ("r2 drop <= 0.01", -math.inf, 0.9, False),
        ("f1 >= 0.9", math.nan, 0.95, False),
        ("f1 >= 0.9", 0.95, math.inf, False),
        ("f1 drop <= 0.01", None, None, False),
    ],
)
def test_nan_never_passes(gate: str, before: float | None, after: float | None, passes: bool) -> None:
    assert (metric.parse(gate).refusal(before, after) is None) is passes


def test_metrics_of_two_classes_and_of_numbers(tmp_path: Path) -> None:
    even = y % 2 == 0
    two = MLPClassifier((64,), random_state=0, max_iter=20).fit(X[TRAINED], even[TRAINED].astype(int))
    pack.sklearn(two, X[TESTED][:9], out=tmp_path / "two")
    for name in ("f1", "roc_auc", "neg_log_loss"):
        data = {"labelled": X[TESTED], "labels": even[TESTED].astype(int)}
        found = shrink(tmp_path / "two", out=tmp_path / name, gate=f"{name} drop <= 0.05", answers=0.1, **data)
        assert found.before.metric is not None
        assert abs(found.before.metric) > 0.1
    pack.sklearn(
        MLPRegressor(hidden_layer_sizes=(64,), random_state=0).fit(X[TRAINED], y[TRAINED] / 10),
        X[TESTED][:9],
        out=tmp_path / "n",
    )
    data = {"labelled": X[TESTED], "labels": y[TESTED] / 10}
    found = shrink(tmp_path / "n", out=tmp_path / "m", gate="r2 drop <= 0.05", answers=0.1, **data)
    assert found.before.metric == pytest.approx(found.after.metric, abs=0.05)


def test_what_gets_no_smaller_is_not_written(tmp_path: Path) -> None:
    rows = np.array([[1.0], [2.0]])
    pack.onnx(graphs.linear(tmp_path / "m.onnx"), rows, out=tmp_path / "a")
    with pytest.raises(BundleError, match=r"nothing of the model can be made int8-dynamic: .* keep the original"):
        shrink(tmp_path / "a", out=tmp_path / "b")


def test_only_onnx_bundles_with_golden_requests_can_be_shrunk(tmp_path: Path) -> None:
    pack.onnx(graphs.linear(tmp_path / "m.onnx"), np.array([[1.0], [2.0]]), out=tmp_path / "a")
    shutil.rmtree(tmp_path / "a" / "golden")
    directory.seal(tmp_path / "a")
    with pytest.raises(BundleError, match="has no golden requests"):
        shrink(tmp_path / "a", out=tmp_path / "b")
    (tmp_path / "a" / "1" / "model.onnx").write_bytes(b"spoilt")
    with pytest.raises(BundleError, match=r"BundleCorrupt: 1/model\.onnx"):
        shrink(tmp_path / "a", out=tmp_path / "b")


def test_the_command_prints_a_table_or_json(digits: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "labelled.npz", x=X[TESTED], y=y[TESTED])
    words = ["shrink", digits, "--out", tmp_path / "b", "--gate", "accuracy drop <= 0.01", "--replace"]
    words += ["--labelled", tmp_path / "labelled.npz"]
    told = CliRunner().invoke(main, [str(word) for word in words])
    assert told.exit_code == 0, told.output
    assert told.stdout.splitlines()[0].split() == ["original", "int8-dynamic"]
    found = json.loads(CliRunner().invoke(main, [*map(str, words), "-o", "json"]).stdout)
    assert found["after"]["bytes"] < found["before"]["bytes"]
    assert found["metric"] == "accuracy"
