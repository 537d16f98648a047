"""A release in a real registry: what is installed from it names images by digest, and each is signed and listed.

Small images stand for the project's own, which take a container engine to build; all else is as `make release` does it.
"""

import gzip
import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from testbed.release import charts, krew, sbom
from testbed.release.files import Command
from testbed.release.layouts import RELEASED, Layout, from_saved
from testbed.release.programs import program
from testbed.release.publish import Release, Released
from testbed.release.registry import Registry, ReleaseError
from testbed.release.signing import Key
from testbed.say import MissingError
from testbed.shell import ROOT, CommandError, run
from testbed.tools import KUBERNETES_VERSION, find
from tests.fetch import registries
from tests.release.layouts import all_layouts, saved
from tests.release.machines import HERE, NOWHERE


@pytest.fixture(scope="module")
def password() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COSIGN_PASSWORD", "of-tests")
        yield


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory, password: None) -> Key:
    """A pair as a maintainer makes it, once."""
    return made_key(tmp_path_factory.mktemp("key"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[registries.Registry]:
    with registries.running(tmp_path_factory.mktemp("registry")) as running:
        yield running


@pytest.fixture(scope="module")
def release(server: registries.Registry, key: Key, tmp_path_factory: pytest.TempPathFactory) -> Release:
    registry, folder = Registry.named(f"{server.host}/ml/slipway"), tmp_path_factory.mktemp("dist")
    return Release(registry, key, folder, command=HERE)


@pytest.fixture(scope="module")
def released(release: Release, tmp_path_factory: pytest.TempPathFactory) -> list[Released]:
    """What the first run put there."""
    return release.publish(all_layouts(tmp_path_factory.mktemp("images")))


def made_key(folder: Path) -> Key:
    run(program("cosign"), "generate-key-pair", f"--output-key-prefix={folder}/pair")
    return Key.given(f"{folder}/pair.key", folder / "public.pem")


def cosign(key: Key, command: str, *argv: str) -> str:
    """As docs/release.md tells users to."""
    return run(program("cosign"), command, f"--key={key.public}", "--insecure-ignore-tlog=true", *argv)


def helm(command: str, reference: str, *argv: str) -> str:
    """helm on a chart in the registry, by digest."""
    return run(find("helm"), command, "--plain-http", f"oci://{reference}", *argv)


WITH_CONSOLE = "--set=console.enabled=true"


def rendered(chart: str) -> list[str]:
    """Every image that a chart of the registry names, as it is rendered with its own values."""
    text = run(
        find("helm"), "template", "slipway", f"oci://{chart}", "--plain-http", WITH_CONSOLE,
        f"--kube-version={KUBERNETES_VERSION}",
    )  # fmt: skip
    deployments = [each for each in yaml.safe_load_all(text) if each and each["kind"] == "Deployment"]
    containers = {
        each["metadata"]["labels"]["app.kubernetes.io/component"]: each["spec"]["template"]["spec"]["containers"][0]
        for each in deployments
    }
    operator = containers["operator"]
    handed_on = {each["name"]: each.get("value", "") for each in operator["env"]}
    fetcher, server = handed_on["SLIPWAY_FETCHER_IMAGE"], handed_on["SLIPWAY_SERVER_IMAGE"]
    return [operator["image"], fetcher, server, containers["console"]["image"]]


def _written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def files(server: registries.Registry) -> dict[str, int]:
    """What the registry has, with the times at which it was written."""
    return {str(path): path.stat().st_mtime_ns for path in server.data.rglob("*") if path.is_file()}


def test_images_and_charts_are_there_with_their_sizes(release: Release, released: list[Released]) -> None:
    place = re.escape(release.registry.place)
    wanted = [f"{place}/{name}" for name in (*RELEASED, "charts/slipway-crds", "charts/slipway")]

    assert all(
        re.fullmatch(f"{name}@sha256:[0-9a-f]{{64}}", each.reference)
        for name, each in zip(wanted, released, strict=True)
    )
    assert all(each.pushed and each.compressed_bytes > 0 for each in released)


def test_what_is_installed_from_the_registry_names_every_image_by_a_digest_that_is_there(
    release: Release, released: list[Released]
) -> None:
    images = rendered(released[-1].reference)

    assert images == [each.reference for each in released[: len(RELEASED)]]
    for name, reference in zip(RELEASED, images, strict=True):
        digest = reference.partition("@")[2]
        assert release.registry.digest(name, release.version) == digest
        assert release.registry.compressed_size(name, digest) > 0


def test_the_chart_of_the_api_is_the_repositorys(released: list[Released], tmp_path: Path) -> None:
    helm("pull", released[-2].reference, "--untar", f"--untardir={tmp_path}")

    kept = Path("files") / "serving.slipway.dev_modeldeployments.yaml"
    assert (tmp_path / "slipway-crds" / kept).read_text() == (ROOT / "charts" / "slipway-crds" / kept).read_text()


def test_each_image_and_chart_carries_a_signature_of_the_key_and_of_no_other(
    key: Key, released: list[Released], tmp_path: Path
) -> None:
    other = made_key(tmp_path)
    for each in released:
        found = json.loads(cosign(key, "verify", each.reference))
        (signature,) = (one["critical"] for one in found if one["critical"]["type"].endswith("/cosign/sign/v1"))
        assert signature["image"]["docker-manifest-digest"] == each.reference.partition("@")[2]
        with pytest.raises(CommandError):
            cosign(other, "verify", each.reference)


def test_each_image_carries_a_signed_list_of_its_packages(key: Key, release: Release, released: list[Released]) -> None:
    for name, each in zip(RELEASED, released, strict=False):
        cosign(key, "verify-attestation", "--type=cyclonedx", each.reference)
        listed = key.attested(each.reference)
        assert listed is not None
        assert listed["metadata"]["component"]["name"] == name
        assert (f"packed-in-{name}", "1.45.0") in [(part["name"], part.get("version")) for part in listed["components"]]
        assert sbom.packages(release.folder / f"{name}.cdx.json") == {f"packed-in-{name}": "1.45.0"}


def test_the_values_file_says_the_same_of_a_chart_that_comes_from_elsewhere(
    release: Release, released: list[Released]
) -> None:
    text = run(
        find("helm"), "template", "slipway", ROOT / "charts" / "slipway", f"--values={release.folder}/values.yaml",
        WITH_CONSOLE,
        f"--kube-version={KUBERNETES_VERSION}",
    )  # fmt: skip
    assert all(each.reference in text for each in released[: len(RELEASED)])


def test_a_second_run_pushes_nothing(
    server: registries.Registry, release: Release, released: list[Released], tmp_path: Path
) -> None:
    before = files(server)
    again = release.publish(all_layouts(tmp_path))

    assert [each.reference for each in again] == [each.reference for each in released]
    assert not [each for each in again if each.pushed]
    assert files(server) == before


def test_a_run_that_was_interrupted_is_gone_on_with(
    server: registries.Registry, key: Key, released: list[Released], tmp_path: Path
) -> None:
    # given: a registry to which one image came without a signature, and one with its SBOM alone
    release = Release(Registry.named(f"{server.host}/interrupted"), key, tmp_path, command=NOWHERE)
    layouts = all_layouts(tmp_path / "images")
    for layout in layouts[:2]:
        release.registry.push_image(layout.reference, layout.name, release.version)
    listed = f"{release.registry.repository(layouts[1].name)}@{layouts[1].digest()}"
    key.attest(listed, _written(tmp_path / "sbom.json", '{"bomFormat": "CycloneDX", "specVersion": "1.6"}'))

    # when
    done = release.publish(layouts)

    # then: all of it is there and signed
    assert all(each.pushed for each in done)
    for each in done:
        assert not key.sign(each.reference)


def test_what_krew_could_not_ask_ends_a_release_before_it_begins(
    server: registries.Registry, release: Release, key: Key, tmp_path: Path
) -> None:
    other = Release(release.registry, key, tmp_path, command=Command("http://files.example"))
    before = files(server)
    with pytest.raises(ReleaseError, match="from https:// on"):
        other.publish(all_layouts(tmp_path / "images"))
    assert files(server) == before


def test_manifests_are_the_released_chart_closed_and_signed(
    release: Release, released: list[Released], key: Key
) -> None:
    made = [list(yaml.safe_load_all((release.folder / f"{name}.yaml").read_text())) for name in charts.CHARTS]
    api, operator = ([each for each in objects if each] for objects in made)
    assert api[0]["kind"] == "Namespace"
    assert {each["kind"] for each in api[1:]} == {"CustomResourceDefinition"}
    (deployment,) = (each for each in operator if each["kind"] == "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    variables = {each["name"]: each.get("value", "") for each in container["env"]}
    digests = {each.reference for each in released}
    assert {container["image"], variables["SLIPWAY_FETCHER_IMAGE"], variables["SLIPWAY_SERVER_IMAGE"]} <= digests
    assert "Namespace" in variables["SLIPWAY_MODEL_NETWORK"]
    names = ("slipway.yaml", "slipway-crds.yaml", "*.whl", "slipway-*.pyz", "kubectl-slipway-*.tar.gz", krew.MANIFEST)
    for path in (one for name in names for one in release.folder.glob(name)):
        cosign(key, "verify-blob", f"--bundle={path}.sigstore.json", str(path))
        altered = _written(release.folder / "altered", f"{path.read_bytes()!r} and more")
        with pytest.raises(CommandError):
            cosign(key, "verify-blob", f"--bundle={path}.sigstore.json", str(altered))


@pytest.mark.parametrize("changed", ["image", "chart"])
def test_other_content_of_a_released_version_is_refused_and_nothing_is_pushed(
    changed: str, server: registries.Registry, key: Key, release: Release, released: list[Released], tmp_path: Path
) -> None:
    sources = shutil.copytree(ROOT / "charts", tmp_path / "charts")
    if changed == "chart":
        (sources / "slipway-crds" / "values.yaml").write_text("# Other words.\n")
    dist = tmp_path / "dist"
    dist.mkdir()
    other = Release(release.registry, key, dist, charts=sources, command=NOWHERE)
    before = files(server)

    with pytest.raises(ReleaseError, match=f"has version {release.version} of .* with other content") as refused:
        other.publish(all_layouts(tmp_path / "images", "1.46.0" if changed == "image" else "1.45.0"))

    assert ("operator" in str(refused.value)) == (changed == "image")
    assert "charts/slipway" in str(refused.value)
    assert files(server) == before


@dataclass(frozen=True)
class Overwritten(Registry):
    """One in which somebody puts another chart under the same version as soon as there is one."""

    charts: Path = ROOT / "charts"

    def push_chart(self, archive: Path, folder: str) -> None:
        super().push_chart(archive, folder)
        if archive.name.startswith("slipway-crds"):
            super().push_chart(charts.package("slipway-crds", {}, self.charts.parent, self.charts), folder)


def test_no_chart_is_signed_but_the_one_that_was_made(
    server: registries.Registry, key: Key, released: list[Released], tmp_path: Path
) -> None:
    sources = shutil.copytree(ROOT / "charts", tmp_path / "charts")
    (sources / "slipway-crds" / "values.yaml").write_text("# Not ours.\n")
    (tmp_path / "dist").mkdir()
    registry = Overwritten(f"{server.host}/overwritten", sources)
    with pytest.raises(ReleaseError, match=r"has another charts/slipway-crds .* and it was not signed"):
        Release(registry, key, tmp_path / "dist", command=NOWHERE).publish(all_layouts(tmp_path / "images"))

    name, version = (
        f"{charts.FOLDER}/slipway-crds",
        str(yaml.safe_load((sources / "slipway-crds/Chart.yaml").read_text())["version"]),
    )
    with pytest.raises(CommandError, match="no signatures found"):
        cosign(key, "verify", f"{registry.repository(name)}@{registry.digest(name, version)}")


@pytest.mark.parametrize("oci", [False, True], ids=["before docker 25", "since"])
def test_what_docker_saves_becomes_an_oci_image_with_compressed_layers(oci: bool, tmp_path: Path) -> None:
    layer = saved(tmp_path / "saved.tar", oci=oci)
    from_saved(tmp_path / "saved.tar", tmp_path / "layout")

    blobs = tmp_path / "layout" / "blobs"
    algorithm, _, digest = Layout("operator", tmp_path / "layout", 0).digest().partition(":")
    manifest = json.loads((blobs / algorithm / digest).read_text())
    assert manifest["mediaType"] == "application/vnd.oci.image.manifest.v1+json"
    assert manifest["config"]["mediaType"] == "application/vnd.oci.image.config.v1+json"
    (found,) = manifest["layers"]
    assert found["mediaType"] == "application/vnd.oci.image.layer.v1.tar+gzip"
    assert gzip.decompress((blobs / found["digest"].replace(":", "/")).read_bytes()) == layer


@pytest.mark.parametrize("place", ["oci://registry.example/ml", "https://registry.example", "", "registry.example/ML"])
def test_a_registry_is_a_host_and_a_path(place: str) -> None:
    with pytest.raises(ReleaseError, match="HOST:PORT"):
        Registry.named(place)


@pytest.mark.parametrize(
    ("place", "plain"),
    [
        ("127.0.0.1:5000", True),
        ("localhost:5000/ml", True),
        ("[::1]:5000", True),
        ("registry.example/ml", False),
        ("localhost.example:5000", False),
        ("10.0.0.1:5000", False),
    ],
)
def test_only_a_registry_on_loopback_is_asked_without_tls(place: str, plain: bool) -> None:
    assert Registry.named(place).plain is plain


def test_no_key_is_made_for_a_caller_who_names_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="KEY is not set"):
        Key.given("", tmp_path / "public.pem")
    monkeypatch.delenv("COSIGN_PASSWORD", raising=False)
    with pytest.raises(MissingError, match="COSIGN_PASSWORD is not set"):
        Key.given("absent.key", tmp_path / "public.pem")
    assert not list(tmp_path.iterdir())


def test_the_charts_values_differ_from_the_repositorys_in_their_images_alone() -> None:
    digest = "sha256:" + "a" * 64
    plain = (ROOT / "charts" / "slipway" / "values.yaml").read_text()
    text = charts.with_digests(plain, {name: f"registry.example/{name}@{digest}" for name in RELEASED})

    changed = [new for old, new in zip(plain.splitlines(), text.splitlines(), strict=True) if old != new]
    assert [line.strip() for line in changed] == [
        line for name in RELEASED for line in (f"repository: registry.example/{name}", f"digest: {digest}")
    ]


def test_values_that_name_no_image_where_one_is_wanted_end_the_release() -> None:
    with pytest.raises(ReleaseError, match="names the image operator 0 times"):
        charts.with_digests("image: {}\n", {"operator": "registry.example/operator@sha256:0"})
