"""Models of a real MLflow server become bundles and versions, against a real API server and a real S3 server."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from click.testing import Result

from slipway.api.v1alpha1 import ModelVersionSpec
from slipway.bundle.check import check
from slipway.bundle.errors import BundleError
from slipway.bundle.place import Place
from slipway.catalogue import from_mlflow
from slipway.catalogue.publish import ORIGIN
from testbed.kubectl import Kubectl
from testbed.plane import Plane
from tests.bundle import commands
from tests.bundle.keys import key
from tests.bundle.places import gateway, place, s3
from tests.catalogue.mlflow_models import Mlflow, serving

__all__ = ["gateway", "place", "s3"]

pytestmark = pytest.mark.plane

CHURN = "models:/churn@champion"
Import = Callable[..., Result]


@pytest.fixture(scope="module")
def mlflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mlflow]:
    """A server with two versions of a model, of which the first is the champion."""
    with serving(tmp_path_factory.mktemp("mlflow")) as server:
        for seed in (0, 1):
            server.log_churn(seed=seed)
        yield server


@pytest.fixture
def kubectl(plane: Plane, namespace: str) -> Kubectl:
    return plane.kubectl().within(namespace)


@pytest.fixture
def imports(plane: Plane, namespace: str, place: Place, mlflow: Mlflow) -> Import:
    """`slipway import mlflow` into a namespace and a bucket of the test's own."""
    mlflow.client().set_registered_model_alias("churn", "champion", "1")
    to = f"{place.uri.rpartition('/')[0]}/$(version)"

    def run(source: str, *words: object) -> Result:
        where = ("--endpoint", place.endpoint, "--keys", place.keys, "-n", namespace, "--tracking-uri", mlflow.uri)
        return commands.slipway("import", "mlflow", source, to, *where, *words, KUBECONFIG=str(plane.kubeconfig()))

    return run


def test_a_version_comes_with_its_metrics_its_commit_and_its_signature_and_an_alias_that_moves_moves_ours(
    imports: Import, kubectl: Kubectl, mlflow: Mlflow
) -> None:
    told = imports(CHURN, "--trusted", "--alias", "champion")
    assert told.exit_code == 0, told.output
    stored = kubectl.json("get", "mv", "churn-1")
    spec = ModelVersionSpec.model_validate(stored["spec"])
    assert spec.card
    assert [(metric.name, float(metric.value) > 0.9) for metric in spec.card.metrics or ()] == [("accuracy", True)]
    assert spec.card.lineage
    assert spec.card.lineage.commit == "4f2a9c0"
    assert (spec.card.lineage.data or "").startswith("customers@")
    assert [(tensor.name, tensor.shape) for tensor in spec.card.inputs or ()] == [("tenure", [1]), ("fee", [1])]
    assert spec.sources[0].uri.endswith("/churn/1")
    mlflow.client().set_registered_model_alias("churn", "champion", "2")
    moved = imports(CHURN, "--trusted", "--alias", "champion", "-o", "json")
    assert moved.exit_code == 0, moved.output
    assert json.loads(moved.stdout)["name"] == "churn-2"
    assert kubectl.json("get", "rm", "churn")["spec"]["aliases"] == {"champion": "2"}


def test_what_was_imported_before_is_not_loaded_again(imports: Import, kubectl: Kubectl, mlflow: Mlflow) -> None:
    assert imports("models:/churn/1", "--trusted").exit_code == 0
    again = imports("models:/churn/1", "--alias", "champion")
    assert again.exit_code == 0, again.output
    assert "published     before" in again.output
    assert kubectl.json("get", "rm", "churn")["spec"]["aliases"] == {"champion": "1"}
    kubectl("annotate", "mv", "churn-1", f"{ORIGIN}=mlflow models:/churn/1 models:/m-another", "--overwrite")
    other = imports("models:/churn/1", "--trusted")
    assert other.exit_code == 1
    assert "churn 1: is published already, made from mlflow models:/churn/1 models:/m-another" in other.output
    kubectl("annotate", "mv", "churn-1", f"{ORIGIN}-")
    assert "churn 1: is published already, made otherwise" in imports("models:/churn/1", "--trusted").output


def test_nothing_is_unpickled_unless_somebody_vouches_for_it(imports: Import, kubectl: Kubectl) -> None:
    told = imports(CHURN)
    assert told.exit_code == 1
    assert "loading it unpickles it, which runs whatever code is in it" in told.output
    assert kubectl.json("get", "mv")["items"] == []


def test_for_git_both_objects_are_printed_and_the_bundle_is_kept_and_signed(
    imports: Import, kubectl: Kubectl, tmp_path: Path
) -> None:
    out, key_file = tmp_path / "churn", key(tmp_path)
    words = ("--trusted", "--alias", "champion", "--out", out, "--key", key_file, "-o", "yaml")
    told = imports(CHURN, *words)
    assert told.exit_code == 0, told.output
    version, model = yaml.safe_load_all(told.stdout)
    assert version["spec"]["digest"] == check(out).digest
    assert model["spec"] == {"aliases": {"champion": "1"}}
    assert (out / "model.sig").is_file()
    assert "C | 0.5" in (out / "README.md").read_text()
    assert kubectl.json("get", "mv,rm")["items"] == []
    again = imports(CHURN, "--trusted", "--key", key_file)  # as if it had been cut before its object was made
    assert again.exit_code == 0, again.output
    kubectl.apply(version, model)


@pytest.mark.parametrize(
    ("source", "words", "message"),
    [
        ("models:/churn", (), "models:/churn: names no version of MLflow's registry; write models:/NAME@ALIAS"),
        ("models:/churn@nobody", (), "models:/churn@nobody: asking MLflow at http"),
        ("models:/absent/1", (), "models:/absent/1: asking MLflow at http"),
        ("models:/churn/1", ("--model", "Churn Model"), "model: 'Churn Model' is no name of a registered model"),
        ("models:/churn/1", ("--version", "-"), "version: '-' is no version of the catalogue"),
    ],
)
def test_what_cannot_be_imported_is_told(imports: Import, source: str, words: tuple[str, ...], message: str) -> None:
    told = imports(source, "--trusted", *words)
    assert told.exit_code == 1, told.output
    assert message in told.output


def test_a_model_without_an_example_wants_rows_and_rows_want_the_signatures_names(
    mlflow: Mlflow, tmp_path: Path
) -> None:
    version = mlflow.log_churn(name="bare", example=False)
    found = from_mlflow.find(f"models:/bare/{version}", tracking_uri=mlflow.uri)
    with pytest.raises(BundleError, match="was logged without an input example"):
        from_mlflow.pack_version(found, tmp_path / "bare", name="bare", trusted=True)
    described = from_mlflow.find("models:/churn/1")
    with pytest.raises(BundleError, match="its signature has tenure, fee, and the rows months; name them so"):
        from_mlflow.pack_version(described, tmp_path / "x", name="x", trusted=True, inputs={"months": [1.0]})


def test_another_scikit_learn_and_another_flavor_are_told() -> None:
    found = from_mlflow.MlflowVersion(
        model="m", version="1", source="s", description="", metrics={}, params={}, commit=None, data=None
    )
    with pytest.raises(BundleError, match=r"was saved by scikit-learn 0\.1, and .* pip install scikit-learn==0\.1"):
        from_mlflow._flavor(found, {"sklearn": {"sklearn_version": "0.1"}})
    with pytest.raises(BundleError, match="has the flavors prophet, python_function, and sklearn or pytorch is"):
        from_mlflow._flavor(found, {"python_function": {}, "prophet": {}})


def test_a_torch_module_is_packed_where_torch_is(mlflow: Mlflow, tmp_path: Path) -> None:
    packed = mlflow.log_and_pack_torch(tmp_path / "mlp")
    assert packed["model"]["inputs"] == [["input", "FP32", [3]]]
    assert check(tmp_path / "mlp").digest == packed["digest"]


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        (None, "set MLFLOW_TRACKING_URI or --tracking-uri"),
        ("http://127.0.0.1:1", "asking MLflow at http://127.0.0.1:1"),
    ],
)
def test_where_no_mlflow_is_named_or_none_answers_that_is_told(uri: str | None, message: str) -> None:
    words = ["slipway", "import", "mlflow", CHURN, "s3://b/m", *(["--tracking-uri", uri] if uri else [])]
    program = f"import sys; from slipway.program import main; sys.argv = {words!r}; main()"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    told = subprocess.run([sys.executable, "-c", program], env=environment, check=False, capture_output=True, text=True)
    assert told.returncode == 1
    assert message in told.stderr
