"""Bundles to a real registry and back: the same bytes, the same digest, and no tag changes hands."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from click.testing import CliRunner

from slipway.bundle import directory
from slipway.bundle import registry as modelpack
from slipway.bundle.check import check
from slipway.bundle.encrypt import encrypt
from slipway.bundle.errors import BundleError
from slipway.bundle.place import Place
from slipway.bundle.sign import sign, verify
from slipway.bundle.transfer import copy, pull, push
from slipway.fetch.stores.manifest import FILEPATH, LIMIT_BYTES, OCI, TITLE
from slipway.program import main
from tests.bundle.folders import files, packed
from tests.bundle.keys import identity, key
from tests.fetch import registries
from tests.fetch.conftest import Gateway, gateway, s3
from tests.fetch.registries import PASSWORD, USER, Registry

__all__ = ["gateway", "s3"]


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with registries.running(tmp_path_factory.mktemp("registry")) as made:
        yield made


@pytest.fixture
def place(registry: Registry, request: pytest.FixtureRequest) -> Place:
    """A repository of its own."""
    name = hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:12]
    return Place(uri=registry.address(f"team/{name}"))


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return packed(tmp_path / "bundle")


def manifest_of(place: Place) -> dict[str, Any]:
    host, _, rest = place.uri.removeprefix("oci://").partition("/")
    repository, _, tag = rest.partition(":")
    answer = httpx.get(f"http://{host}/v2/{repository}/manifests/{tag}", headers={"Accept": OCI})
    found: dict[str, Any] = answer.raise_for_status().json()
    return found


def test_what_was_pushed_comes_back_and_is_served_under_its_digest(bundle: Path, place: Place, tmp_path: Path) -> None:
    pushed = push(bundle, place)
    pulled = pull(place, tmp_path / "back")
    assert pushed.digest == pulled.digest == check(bundle).digest == check(place.uri).digest
    assert files(tmp_path / "back") == files(bundle)
    assert pushed.files == len(files(bundle))


def test_a_manifest_of_many_long_names_has_no_titles_rather_than_be_too_large() -> None:
    blob = modelpack.Blob.of(b"x")
    made = modelpack._manifest({f"1/{number:0190}": blob for number in range(10_000)})
    assert len(made) <= LIMIT_BYTES
    assert TITLE.encode() not in made


def test_it_is_a_modelpack_of_one_file_a_layer(bundle: Path, place: Place) -> None:
    push(bundle, place)
    manifest = manifest_of(place)
    assert manifest["artifactType"] == "application/vnd.cncf.model.manifest.v1+json"
    assert manifest["config"]["mediaType"] == "application/vnd.cncf.model.config.v1+json"
    assert all(layer["annotations"][TITLE] == layer["annotations"][FILEPATH] for layer in manifest["layers"])
    kinds = {layer["annotations"][FILEPATH]: layer["mediaType"].split("model.")[1] for layer in manifest["layers"]}
    assert kinds == {
        "1/model.onnx": "weight.v1.raw",
        "README.md": "doc.v1.raw",
        "SHA256SUMS": "doc.v1.raw",
        "config.pbtxt": "weight.config.v1.raw",
        "golden/batch.json": "dataset.v1.raw",
        "golden/one.json": "dataset.v1.raw",
    }


def test_a_second_push_does_nothing(bundle: Path, place: Place) -> None:
    push(bundle, place)
    before = manifest_of(place)
    assert push(bundle, place).files == 0
    assert manifest_of(place) == before


def test_the_same_bytes_have_the_same_manifest_whenever_they_are_pushed(
    bundle: Path, place: Place, tmp_path: Path
) -> None:
    push(bundle, place)
    again = Place(uri=f"{place.uri.removesuffix(':3')}:4")
    pull(place, tmp_path / "elsewhere")
    assert push(tmp_path / "elsewhere", again).files == 0  # every blob is there
    assert manifest_of(again) == manifest_of(place)


def test_other_bytes_under_that_tag_are_an_error(bundle: Path, place: Place, tmp_path: Path) -> None:
    first = push(bundle, place)
    before = manifest_of(place)
    with pytest.raises(BundleError, match=f"holds {first.digest}, and this bundle is sha256:.*; push to a tag of its"):
        push(packed(tmp_path / "other", x=5.0), place)
    assert manifest_of(place) == before


def test_what_is_no_bundle_keeps_its_tag(bundle: Path, place: Place, registry: Registry) -> None:
    push(bundle, place)
    strange = {**manifest_of(place), "layers": manifest_of(place)["layers"][:1]}
    url = f"http://{registry.host}/v2/{place.uri.partition(registry.host)[2][1:-2]}/manifests/3"
    httpx.put(url, content=json.dumps(strange), headers={"Content-Type": OCI}).raise_for_status()
    with pytest.raises(BundleError, match="holds something that is no bundle; push to a tag of its own"):
        push(bundle, place)
    assert manifest_of(place) == strange


def test_a_digest_is_nothing_to_push_to(bundle: Path, registry: Registry) -> None:
    for uri, words in (
        (f"oci://{registry.host}/team/a@sha256:{'0' * 64}", "push to a tag"),
        (f"oci://{registry.host}/team/a", "names no version in a registry"),
    ):
        with pytest.raises(BundleError, match=words):
            push(bundle, Place(uri=uri))


def test_a_signature_comes_to_what_was_pushed_before_and_replaces_none(
    bundle: Path, place: Place, tmp_path: Path
) -> None:
    push(bundle, place)
    sign(bundle, key=key(tmp_path))
    signed = push(bundle, place)
    assert (signed.files, signed.signed) == (1, True)
    assert push(bundle, place).files == 0
    pull(place, tmp_path / "back")
    assert verify(tmp_path / "back", key=tmp_path / "key.pub").digest == signed.digest
    sign(bundle, key=key(tmp_path, "other"), replace=True)
    with pytest.raises(BundleError, match=r"model\.sig: another signature is there"):
        push(bundle, place)
    (bundle / "model.sig").unlink()
    assert push(bundle, place).signed


def test_one_digest_in_every_store(bundle: Path, place: Place, s3: Gateway, tmp_path: Path) -> None:
    """Encrypted and signed, from a bucket to a registry and back."""
    encrypt(bundle, out=tmp_path / "e", recipients=[identity(tmp_path / "id")])
    sign(tmp_path / "e", key=key(tmp_path))
    s3.bucket("copies")
    keys = tmp_path / "credentials"
    there, back = (Place(uri=f"s3://copies/{name}", endpoint=s3.endpoint, keys=keys) for name in ("there", "back"))
    digests = {push(tmp_path / "e", there).digest, copy(there, place).digest, copy(place, back).digest}
    assert len(digests) == 1
    pull(back, tmp_path / "b")
    assert files(tmp_path / "b") == files(tmp_path / "e")


class KilledError(BaseException):
    pass


@pytest.mark.parametrize("requests", range(0, 24, 3))
def test_a_push_that_was_killed_is_not_there_and_goes_on_where_it_was(
    requests: int, bundle: Path, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = [requests]
    stream = httpx.Client.stream

    def dying(*arguments: Any, **how: Any) -> Any:
        if not left[0]:
            raise KilledError
        left[0] -= 1
        return stream(*arguments, **how)

    with monkeypatch.context() as patched:
        patched.setattr(httpx.Client, "stream", dying)
        with pytest.raises(KilledError):
            push(bundle, place)
    with pytest.raises(BundleError, match="SourceNotFound"):
        pull(place, tmp_path / "early")
    assert push(bundle, place).digest == check(bundle).digest
    pull(place, tmp_path / "back")
    assert files(tmp_path / "back") == files(bundle)


def test_empty_files_and_large_ones_go(place: Place, tmp_path: Path) -> None:
    folder = packed(tmp_path / "bundle")
    (folder / "1" / "empty").touch()
    (folder / "1" / "large").write_bytes(np.random.default_rng(1).bytes(80 * 2**20))
    directory.seal(folder)
    push(folder, place)
    pull(place, tmp_path / "back")
    assert files(tmp_path / "back") == files(folder)


def test_a_registry_with_a_password_takes_it_from_keys_environment_or_docker(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    with registries.running(tmp_path, registries.passwords(tmp_path)) as registry:
        place = Place(uri=registry.address("team/churn"))
        with pytest.raises(BundleError, match=r"SourceDenied: .*401"):
            push(bundle, place)
        (tmp_path / "docker").mkdir()
        entry = {"username": USER, "password": PASSWORD}
        (tmp_path / "docker" / "config.json").write_text(json.dumps({"auths": {registry.host: entry}}))
        assert push(bundle, place).files
        (tmp_path / "docker" / "config.json").unlink()
        monkeypatch.setenv("SLIPWAY_USERNAME", USER)
        monkeypatch.setenv("SLIPWAY_PASSWORD", PASSWORD)
        assert push(bundle, place).files == 0
        monkeypatch.delenv("SLIPWAY_USERNAME")
        keys = tmp_path / "keys"
        keys.mkdir()
        for name, value in entry.items():
            (keys / name).write_text(value)
        assert push(bundle, Place(uri=place.uri, keys=keys)).files == 0


@pytest.mark.parametrize(
    "config", [{}, {"credsStore": "desktop"}, {"auths": None}, {"auths": {"HOST": {}}}, {"auths": {"HOST": {"x": "y"}}}]
)
def test_an_open_registry_needs_no_password_that_docker_keeps_elsewhere(
    bundle: Path, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: dict[str, Any]
) -> None:
    host = place.uri.removeprefix("oci://").partition("/")[0]
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    (tmp_path / "config.json").write_text(json.dumps(config).replace("HOST", host))
    assert push(bundle, place).digest
    (tmp_path / "config.json").write_text("no JSON")
    with pytest.raises(BundleError, match=r"config\.json: no configuration of docker"):
        push(bundle, place)


def test_the_commands_push_check_and_pull(bundle: Path, place: Place, tmp_path: Path) -> None:
    for words in (["push", str(bundle), place.uri], ["check", place.uri], ["pull", place.uri, str(tmp_path / "back")]):
        ended = CliRunner().invoke(main, words)
        assert ended.exit_code == 0, ended.output
        assert check(bundle).digest in ended.stdout
    assert files(tmp_path / "back") == files(bundle)


def test_nothing_of_this_machine_is_in_a_manifest(bundle: Path, place: Place, tmp_path: Path) -> None:
    push(bundle, place)
    assert str(tmp_path) not in json.dumps(manifest_of(place))
