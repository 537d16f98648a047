"""Keras models, packed by the Python that KERAS_PYTHON names: it has keras, a backend, and what the backend exports by.

python -m venv /tmp/keras && /tmp/keras/bin/pip install keras jax jax2onnx '.[bundle]'
KERAS_PYTHON=/tmp/keras/bin/python pytest tests/bundle/test_keras.py
"""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from testbed.shell import ROOT

MODELS = """
import json, sys
import keras, numpy as np
from slipway.bundle import pack

keras.utils.set_random_seed(0)
rng = np.random.default_rng(0)
three, two = rng.random((5, 3), np.float32), rng.random((5, 2), np.float32)
a, b = keras.Input((3,), name="a"), keras.Input((2,), name="b")
joined = keras.layers.Dense(2)(keras.layers.Concatenate()([a, b]))
line = keras.Sequential([keras.layers.Dense(8, activation="relu"), keras.layers.Dense(1)])
out = {"out": sys.argv[2], "name": "m"}
CASES = {
    "never called": lambda: pack.keras(line, three, outputs=["y"], **out),
    "called": lambda: pack.keras(line, {"x": three}, outputs=["y"], **out),
    "by name": lambda: pack.keras(keras.Model({"a": a, "b": b}, joined), {"a": three, "b": two}, **out),
    "by place": lambda: pack.keras(keras.Model([a, b], [joined, keras.layers.Dense(1)(b)]), [three, two], **out),
}
print(json.dumps(CASES[sys.argv[1]]().document()))
"""


@pytest.mark.parametrize(
    ("case", "takes", "gives"),
    [
        ("never called", [[3]], [[1]]),
        ("called", [[3]], [[1]]),
        ("by name", [[3], [2]], [[2]]),
        ("by place", [[3], [2]], [[2], [1]]),
    ],
)
def test_a_model_is_exported_with_a_free_batch(case: str, takes: Any, gives: Any, tmp_path: Path) -> None:
    command = [os.environ["KERAS_PYTHON"], "-c", MODELS, case, str(tmp_path / "b")]
    environment = {"PYTHONPATH": str(ROOT / "operator"), "KERAS_BACKEND": os.environ.get("KERAS_BACKEND", "jax")}
    told = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    model = json.loads(told.stdout.splitlines()[-1])["model"]
    assert model["maxBatchSize"] == 32
    assert [dims for _, _, dims in model["inputs"]] == takes
    assert [dims for _, _, dims in model["outputs"]] == gives
    names = [name for tensors in ("inputs", "outputs") for name, _, _ in model[tensors]]
    assert {"never called": "y", "called": "x", "by name": "a"}.get(case, names[0]) in names


SAVED = """
import json, sys
import keras, numpy as np
from click.testing import CliRunner
from slipway.bundle.packing import pack

keras.utils.set_random_seed(0)
line = keras.Sequential([keras.Input((1,), name="x"), keras.layers.Dense(1)])
line.save("line.keras")
secret = keras.Sequential([keras.Input((1,)), keras.layers.Lambda(lambda x: x * 2)])
secret.save("lambda.keras")
for name in ("line.h5", "spoilt.keras"):
    open(name, "wb").write(b"bytes")
with open("train.py", "w") as file:
    file.write("import keras\\nmodel = keras.saving.load_model('line.keras')\\n")
np.save("rows.npy", np.ones((3, 1), np.float32))
a, b = keras.Input((1,), name="a"), keras.Input((1,), name="b")
keras.Model([a, b], keras.layers.Add()([a, b])).save("two.keras")
for model in ("two.keras", "line.keras", "train:model", "lambda.keras", "line.h5", "spoilt.keras", "train:keras"):
    words = ["keras", model, "--inputs", "rows.npy", "--out", "b", "--replace", "--output-name", "y", "-o", "json"]
    told = CliRunner().invoke(pack, words)
    found = json.loads(told.stdout) if told.exit_code == 0 else {"error": told.stderr.splitlines()[-1]}
    print(json.dumps({"case": model, **found}))
"""


def test_a_saved_model_is_loaded_in_safe_mode_alone(tmp_path: Path) -> None:
    environment = {"PYTHONPATH": str(ROOT / "operator"), "KERAS_BACKEND": os.environ.get("KERAS_BACKEND", "jax")}
    command = [os.environ["KERAS_PYTHON"], "-c", SAVED]
    told = subprocess.run(command, env=environment, cwd=tmp_path, check=True, capture_output=True, text=True)
    found = {case["case"]: case for case in map(json.loads, told.stdout.splitlines()) if "case" in case}
    for case in ("line.keras", "train:model"):
        assert found[case].get("model", found[case])["outputs"] == [["y", "FP32", [1]]]
    for case, message in {
        "two.keras": "give rows as it was trained with, by name: a, b",
        "lambda.keras": "lambda.keras: Keras does not load it in safe mode: ",
        "line.h5": "line.h5: not a .keras file, the one kind that Keras loads without running its code; save it with",
        "spoilt.keras": "spoilt.keras: Keras does not load it in safe mode: ",
        "train:keras": "train:keras: is of module and no Keras model; name one or what returns one",
    }.items():
        assert message in found[case]["error"]
