"""What was packed is loaded by the real tritonserver, and answers there as it did here."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from slipway.bundle import pack
from slipway.bundle.errors import BundleError
from tests.bundle import graphs
from tests.bundle.conftest import Serve
from tests.bundle.folders import files

pytestmark = pytest.mark.triton

Out = dict[str, Any]
KINDS = {
    "BOOL": "bool",
    "UINT8": "uint8",
    "INT8": "int8",
    "INT16": "int16",
    "INT32": "int32",
    "INT64": "int64",
    "FP16": "float16",
    "FP32": "float32",
    "FP64": "float64",
}


def test_every_datatype(tmp_path: Path, out: Out, served: Serve) -> None:
    rows: dict[str, Any] = {f"in_{kind}": np.array([[1, 0, 1], [0, 0, 1]]).astype(KINDS[kind]) for kind in KINDS}
    rows["in_BYTES"] = np.array([["a", "é", "😀"], ["", "b", "c"]])
    packed = pack.onnx(graphs.same(tmp_path / "m.onnx", [*KINDS, "BYTES"]), rows, **out)
    assert served(packed.directory).said == "2 golden requests answered rightly"


def test_every_name(tmp_path: Path, out: Out, served: Serve) -> None:
    names = ["serving_default_x:0", "a/b", "two words", "é😀", 'a "quoted" \\ one', "two\nlines", "1", ".", "x" * 300]
    packed = pack.onnx(graphs.named(tmp_path / "m.onnx", names), {name: np.ones((2, 3)) for name in names}, **out)
    assert [name for name, _, _ in packed.model["inputs"]] == names
    assert served(packed.directory).said == "2 golden requests answered rightly"


@pytest.mark.parametrize(
    ("takes", "gives", "how", "golden"),
    [
        (("n",), ("n",), {}, 2),
        (("n", 1), None, {}, 2),
        (("n", 1), (None, None), {}, 2),
        ((3, 1), (3, 1), {"batch": False}, 1),
        (("n", 1), ("n", 1), {"batch": False}, 1),
    ],
    ids=["one dimension", "no shape", "unnamed dimensions", "fixed", "free, without batches"],
)
def test_every_shape(
    tmp_path: Path, out: Out, served: Serve, takes: graphs.Dims, gives: graphs.Dims, how: Out, golden: int
) -> None:
    rows = np.array([1.0, 2.0, 3.0]).reshape((3, 1) if takes and len(takes) > 1 else (3,))
    packed = pack.onnx(graphs.linear(tmp_path / "m.onnx", takes=takes, gives=gives), rows, **out, **how)
    assert served(packed.directory).said.startswith(f"{golden} golden request")


def test_a_pipeline_that_takes_text(out: Out, served: Serve) -> None:
    texts = ["great service", "broken parcel", "friendly courier", "late again", "great 😀"]
    model = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(texts, ["praise", "complaint"] * 2 + ["praise"])
    packed = pack.sklearn(model, texts, **out)
    assert packed.model["inputs"] == [("x", "BYTES", [1])]
    assert packed.model["outputs"] == [("label", "BYTES", [1]), ("probabilities", "FP32", [2])]
    assert served(packed.directory).said == "2 golden requests answered rightly"


def test_a_table_with_columns_of_several_kinds(out: Out, served: Serve) -> None:
    names = ["city of birth", "city_of_birth", "2nd (€)"]
    """skl2onnx makes identifiers of these, and of two of them the same one."""
    table = pandas.DataFrame(dict(zip(names, (["Ulm", "Bonn", "Ulm"], [30.5, 41.0, 22.0], [1, 2, 3]), strict=True)))
    columns = ColumnTransformer([("city", OneHotEncoder(), names[:1]), ("rest", "passthrough", names[1:])])
    model = make_pipeline(columns, LogisticRegression()).fit(table, [0, 1, 0])
    packed = pack.sklearn(model, table, **out)
    assert packed.model["inputs"] == [(names[0], "BYTES", [1]), (names[1], "FP32", [1]), (names[2], "INT64", [1])]
    assert served(packed.directory).said == "2 golden requests answered rightly"


def test_a_python_model_with_what_it_reads(tmp_path: Path, out: Out, served: Serve) -> None:
    packed = _python(tmp_path, out, lambda asked: {"y": asked["x"] * 2})
    assert packed.exact is None
    before = files(packed.directory)
    assert served(packed.directory).said == "2 golden requests answered rightly"
    assert files(packed.directory) == before, "Python left nothing of its own, which the next check would refuse"


def test_a_python_model_that_answers_otherwise_is_found_by_the_server(tmp_path: Path, out: Out, served: Serve) -> None:
    packed = _python(tmp_path, out, lambda asked: {"y": asked["x"] * 3})
    with pytest.raises(BundleError, match=r"WrongAnswer: golden/batch.json: y\[0, 0\] .*expected 3.0, got 2.0"):
        served(packed.directory)


def _python(folder: Path, out: Out, answers: Any) -> pack.Packed:
    (folder / "factor.txt").write_text("2")
    (folder / "model.py").write_text(
        "from pathlib import Path\n"
        "import triton_python_backend_utils as pb_utils\n"
        "class TritonPythonModel:\n"
        "    def execute(self, requests):\n"
        "        factor = int(Path(__file__).with_name('factor.txt').read_text())\n"
        "        found = [pb_utils.get_input_tensor_by_name(r, 'x').as_numpy() * factor for r in requests]\n"
        "        return [pb_utils.InferenceResponse([pb_utils.Tensor('y', y)]) for y in found]\n"
    )
    rows = {"x": np.array([[1.0], [2.0]], np.float32)}
    return pack.python(folder / "model.py", rows, answers, beside=(folder / "factor.txt",), **out)
