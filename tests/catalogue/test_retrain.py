"""The example that retrains: a good month becomes the challenger, a bad one nothing, and champion is git's to move."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from slipway.bundle.place import Place
from slipway.bundle.sign import verify
from slipway.bundle.transfer import pull
from testbed.kubectl import Kubectl
from testbed.plane import Plane
from testbed.training import EXAMPLES
from testbed.updating import Retraining, champion, month
from tests.bundle.keys import key
from tests.bundle.places import gateway, place, s3

__all__ = ["gateway", "place", "s3"]

pytestmark = pytest.mark.plane

Retrain = Callable[[], "subprocess.CompletedProcess[str]"]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


@pytest.fixture
def kubectl(plane: Plane, namespace: str) -> Kubectl:
    return plane.kubectl().within(namespace)


@pytest.fixture
def retrain(plane: Plane, namespace: str, place: Place, data: Path, tmp_path: Path) -> Retrain:
    """What the CronJob runs, as the account that its manifest gives it."""
    signer, to = key(tmp_path), f"{place.uri.rpartition('/')[0]}/$(version)"
    where = ["--data", data, "--to", to, "--key", signer, "--keys", place.keys, "--namespace", namespace]
    words = [sys.executable, EXAMPLES / "retrain" / "retrain.py", *where]
    code = str(EXAMPLES.parent / "operator")
    environment = {"KUBECONFIG": str(plane.kubeconfig()), "AWS_ENDPOINT_URL": str(place.endpoint), "PYTHONPATH": code}

    def run() -> "subprocess.CompletedProcess[str]":
        return subprocess.run([*map(str, words)], env=environment, check=False, capture_output=True, text=True)

    return run


def aliases(kubectl: Kubectl) -> dict[str, str]:
    found: dict[str, str] = kubectl.json("get", "rm", "churn")["spec"]["aliases"]
    return found


def test_a_good_month_becomes_the_challenger_and_a_bad_one_leaves_everything_as_it_was(
    retrain: Retrain, kubectl: Kubectl, place: Place, data: Path, tmp_path: Path
) -> None:
    # given
    (data / "2026-09.csv").write_text(month(1))
    first = retrain()
    assert first.returncode == 0, first.stderr
    assert aliases(kubectl) == {"challenger": "2026-09"}
    kubectl("apply", "--server-side", "--field-manager=argocd", "-f", "-", stdin=champion("2026-09"))
    # when
    (data / "2026-10.csv").write_text(month(2, shuffled=True))
    bad = retrain()
    # then
    assert bad.returncode == 1
    assert "refused churn 2026-10: f1 was" in bad.stderr
    assert "champion stays 2026-09" in bad.stderr
    assert aliases(kubectl) == {"challenger": "2026-09", "champion": "2026-09"}
    assert [each["metadata"]["name"] for each in kubectl.json("get", "mv")["items"]] == ["churn-2026-09"]
    # when
    (data / "2026-10.csv").write_text(month(2))
    good = retrain()
    # then
    assert good.returncode == 0, good.stderr
    assert aliases(kubectl) == {"challenger": "2026-10", "champion": "2026-09"}
    spec = kubectl.json("get", "mv", "churn-2026-10")["spec"]
    assert spec["card"]["lineage"]["version"] == "2026-09"
    assert spec["card"]["metrics"][0]["name"] == "f1"
    pull(Place(uri=spec["sources"][0]["uri"], endpoint=place.endpoint, keys=place.keys), tmp_path / "back")
    assert verify(tmp_path / "back", key=tmp_path / "key.pub").digest == spec["digest"]
    # when
    again = retrain()
    # then
    assert again.returncode == 0, again.stderr
    assert spec == kubectl.json("get", "mv", "churn-2026-10")["spec"]


def test_the_manifest_is_taken_and_its_account_may_publish_and_move_aliases_and_no_more(kubectl: Kubectl) -> None:
    documents = list(yaml.safe_load_all((EXAMPLES / "retrain" / "cronjob.yaml").read_text()))
    for document in documents:
        document["metadata"].pop("namespace", None)
    kubectl.apply(*documents)
    account = f"--as=system:serviceaccount:{kubectl.namespace}:retrain"
    allowed = {
        ("create", "modelversions"): "yes",
        ("patch", "registeredmodels/churn"): "yes",
        ("patch", "registeredmodels/other"): "no",
        ("patch", "modelversions"): "no",
        ("delete", "modelversions"): "no",
        ("get", "secrets"): "no",
        ("create", "modeldeployments"): "no",
    }
    for (verb, resource), answer in allowed.items():
        kind, _, name = resource.partition("/")
        what = f"{kind}.serving.slipway.dev" if kind != "secrets" else kind
        said = kubectl("auth", "can-i", verb, f"{what}/{name}" if name else what, account, check=False).strip()
        assert said == answer, (verb, resource)


def test_what_the_demo_lays_out_is_taken_and_a_months_file_is_added_to_those_that_came_before(kubectl: Kubectl) -> None:
    laid_out = Retraining(kubectl, "slipway.dev/trainer:1", "mine")
    laid_out.prepare()
    kubectl.apply(laid_out.follower())
    laid_out.comes("2026-09", month(1))
    laid_out.comes("2026-10", month(2, shuffled=True))
    laid_out.comes("2026-10", month(2))
    data = kubectl.json("get", "configmap/customers")["data"]
    assert data == {"2026-09.csv": month(1), "2026-10.csv": month(2)}
    assert kubectl.json("get", "cronjob/retrain")["spec"]["schedule"] == "0 4 1 * *"
