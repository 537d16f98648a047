"""A release in a registry, installed from there: what runs is what was signed, by digest, operator and model alike."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e import bundles
from e2e.space import Manifest, Space
from testbed import installing
from testbed.engine import client, docker
from testbed.installing import NAMESPACE, WAIT
from testbed.operating import until
from testbed.release import layouts
from testbed.release.programs import program
from testbed.release.publish import Release, Released
from testbed.release.registry import Registry
from testbed.release.signing import Key
from testbed.shell import run, works
from testbed.tools import find
from tests.fetch import registries

pytestmark = pytest.mark.alone
IN_NODE = "/var/lib/release-registry"


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[registries.Registry]:
    """On loopback of this machine."""
    folder = tmp_path / "registry"
    folder.mkdir()
    with registries.running(folder) as running:
        yield running


@pytest.fixture
def installed_as_before(space: Space) -> Iterator[None]:
    """Other stories go on with what the working tree has."""
    yield
    installing.install(space.cluster)


def test_what_is_installed_from_a_registry_is_what_was_signed(
    space: Space,
    registry: registries.Registry,
    installed_as_before: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # given: the project's images and charts, released to a registry that the node reaches
    released = _release(registry, tmp_path, monkeypatch)
    operator, fetcher, server, console, crds, chart = (each.reference for each in released)
    with_node = _Mirror(space.cluster.node, registry)
    with_node.start()
    try:
        # when: both charts are installed from there, with no value that names an image
        _install(space, "slipway-crds", crds)
        settings = ("--set-string=server.leastVersion=2.51.0", "--set=console.enabled=true")
        _install(space, "slipway", chart, "--reset-values", *settings)
        space.apply("line", space.upload("1", bundles.linear()))
        space.until_ready("line")
        model = space.pod("line")

        # then: each container has the image of that digest, of which a node runs every byte or nothing
        assert {image for pod in _running(space) for image in _images(pod)} == {operator, console}
        assert set(_images(model, "initContainers")) == {fetcher}
        assert set(_images(model)) == {server}

        # when: the same release is installed without helm, in the place of helm's
        space.cluster.helm("uninstall", "slipway", "--wait", f"--namespace={NAMESPACE}")
        manifests = [f"--filename={tmp_path}/dist/{name}.yaml" for name in ("slipway-crds", "slipway")]
        space.cluster.kubectl("apply", "--server-side", "--force-conflicts", *manifests)
        space.cluster.kubectl.within(NAMESPACE)("rollout", "status", "deployment/slipway", WAIT)

        # then: the operator goes on with the models that are there
        assert {image for pod in _running(space) for image in _images(pod)} == {operator}
        space.kubectl("patch", "modeldeployment/line", "--type=merge", '--patch={"spec": {"replicas": 2}}')
        space.until("the model has two pods", lambda: space.model("line")["status"]["ready"] == "2/2")
        assert model["metadata"]["uid"] in {pod["metadata"]["uid"] for pod in space.pods("line")}
        space.cluster.kubectl("delete", manifests[1])
    finally:
        with_node.stop()


def _running(space: Space) -> list[Manifest]:
    there = space.api.list("pods", NAMESPACE, "app.kubernetes.io/name in (slipway,slipway-console)")
    return [pod for pod in there if "deletionTimestamp" not in pod["metadata"]]


def _release(registry: registries.Registry, folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[Released]:
    monkeypatch.setenv("COSIGN_PASSWORD", "of-stories")
    run(program("cosign"), "generate-key-pair", f"--output-key-prefix={folder}/pair")
    dist = folder / "dist"
    dist.mkdir()
    key = Key.given(f"{folder}/pair.key", dist / "cosign.pub")
    return Release(Registry.named(f"{registry.host}/slipway"), key, dist).publish(layouts.all_layouts())


class _Mirror:
    """The same registry at the same address inside the node: this machine's loopback is not the node's."""

    def __init__(self, node: str, registry: registries.Registry) -> None:
        self._node, self._registry = node, registry

    def start(self) -> None:
        """Copy it there and start it."""
        configuration = self._registry.data.parent / "config.yml"
        text = configuration.read_text().replace(str(self._registry.data), f"{IN_NODE}/data")
        inside = configuration.with_name("in-node.yml")
        inside.write_text(text)
        docker("exec", self._node, "mkdir", "-p", IN_NODE)
        for path, name in ((find("registry"), "registry"), (inside, "config.yml"), (self._registry.data, "data")):
            docker("cp", path, f"{self._node}:{IN_NODE}/{name}")
        serve = f"echo $$ > {IN_NODE}/pid; exec {IN_NODE}/registry serve {IN_NODE}/config.yml"
        docker("exec", "--detach", "--env=OTEL_TRACES_EXPORTER=none", self._node, "sh", "-c", serve)
        host, _, port = self._registry.host.rpartition(":")
        listens = [client(), "exec", self._node, "bash", "-c", f": < /dev/tcp/{host}/{port}"]
        until("the registry listens in the node", lambda: works(*listens), 20)

    def stop(self) -> None:
        """End it, and take its files away."""
        docker("exec", self._node, "sh", "-c", f"kill $(cat {IN_NODE}/pid); rm -r {IN_NODE}")


def _install(space: Space, release: str, chart: str, *settings: str) -> None:
    space.cluster.helm(
        "upgrade", "--install", "--wait", WAIT, "--plain-http", f"--namespace={NAMESPACE}", *settings,
        release, f"oci://{chart}",
    )  # fmt: skip


def _images(pod: Manifest, kind: str = "containers") -> list[str]:
    return [container["image"] for container in pod["spec"][kind]]
