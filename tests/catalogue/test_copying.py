"""A published version is taken along: from a bucket to a registry and into another namespace, under one digest."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from click.testing import Result

from slipway.bundle.place import Place
from slipway.bundle.sign import sign, verify
from slipway.bundle.transfer import pull
from testbed.kubectl import Kubectl
from testbed.plane import Plane
from tests.bundle import commands
from tests.bundle.keys import key
from tests.bundle.places import bundle, gateway, place, s3
from tests.conftest import fresh_namespace
from tests.fetch.registries import Registry, running

__all__ = ["bundle", "gateway", "place", "s3"]

pytestmark = pytest.mark.plane

Slipway = Callable[..., Result]


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with running(tmp_path_factory.mktemp("registry")) as found:
        yield found


@pytest.fixture
def kubectl(plane: Plane, namespace: str) -> Kubectl:
    return plane.kubectl().within(namespace)


@pytest.fixture
def slipway(plane: Plane, namespace: str, place: Place) -> Slipway:
    """The command, with the store's keys; it speaks of a namespace of the test's own."""

    def run(*words: object) -> Result:
        where = ("--endpoint", place.endpoint, "--keys", place.keys, "-n", namespace)
        return commands.slipway(*words, *where, KUBECONFIG=str(plane.kubeconfig()))

    return run


@pytest.fixture
def digest(slipway: Slipway, bundle: Path, place: Place, tmp_path: Path) -> str:
    """That of churn 3, which is signed and published from a bucket."""
    sign(bundle, key=key(tmp_path))
    told = slipway("publish", "churn", "3", place.uri, "--bundle", bundle, "--commit", "4f2a9c1", "-o", "json")
    assert told.exit_code == 0, told.output
    return str(json.loads(told.stdout)["digest"])


def test_a_version_goes_from_a_bucket_to_a_registry_and_another_namespace_as_what_it_is(
    slipway: Slipway, plane: Plane, kubectl: Kubectl, registry: Registry, place: Place, digest: str, tmp_path: Path
) -> None:
    kubectl("patch", "mv", "churn-3", "--type=merge", '-p={"spec":{"withdrawn":{"reason":"leaks","action":"Warn"}}}')
    to, other = registry.address("models/churn"), fresh_namespace(plane)
    words = ("copy", place.uri, to, "--model", "churn", "3", "--to-namespace", other)
    told = slipway(*words)
    assert told.exit_code == 0, told.output
    assert f"churn-3 in namespace {other}" in told.output
    here, there = kubectl.json("get", "mv", "churn-3"), plane.kubectl().within(other).json("get", "mv", "churn-3")
    assert there["spec"] == {**here["spec"], "sources": [{"uri": to}, {"uri": place.uri}]}
    pull(Place(uri=to), tmp_path / "back")
    assert verify(tmp_path / "back", key=tmp_path / "key.pub").digest == digest
    assert slipway(*words).exit_code == 0
    again = plane.kubectl().within(other).json("get", "mv", "churn-3")
    assert again["metadata"]["resourceVersion"] == there["metadata"]["resourceVersion"]


def test_in_its_own_namespace_a_version_gets_one_address_more(
    slipway: Slipway, kubectl: Kubectl, place: Place, digest: str
) -> None:
    to = f"{place.uri}-archive"
    told = slipway("copy", place.uri, to, "--model", "churn", "3", "-o", "json")
    assert told.exit_code == 0, told.output
    assert json.loads(told.stdout)["digest"] == digest
    assert [each["uri"] for each in kubectl.json("get", "mv", "churn-3")["spec"]["sources"]] == [to, place.uri]


def test_for_git_the_object_is_printed_and_what_git_gives_is_not_overwritten(
    slipway: Slipway, kubectl: Kubectl, place: Place, digest: str
) -> None:
    words = ("copy", place.uri, f"{place.uri}-archive", "--model", "churn", "3")
    printed = yaml.safe_load(slipway(*words, "-o", "yaml").stdout)
    assert len(printed["spec"]["sources"]) == 2
    assert printed["spec"]["digest"] == digest
    assert len(kubectl.json("get", "mv", "churn-3")["spec"]["sources"]) == 1
    kubectl(
        "apply", "--server-side", "--force-conflicts", "--field-manager=argocd", "-f", "-", stdin=json.dumps(printed)
    )
    told = slipway("copy", place.uri, f"{place.uri}-more", "--model", "churn", "3")
    assert told.exit_code == 1
    assert "churn-3: argocd gives its sources; change them there" in told.output


def test_other_bytes_are_never_taken_for_the_version(
    slipway: Slipway, plane: Plane, kubectl: Kubectl, place: Place, digest: str
) -> None:
    other = fresh_namespace(plane)
    stranger = kubectl.json("get", "mv", "churn-3")
    stranger["metadata"] = {"name": "churn-3"}
    stranger["spec"]["digest"] = "sha256:" + "b" * 64
    plane.kubectl().within(other).apply(stranger)
    told = slipway("copy", place.uri, f"{place.uri}-x", "--model", "churn", "3", "--to-namespace", other)
    assert told.exit_code == 1
    assert f"churn-3: is churn 3 with sha256:{'b' * 64} there, and churn 3 with {digest} here" in told.output
    kubectl("delete", "mv", "churn-3")
    kubectl("create", "-f", "-", stdin=json.dumps(stranger))
    told = slipway("copy", place.uri, f"{place.uri}-x", "--model", "churn", "3")
    assert "DigestMismatch" in told.output
    absent = slipway("pull", replace(place, uri=f"{place.uri}-x").uri, "unused")
    assert absent.exit_code != 0


def test_a_catalogue_is_named_only_for_a_version(slipway: Slipway, place: Place) -> None:
    told = slipway("copy", place.uri, f"{place.uri}-x")
    assert told.exit_code == 2
    assert "--model MODEL VERSION" in told.output
