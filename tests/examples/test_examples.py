"""The examples train, say the same twice, and are bundles and manifests that Slipway takes."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import yaml
from onnx.reference import ReferenceEvaluator

from slipway.api.v1alpha1 import API_VERSION, KIND, ModelDeploymentSpec
from slipway.bundle import golden
from slipway.bundle.original import open_onnx
from slipway.bundle.runtime import OnnxModel
from slipway.fetch import layout, models, sums
from slipway.guard.comparison import wrong
from testbed.plane import Plane
from testbed.shell import run
from testbed.training import EXAMPLES, train, trainable

ENSEMBLES = {file.parent.name for file in EXAMPLES.glob("*/models")}
"""Nobody but the server can ask them: test_asked.py has it do so."""
MANIFESTS = sorted(EXAMPLES.glob("*/manifest*.yaml"))


@pytest.fixture(scope="module", params=trainable())
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle of one example, in a folder of its name."""
    out: Path = tmp_path_factory.mktemp("bundles") / request.param
    train(request.param, out)
    return out


def files(bundle: Path) -> dict[str, bytes]:
    return {found.relative_to(bundle).as_posix(): found.read_bytes() for found in bundle.rglob("*") if found.is_file()}


def array(tensor: dict[str, Any]) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.array(tensor["data"], dtype=np.float32).reshape(tensor["shape"])


def manifest(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((EXAMPLES / name / "manifest.yaml").read_text())
    return found


def test_training_again_gives_the_same_bytes(trained: Path, tmp_path: Path) -> None:
    again = tmp_path / trained.name
    train(trained.name, again)
    assert files(again) == files(trained)


def test_another_slope_is_another_model(tmp_path: Path) -> None:
    told = train("linear-regression", tmp_path, "--slope", "3")
    answer = json.loads((tmp_path / "golden" / "one.json").read_text())["outputs"][0]["data"][0]
    assert answer == pytest.approx(10, abs=0.1)
    assert f"x = 3: the model says y = {answer:.6f}" in told


def test_fewer_epochs_are_a_worse_model_and_a_mixed_up_one_is_wrong(tmp_path: Path) -> None:
    def told(*arguments: str) -> tuple[float, float]:
        """What the golden request says, and the exported network."""
        train("linear-regression", tmp_path, *arguments)
        right = json.loads((tmp_path / "golden" / "one.json").read_text())
        network = ReferenceEvaluator(onnx.load(tmp_path / "1" / "model.onnx"))
        (answer,) = network.run(None, {"x": array(right["inputs"][0])})
        return right["outputs"][0]["data"][0], np.asarray(answer).item()

    assert told("--epochs", "5") == pytest.approx((6.32, 6.32), abs=0.1)
    right, wrong = told("--mixed-up")
    assert right == pytest.approx(7, abs=0.1)
    assert abs(right - wrong) > 1


@pytest.mark.parametrize("trained", [name for name in trainable() if name not in ENSEMBLES], indirect=True)
def test_the_exported_model_answers_as_the_framework_did(trained: Path) -> None:
    bundle = open_onnx(trained)
    model = OnnxModel(bundle.file)
    for request in bundle.requests.values():
        answer = golden.tensors(model.run(bundle.rows(request)), bundle.signature, batched=bundle.batched)
        assert wrong(request, answer) is None


def test_the_bundle_is_one_that_the_fetcher_takes(trained: Path) -> None:
    found = files(trained)
    listed = sums.parse(found[sums.NAME])
    layout.check([path for path in found if path != sums.NAME])
    layout.check_complete(listed, found)
    overlay = ModelDeploymentSpec.model_validate(manifest(trained.name)["spec"]).model.config
    configured = models.configure(found, overlay.to_dict() if overlay else None, trained.name)
    models.check(configured, found, ())
    own = models.check_golden(configured, {path: found[path] for path in found if layout.is_golden(path)})[""]
    assert 1 <= len(own) <= 2


def test_sha256sum_itself_agrees_with_the_list(trained: Path) -> None:
    told = run("sha256sum", "--check", "--strict", sums.NAME, cwd=trained)
    assert told.count(": OK") == len(files(trained)) - 1


@pytest.mark.plane
@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: f"{path.parent.name} {path.stem}")
def test_the_api_server_takes_the_manifest(plane: Plane, namespace: str, path: Path) -> None:
    told = plane.kubectl().within(namespace)("apply", "--validate=strict", "--dry-run=server", f"--filename={path}")
    assert f"{KIND.lower()}.{API_VERSION.partition('/')[0]}/{path.parent.name} created" in told
