"""The CPU image's `onnxruntime` backend refuses what NVIDIA's refuses when it loads, and takes what that takes.

Beside a graph of onnxruntime's own, with a fake of what Triton's stub gives to a Python backend.
"""

import importlib.util
import json
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from onnx import helper

from tests.triton import models
from tests.triton.installation import SOURCES

Free = list[int]


class FakeLoadError(Exception):
    """A fake of the stub's: the words become Triton's reason."""


@pytest.fixture
def initialize(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Load the graph x -> y with these shapes under this configuration, as Triton tells it."""
    fake = types.ModuleType("triton_python_backend_utils")
    fake.TritonModelException = FakeLoadError  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, fake.__name__, fake)
    spec = importlib.util.spec_from_file_location("backend", SOURCES / "backends/onnxruntime/model.py")
    assert spec
    assert spec.loader
    backend = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(backend)

    def load(x: Free, y: Free, batch: int, **config: Any) -> None:
        tensors = {"x": ("FP32", x)}, {"y": ("FP32", y)}
        models.onnx_model(tmp_path / "m", [helper.make_node("Identity", ["x"], ["y"])], *tensors, "", batched=False)
        told = {
            "max_batch_size": batch,
            "input": [{"name": "x", "data_type": "TYPE_FP32", "dims": [1]}],
            "output": [{"name": "y", "data_type": "TYPE_FP32", "dims": [1]}],
            **config,
        }
        args = {"model_config": json.dumps(told), "model_repository": str(tmp_path / "m"), "model_version": "1"}
        backend.TritonPythonModel().initialize(args)

    return load


def _tensor(name: str, dims: list[int], **more: Any) -> list[dict[str, Any]]:
    return [{"name": name, "data_type": "TYPE_FP32", "dims": dims, **more}]


REFUSED: dict[str, tuple[Free, Free, int, dict[str, Any], str]] = {
    "a batch of 1": (
        [1, 1],
        [1, 1],
        8,
        {},
        "config.pbtxt has max_batch_size: 8, and model.onnx has input 'x' with a first dimension of 1; export it with",
    ),
    "an output of a batch of 1": ([-1, 1], [1, 1], 8, {}, "output 'y' with a first dimension of 1"),
    "another rank": (
        [-1, 1, 1],
        [-1, 1],
        8,
        {},
        "declares input 'x' as [-1, 1], the batch in front, and model.onnx has [-1, 1, 1]",
    ),
    "another size": ([-1, 2], [-1, 2], 8, {}, "declares input 'x' as [-1, 1], the batch in front, and model.onnx has"),
    "another size without batches": ([2], [2], 0, {}, "declares input 'x' as [1] and model.onnx has [2]"),
    "free where the graph is not": (
        [-1, 2],
        [-1, 2],
        8,
        {"input": _tensor("x", [-1])},
        "declares input 'x' as [-1, -1]",
    ),
    "an output that the graph leaves free": ([-1, -1], [-1, -1], 8, {}, "declares output 'y' as [-1, 1]"),
    "another reshape": (
        [-1, 1],
        [-1, 1],
        8,
        {"input": _tensor("x", [1], reshape={"shape": []})},
        "declares input 'x' as [-1]",
    ),
    "a scalar of two": ([], [], 0, {"input": _tensor("x", [2])}, "input 'x' with dims [2], model.onnx has it without"),
    "an input that is not declared": (
        [-1, 1],
        [-1, 1],
        8,
        {"input": []},
        "model.onnx has input 'x', which config.pbtxt does not declare",
    ),
    "an optional input in a batch": (
        [-1, 1],
        [-1, 1],
        8,
        {"input": _tensor("x", [1], optional=True)},
        "input 'x' optional",
    ),
    "a ragged batch": (
        [-1],
        [-1],
        8,
        {"input": _tensor("x", [1], allow_ragged_batch=True)},
        "has allow_ragged_batch, which",
    ),
    "a batch's own input": ([-1, 1], [-1, 1], 8, {"batch_input": [{"kind": 0}]}, "has batch_input, which this image's"),
    "a sequence's control": (
        [-1, 1],
        [-1, 1],
        8,
        {"sequence_batching": {"control_input": [{"name": "START"}]}},
        "has sequence_batching.control_input, which",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_nvidias_backend_refuses_is_refused(initialize: Callable[..., None], what: str) -> None:
    x, y, batch, config, said = REFUSED[what]
    with pytest.raises(FakeLoadError) as refused:
        initialize(x, y, batch, **config)
    assert said in str(refused.value)


TAKEN: dict[str, tuple[Free, Free, int, dict[str, Any]]] = {
    "batches": ([-1, 1], [-1, 1], 8, {}),
    "none": ([1], [1], 0, {}),
    "a batch of 1 without batches": (
        [1, 1],
        [1, 1],
        0,
        {"input": _tensor("x", [1, 1]), "output": _tensor("y", [1, 1])},
    ),
    "an input that the graph leaves free": ([-1, -1], [-1, 1], 8, {}),
    "free in both": ([-1, -1], [-1, -1], 8, {"input": _tensor("x", [-1]), "output": _tensor("y", [-1])}),
    "a reshape": (
        [-1],
        [-1],
        8,
        {"input": _tensor("x", [1], reshape={"shape": []}), "output": _tensor("y", [1], reshape={"shape": []})},
    ),
    "sizes as text": ([-1, 1], [-1, 1], 8, {"input": _tensor("x", ["1"])}),  # type: ignore[list-item]
    "a scalar": ([], [], 0, {}),
    "a sequence that the model does not see": ([-1, 1], [-1, 1], 8, {"sequence_batching": {"control_input": []}}),
}


@pytest.mark.parametrize("what", TAKEN)
def test_what_it_takes_is_taken(initialize: Callable[..., None], what: str) -> None:
    x, y, batch, config = TAKEN[what]
    initialize(x, y, batch, **config)
