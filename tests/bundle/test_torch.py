"""torch modules. Its wheel is half a gigabyte, so they are packed by the Python that trains the examples.

That one has torch's older exporter where it is Debian's, and the packages of this environment beside it.
"""

import json
import subprocess
import sysconfig
from typing import Any

import pytest

from testbed.shell import ROOT
from testbed.training import trainer

MODULES = """
import json, sys
import numpy as np
import torch
from torch import nn
from slipway.bundle import pack

class Embedded(nn.Module):
    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(10, 3)
    def forward(self, ids, scale):
        found = self.table(ids) * scale[:, None, :]
        return {"mean": found.mean(1), "top": found.sum(-1).argmax(1)}

class Unrolled(nn.Module):
    def forward(self, x):
        return torch.cat([x[row : row + 1] * 2 for row in range(int(x.shape[0]))])

class Written(nn.Module):
    def forward(self, x):
        return x.reshape(2, -1) * torch.ones(2, 1)

class Random(nn.Module):
    def forward(self, x):
        return nn.functional.dropout(x, training=self.training) / (x > 0)

torch.manual_seed(0)
network = nn.Sequential(nn.Linear(4, 8), nn.Dropout(), nn.ReLU(), nn.Linear(8, 2))
text = {"ids": np.array([[1, 2, 3], [4, 5, 6]]), "scale": np.ones((2, 1), np.float32)}
CASES = {
    "network": lambda: pack.torch(network, torch.randn(1, 4), outputs=["p"], **out),
    "embedded": lambda: pack.torch(Embedded(), text, dynamic={"ids": {1: "time"}}, **out),
    "unrolled": lambda: pack.torch(Unrolled(), torch.randn(2, 4), **out),
    "written": lambda: pack.torch(Written(), torch.randn(2, 4), **out),
    "nan": lambda: pack.torch(Random(), torch.zeros(2, 4), **out),
    "names": lambda: pack.torch(network, torch.randn(2, 4), outputs=["p", "q"], **out),
    "wide": lambda: pack.torch(network, torch.randn(2, 5), **out),
    "text": lambda: pack.torch(network, np.array([["a"]]), **out),
}
for name, packed in CASES.items():
    out = {"out": f"{sys.argv[1]}/{name}", "name": "m"}
    try:
        found = packed().document()
    except pack.BundleError as error:
        found = {"error": str(error)}
    print(json.dumps({"case": name, **found, "training": network.training}))
"""


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What came of each case, by its name."""
    out = tmp_path_factory.mktemp("torch")
    path = f"{ROOT / 'operator'}:{sysconfig.get_path('purelib')}"
    words = [str(trainer()), "-c", MODULES, str(out)]
    told = subprocess.run(words, env={"PYTHONPATH": path}, check=True, capture_output=True, text=True)
    found = [json.loads(line) for line in told.stdout.splitlines() if line.startswith("{")]
    return {case["case"]: {**case, "written": (out / case["case"]).exists()} for case in found}


Cases = dict[str, dict[str, Any]]


def test_a_network_is_exported_with_a_free_batch_and_stays_as_it_was(packed: Cases) -> None:
    found = packed["network"]
    assert found["model"]["inputs"] == [["input", "FP32", [4]]]
    assert found["model"]["outputs"] == [["p", "FP32", [2]]]
    assert found["training"] is True


def test_several_inputs_and_outputs_and_another_free_dimension(packed: Cases) -> None:
    found = packed["embedded"]
    assert found["model"]["inputs"] == [["ids", "INT64", [-1]], ["scale", "FP32", [1]]]
    assert found["model"]["outputs"] == [["mean", "FP32", [3]], ["top", "INT64", [1]]]


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ("unrolled", "baked in"),
        ("written", "baked in"),
        ("nan", "answers NaN there; correct the model, or give other rows"),
        ("names", "outputs: 2 names, and the module gives 1 tensors; name each"),
        ("wide", "Sequential: does not take the examples: "),
        ("text", "is text, and torch has no tensors of it"),
    ],
)
def test_what_cannot_be_served_is_refused(case: str, message: str, packed: Cases) -> None:
    assert message in packed[case]["error"]
    assert not packed[case]["written"]
