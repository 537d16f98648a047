"""S1: an empty cluster with the operator; the README's example is applied; it answers as the model itself does."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx.reference import ReferenceEvaluator

from e2e.bundles import read
from e2e.space import Space
from testbed.training import EXAMPLES, train

PROTOCOLS = ("http", "grpc")


@pytest.mark.parametrize(
    ("example", "takes", "gives", "asked"),
    [
        ("linear-regression", "x", "y", [[-7.5], [0.25], [1234.0]]),
        ("text-classifier", "features", "probabilities", np.eye(3, 100).tolist()),
    ],
)
def test_an_example_answers_as_its_own_model_does(
    space: Space, tmp_path: Path, example: str, takes: str, gives: str, asked: list[list[float]]
) -> None:
    # given: the bundle that training wrote lies where the manifest says
    train(example, tmp_path)
    space.store.put(f"{example}/1", read(tmp_path))

    # when: the manifest is applied as it is
    space.kubectl("apply", "--filename", EXAMPLES / example / "manifest.yaml")
    space.until_ready(example)

    # then: by both protocols, the golden answers of torch and what the network gives for questions nobody prepared
    golden = json.loads((tmp_path / "golden" / "batch.json").read_text())
    network = ReferenceEvaluator(str(tmp_path / "1" / "model.onnx"))
    answer, *_ = network.run([gives], {takes: np.array(asked, np.float32)})
    for protocol in PROTOCOLS:
        prepared = space.client.infer(protocol, space.host(example), example, **{takes: _value(golden["inputs"][0])})
        np.testing.assert_allclose(prepared[gives], _value(golden["outputs"][0]), rtol=1e-3, atol=1e-4)
        unprepared = space.client.infer(protocol, space.host(example), example, **{takes: asked})
        np.testing.assert_allclose(unprepared[gives], np.asarray(answer), rtol=1e-4, atol=1e-5)
    assert {"Promoted"} <= set(space.events(example))


def _value(tensor: dict[str, Any]) -> list[Any]:
    value: list[Any] = np.reshape(tensor["data"], tensor["shape"]).tolist()
    return value
