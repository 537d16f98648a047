"""Packing by command what is not in memory: saved files, and what the user's own Python has."""

import importlib
import json
import os
import pickle
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import joblib  # type: ignore[import-untyped]
import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from slipway.guard import labelled
from testbed.shell import ROOT
from testbed.training import trainer
from tests.bundle.commands import slipway

TRAIN = """
import numpy as np, pandas
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

print("training")
X, y = np.arange(8.0).reshape(4, 2), np.arange(4.0)
model = LinearRegression().fit(X, y)
table = pandas.DataFrame({"city": ["Ulm", "Bonn", "Ulm"], "age": [30.5, 41.0, 22.0]})
columns = ColumnTransformer([("city", OneHotEncoder(), ["city"]), ("age", "passthrough", ["age"])])
tabular = make_pipeline(columns, LogisticRegression()).fit(table, [0, 1, 0])
texts = ["late again", "great service", "broken parcel"]
textual = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(texts, [0, 1, 0])
number = 3
fresh = LinearRegression()

def trained():
    return model

def rows():
    return X

def broken():
    raise ValueError("no data")
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A person's working directory. Its module has a name of its own: Python imports each name once."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def train(home: Path) -> str:
    """The module that trains."""
    name = f"train_{home.name.replace('-', '_')}"
    (home / f"{name}.py").write_text(TRAIN)
    return name


def packed(*words: object) -> dict[str, Any]:
    told = slipway("pack", *words, "--out", "bundle", "-o", "json")
    assert told.exit_code == 0, told.output
    found: dict[str, Any] = json.loads(told.stdout)
    return found


@pytest.mark.parametrize(("model", "rows"), [("model", "X"), ("trained", "rows")], ids=["objects", "functions"])
def test_what_ones_own_python_has_is_packed_and_its_words_are_no_result(train: str, model: str, rows: str) -> None:
    found = packed("sklearn", f"{train}:{model}", "--inputs", f"{train}:{rows}", "--rename", "variable=price")
    assert found["model"]["inputs"] == [["x", "FP32", [2]]]
    assert found["model"]["outputs"] == [["price", "FP32", [1]]]


@pytest.mark.parametrize("columns", [("city", "age"), ("age", "city")])
def test_arrays_by_name_are_the_columns_that_the_estimator_knows(train: str, columns: tuple[str, str]) -> None:
    values = {"city": np.array(["Ulm", "Bonn"]), "age": np.array([[30.5], [41.0]])}
    np.savez("rows.npz", **{name: values[name] for name in columns})
    found = packed("sklearn", f"{train}:tabular", "--inputs", "rows.npz")
    assert found["model"]["inputs"] == [["city", "BYTES", [1]], ["age", "FP32", [1]]]


def test_an_input_has_the_name_of_its_rows(train: str) -> None:
    np.savez("rows.npz", text=np.array(["late again", "great service"]))
    assert packed("sklearn", f"{train}:textual", "--inputs", "rows.npz")["model"]["inputs"] == [["text", "BYTES", [1]]]
    again = packed("sklearn", f"{train}:textual", "--inputs", f"{train}:texts", "--rename", "x=words", "--replace")
    assert again["model"]["inputs"] == [["words", "BYTES", [1]]]


@pytest.mark.parametrize("number", ["nan", "inf", "-1e999", "high"])
def test_a_metric_of_the_card_that_is_no_number_is_told_and_no_bundle_is_left(train: str, number: str) -> None:
    words = ("--inputs", f"{train}:X", "--metric", f"auc={number}")
    told = slipway("pack", "sklearn", f"{train}:model", *words, "--out", "bundle")
    assert told.exit_code == 1
    assert f"--metric auc: '{number}' is no number: give one like 0.912" in told.stderr
    assert not Path("bundle").exists()


def _labelled(train: str, name: str, *more: str) -> list[dict[str, Any]]:
    words = ("--inputs", f"{train}:X", "--labelled", name, *more)
    found = packed("sklearn", f"{train}:model", *words, "--replace")
    lines = Path("bundle/labelled/rows.jsonl").read_text().splitlines()
    assert found["labelled"] == len(lines)
    assert "labelled/rows.jsonl" in Path("bundle/SHA256SUMS").read_text()
    return [json.loads(line) for line in lines]


def test_labelled_rows_of_every_kind_of_file_are_in_the_bundle_by_the_models_own_names(train: str) -> None:
    np.savez("rows.npz", x=np.arange(6.0).reshape(3, 2), price=np.array([0.5, 1.0, 2.0]))
    Path("rows.csv").write_text("age,size,y\n0,1,0.5\n2,3,1\n4,5,2\n")
    lines = [{"inputs": {"x": [2.0 * n, 2.0 * n + 1]}, "label": label} for n, label in enumerate((0.5, 1.0, 2.0))]
    Path("rows.jsonl").write_text("\n".join(map(json.dumps, lines)))
    assert _labelled(train, "rows.npz", "--label", "price") == lines
    assert _labelled(train, "rows.csv") == lines
    assert _labelled(train, "rows.jsonl") == lines
    told = slipway(
        "pack", "sklearn", f"{train}:model", "--inputs", f"{train}:X", "--labelled", "rows.csv", "--out", "b"
    )
    assert "labelled rows     3\n" in told.stdout
    assert labelled.load(Path("b/labelled")).rows[2].label == 2


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("rows.csv", "age,y\n1,2\n", "rows.csv:1: inputs[0].data: shape [1, 2] has 2 elements, found 1"),
        ("rows.csv", "age,size\n1,2\n", "rows.csv: has no column 'y'; name the labels' (--label)"),
        ("rows.csv", "age,size,y\n1,2\n", "line 2: has not as many cells as there are columns"),
        ("rows.csv", "age,size,y\n1,2,nan\n", "rows.csv:1: label: expected a number or a text"),
        ("rows.csv", "age,size,y\n1,old,2\n", "rows.csv:1: inputs[0].data[1]: 'old' is not FP32"),
        ("rows.csv", "age,size,y\n", "rows.csv: has no row"),
        ("rows.jsonl", '{"inputs": {"z": [1, 2]}, "label": 1}', "rows.jsonl:1: inputs: the model has no 'z'; it has x"),
        ("rows.jsonl", "[]", "rows.jsonl:1: expected"),
        ("rows.jsonl", "{", "rows.jsonl:1: not JSON"),
        ("rows.jsonl", '{"inputs": {"x": [1, 2]}, "label": 1}\n' * 10_001, "more than 10000 rows; keep fewer"),
        ("rows.txt", "1", "rows.txt"),
    ],
)
def test_labelled_rows_that_cannot_be_asked_are_told_by_file_and_line_and_no_bundle_is_left(
    train: str, name: str, content: str, says: str
) -> None:
    Path(name).write_text(content)
    told = slipway("pack", "sklearn", f"{train}:model", "--inputs", f"{train}:X", "--labelled", name, "--out", "bundle")
    assert told.exit_code != 0
    assert says in told.stderr
    assert not Path("bundle").exists()


class Touch:
    """What a stranger's pickle may be."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return (open, ("touched", "w"))  # type: ignore[return-value]


def test_a_pickle_runs_only_for_who_vouches_for_it(home: Path) -> None:
    joblib.dump(LinearRegression().fit([[0.0], [1.0]], [0.0, 2.0]), "model.joblib")
    np.save("rows.npy", np.array([[1.0], [2.0]]))
    Path("stranger.pkl").write_bytes(pickle.dumps(Touch()))
    for file in ("model.joblib", "stranger.pkl"):
        told = slipway("pack", "sklearn", file, "--inputs", "rows.npy", "--out", "bundle")
        assert f"Error: {file}: a pickle, and loading it runs whatever code is in it; if it is yours" in told.stderr
    assert not (home / "touched").exists()
    assert packed("sklearn", "model.joblib", "--trusted", "--inputs", "rows.npy")["exact"] is True


STEPS = """
from sklearn.preprocessing import StandardScaler
class Scaler(StandardScaler):
    pass
"""


def test_the_classes_in_a_pickle_are_found_where_the_person_is(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = f"steps_{home.name.replace('-', '_')}"
    Path(f"{steps}.py").write_text(STEPS)
    with monkeypatch.context() as there:
        there.syspath_prepend(home)
        own = importlib.import_module(steps).Scaler().fit([[0.0], [1.0]])
        joblib.dump(own, "own.joblib")
    del sys.modules[steps]
    Path("main.pkl").write_bytes(f"c__main__\n{steps}\n.".encode())
    Path("lost.pkl").write_bytes(b"cnowhere\nScaler\n.")
    np.save("rows.npy", np.array([[1.0], [2.0]]))
    for file, message in {
        "own.joblib": "Scaler: skl2onnx cannot export it: ",
        "main.pkl": ": the class stood in the program that saved it; put it into a module of its own, import it",
        "lost.pkl": "lost.pkl: has a class of the module 'nowhere', which is not here; run this where it is",
    }.items():
        told = slipway("pack", "sklearn", file, "--trusted", "--inputs", "rows.npy", "--out", "bundle")
        assert message in told.stderr.splitlines()[-1]


def test_arrays_that_were_saved_without_names_have_none(train: str) -> None:
    """numpy.savez calls them arr_0 and so on, which clients would have to say for ever."""
    np.savez("rows.npz", np.array([[1.0, 2.0], [3.0, 4.0]]))
    assert packed("sklearn", f"{train}:model", "--inputs", "rows.npz")["model"]["inputs"] == [["x", "FP32", [2]]]


def test_an_estimator_of_another_version_is_not_packed(home: Path) -> None:
    """It may answer otherwise, and its answers would be golden."""
    estimator = LinearRegression().fit([[0.0], [1.0]], [0.0, 2.0])
    content = pickle.dumps(estimator)
    ours = __import__("sklearn").__version__.encode()
    Path("old.pkl").write_bytes(content.replace(ours, b"0" * len(ours)))
    np.save("rows.npy", np.array([[1.0], [2.0]]))
    told = slipway("pack", "sklearn", "old.pkl", "--trusted", "--inputs", "rows.npy", "--out", "bundle")
    assert "Error: old.pkl: Trying to unpickle estimator LinearRegression from version 0" in told.stderr
    assert "pack it with the version that saved it" in told.stderr


@pytest.mark.parametrize(
    ("model", "rows", "message"),
    [
        ("nothing.joblib", "{t}:X", "nothing.joblib: no such file, and not MODULE:ATTRIBUTE either; name one of them"),
        ("{t}:number", "{t}:X", "is of int and no estimator; name one or what returns one"),
        ("{t}:LinearRegression", "{t}:X", "is a class, which has learned nothing"),
        ("{t}:modell", "{t}:X", "has no 'modell'; name what it assigns or returns"),
        ("{t}:broken", "{t}:X", "calling it: ValueError: no data; correct it"),
        ("nowhere:model", "{t}:X", "importing nowhere: no module 'nowhere'; run this where it is, or install it"),
        ("ends:model", "{t}:X", "it ended the program (exit code 3); put what runs as a program under `if __name__"),
        ("wrong:model", "{t}:X", "importing wrong: SyntaxError: "),
        ("{t}:model", "rows.csv", "rows.csv: No such file or directory; give .npz, .npy or a request's .json, or name"),
        ("{t}:model", "notes.txt", "notes.txt: not a file of numpy; give .npz, .npy or a request's .json, or name the"),
        ("{t}:model", "list.json", "list.json: not a request, which is an object with `inputs`; write a request as"),
        ("{t}:model", "broken.json", "broken.json: "),
        ("{t}:fresh", "{t}:X", "LinearRegression: has learned nothing yet; fit it, then pack it"),
        ("{t}:tabular", "{t}:X", "Pipeline: does not take the examples: Specifying the columns using strings is only"),
        ("wrong.py", "{t}:X", "wrong.py: is Python and no model; name what it makes: wrong:NAME"),
        ("{t}:model", "{t}:number", "inputs: 'x' has no rows; give a few that differ"),
        ("{t}:tabular", "wide.npz", "inputs: 'age' has shape [2, 2]; give a column of one value a row"),
        ("notes.txt", "{t}:X", "notes.txt: neither .joblib nor .pkl; save it with joblib.dump, or name the model in"),
    ],
)
def test_what_cannot_be_loaded_is_one_sentence(train: str, model: str, rows: str, message: str) -> None:
    Path("ends.py").write_text("raise SystemExit(3)")
    Path("wrong.py").write_text("model =")
    Path("notes.txt").write_text("city,age")
    Path("list.json").write_text('[{"city": "Ulm"}]')
    Path("broken.json").write_text("{")
    np.savez("wide.npz", age=np.ones((2, 2)), city=np.array(["Ulm", "Bonn"]))
    words = [word.format(t=train) for word in ("sklearn", model, "--inputs", rows)]
    told = slipway("pack", *words, "--out", "bundle")
    assert told.exit_code == 1
    assert message in told.stderr.splitlines()[-1]
    assert not Path("bundle").exists()


TORCH = """
import contextlib, json, pickle, sys
import numpy as np
import torch
from click.testing import CliRunner
from slipway.program import main

module = '''
import torch
class Network(torch.nn.Sequential):
    def __init__(self):
        super().__init__(torch.nn.Linear(2, 3), torch.nn.ReLU(), torch.nn.Linear(3, 1))
class Scaled(torch.nn.Module):
    def forward(self, ids, scale, shift=None):
        return ids * scale if shift is None else ids * scale + shift
def blank():
    torch.manual_seed(0)
    return Network()
scaled = Scaled()
'''
with open("train.py", "w") as file:
    file.write(module)
sys.path.insert(0, ".")
import train
network = train.blank()
torch.jit.script(network).save("script.pt")
torch.jit.trace(network, torch.ones(2, 2)).save("traced.pt")
torch.save(network.state_dict(), "weights.pt")
torch.save(network, "whole.pt")
torch.save({"weight": torch.ones(5)}, "others.pt")
torch.save({"epoch": 3, "model": network.state_dict()}, "checkpoint.pt")
torch.save([torch.ones(5)], "list.pt")
# A person's own modules are found by the command, and not because this program has them.
sys.path.remove(".")
del sys.modules["train"]
with open("text.pt", "w") as file:
    file.write("nothing")
class Touch:
    def __reduce__(self):
        return (open, ("touched", "w"))
torch.save(Touch(), "stranger.pt")
rows = np.ones((3, 2), np.float32)
np.save("rows.npy", rows)
np.save("double.npy", rows.astype(float))
np.savez("nameless.npz", rows, rows * 2)
np.savez("swapped.npz", scale=rows * 2, ids=rows)
np.savez("gap.npz", ids=rows, shift=rows)
np.savez("strange.npz", ids=rows, x=rows)
np.savez("named.npz", features=rows)
CASES = json.loads(sys.argv[1])
for name, words in CASES.items():
    told = CliRunner().invoke(main, ["pack", "torch", *words, "--out", name, "-o", "json"])
    found = json.loads(told.stdout) if told.exit_code == 0 else {"error": told.stderr.splitlines()[-1]}
    print(json.dumps({"case": name, **found}))
"""
OF_TORCH: dict[str, list[str]] = {
    "script": ["script.pt", "--inputs", "rows.npy", "--output-name", "y"],
    "traced": ["traced.pt", "--inputs", "named.npz"],
    "own": ["train:blank", "--inputs", "rows.npy"],
    "weights": ["train:Network", "--weights", "weights.pt", "--inputs", "rows.npy"],
    "whole": ["whole.pt", "--trusted", "--inputs", "rows.npy"],
    "swapped": ["train:scaled", "--inputs", "swapped.npz"],
    "nameless": ["train:scaled", "--inputs", "nameless.npz"],
    "double": ["train:Network", "--weights", "weights.pt", "--inputs", "double.npy"],
    "checkpoint": ["train:Network", "--weights", "checkpoint.pt", "--inputs", "rows.npy"],
    "list": ["train:Network", "--weights", "list.pt", "--inputs", "rows.npy"],
    "source": ["train.py", "--inputs", "rows.npy"],
    "untrusted": ["whole.pt", "--inputs", "rows.npy"],
    "stranger": ["stranger.pt", "--inputs", "rows.npy"],
    "class": ["train:Network", "--inputs", "rows.npy"],
    "state": ["weights.pt", "--inputs", "rows.npy"],
    "others": ["train:Network", "--weights", "others.pt", "--inputs", "rows.npy"],
    "no-weights": ["train:Network", "--weights", "whole.pt", "--inputs", "rows.npy"],
    "text": ["text.pt", "--inputs", "rows.npy"],
    "gap": ["train:scaled", "--inputs", "gap.npz"],
    "strange": ["train:scaled", "--inputs", "strange.npz"],
    "dynamic": ["train:scaled", "--inputs", "swapped.npz", "--dynamic", "ids=time"],
}


@pytest.fixture(scope="module")
def torch(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What came of each case, by the Python that trains the examples."""
    home = tmp_path_factory.mktemp("torch")
    path = f"{ROOT / 'operator'}:{sysconfig.get_path('purelib')}"
    words = [str(trainer()), "-c", TORCH, json.dumps(OF_TORCH)]
    told = subprocess.run(
        words, env={**os.environ, "PYTHONPATH": path}, cwd=home, check=True, capture_output=True, text=True
    )
    assert not (home / "touched").exists()
    found = [json.loads(line) for line in told.stdout.splitlines() if line.startswith("{")]
    return {case["case"]: case for case in found}


Cases = Mapping[str, Mapping[str, Any]]


def test_torchscript_weights_and_ones_own_python_give_the_same_network(torch: Cases) -> None:
    kinds = ("script", "traced", "own", "weights", "whole")
    assert {kind: torch[kind].get("error") for kind in kinds} == dict.fromkeys(kinds)
    assert torch["script"]["model"]["outputs"] == [["y", "FP32", [1]]]
    assert torch["traced"]["model"]["inputs"] == [["features", "FP32", [2]]]
    assert torch["own"]["model"] == torch["weights"]["model"] == torch["whole"]["model"]


def test_rows_by_name_are_given_by_name_whatever_their_order_in_the_file(torch: Cases) -> None:
    assert torch["swapped"]["model"]["inputs"] == [["ids", "FP32", [2]], ["scale", "FP32", [2]]]
    assert torch["nameless"]["model"]["inputs"] == [["ids", "FP32", [2]], ["scale", "FP32", [2]]]


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ("untrusted", "whole.pt: a pickle, and loading it runs whatever code is in it; if it is yours say --trusted"),
        ("stranger", "stranger.pt: a pickle, and loading it runs whatever code is in it"),
        ("class", "train:Network: is a class, which has learned nothing; name a trained torch module"),
        ("state", "weights.pt: holds weights alone; say --weights weights.pt and name the class (train:Network)"),
        ("others", "others.pt: does not fit Network: Error(s) in loading state_dict"),
        ("double", "input: FP64, and the weights are FP32: give them with .astype('float32')"),
        (
            "checkpoint",
            "a checkpoint of epoch, model; save the weights in it alone: torch.save(torch.load('checkpoint.pt')",
        ),
        ("list", "list.pt: holds a list and no weights by name; save them with torch.save(module.state_dict(), …)"),
        ("source", "train.py: is Python and no model; name what it makes: train:NAME"),
        ("no-weights", "whole.pt: torch reads no weights in it: "),
        ("text", "text.pt: not a file of torch's; save the module with torch.jit.script(module).save(…)"),
        ("gap", "inputs: lacks 'scale', which stands before others, and forward takes ids, scale, shift"),
        ("strange", "inputs: 'x' is none of its parameters, and forward takes ids, scale, shift; name them so"),
        ("dynamic", "--dynamic ids=time: not of the form INPUT:INDEX=NAME, such as ids:1=time"),
    ],
)
def test_what_torch_cannot_pack_is_one_sentence(case: str, message: str, torch: Cases) -> None:
    assert message in torch[case]["error"]
