"""A real cluster: kind's, made here, or a ready one that was named on purpose."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from testbed import engine
from testbed.engine import client, docker
from testbed.kubectl import Kubectl
from testbed.node import node_image
from testbed.say import MissingError, step, working
from testbed.shell import CACHE, locked, pipe, run, works
from testbed.tools import find

KIND_CONFIG: Final = "kind: Cluster\napiVersion: kind.x-k8s.io/v1alpha4\n"
READY_SECONDS: Final = 180


@dataclass(frozen=True)
class Cluster:
    """A cluster that answers. `node` is the container that is its node, empty for a ready cluster that was given."""

    name: str
    kubeconfig: Path
    node: str = ""
    registry: str = ""

    @property
    def kubectl(self) -> Kubectl:
        """kubectl as its administrator."""
        return Kubectl(self.kubeconfig)

    def helm(self, *argv: str | Path) -> str:
        """Run helm against it."""
        return run(find("helm"), f"--kubeconfig={self.kubeconfig}", *argv)

    def load(self, references: Iterable[str]) -> list[str]:
        """Have images in the cluster; those that are there already are not sent. Returns their names there."""
        wanted = list(dict.fromkeys(references))
        if not self.node:
            return [self._push(reference) for reference in wanted]
        here = set(docker("exec", self.node, "ctr", "--namespace=k8s.io", "images", "ls", "--quiet").split())
        if absent := [reference for reference in wanted if reference not in here]:
            names = ", ".join(reference.rpartition("/")[2].partition(":")[0] for reference in absent)
            with working(f"loading images into the cluster ({names})"):
                # One stream for all: layers that images share travel once.
                ctr = ["ctr", "--namespace=k8s.io", "images", "import", "--snapshotter=overlayfs", "-"]
                pipe(
                    [client(), "save", *absent],
                    [client(), "exec", "--interactive", "--privileged", self.node, *ctr],
                )
        return wanted

    def _push(self, reference: str) -> str:
        target = f"{self.registry}/{reference.partition('/')[2]}"
        docker("tag", reference, target)
        docker("push", "--quiet", target)
        return target

    def tag(self, reference: str, target: str) -> None:
        """Have an image that it runs under one more name."""
        if self.node:
            docker("exec", self.node, "ctr", "--namespace=k8s.io", "images", "tag", "--force", reference, target)
        else:
            docker("tag", reference, target)
            docker("push", "--quiet", target)

    def apply(self, manifest: Path, **images: str) -> None:
        """Apply a manifest of `testbed/manifests` with its images named."""
        text = manifest.read_text()
        for name, reference in images.items():
            text = text.replace(f"IMAGE_{name.upper()}", reference)
        self.kubectl("apply", "--server-side", "--force-conflicts", "--filename=-", stdin=text)

    @classmethod
    def given(cls) -> Self | None:
        """The ready cluster that the environment names on purpose: `USE_CLUSTER=yes` and `KUBECONFIG`."""
        if os.environ.get("USE_CLUSTER") != "yes":
            return None
        path = os.environ.get("KUBECONFIG", "")
        registry = os.environ.get("REGISTRY", "")
        if not path:
            raise MissingError("USE_CLUSTER=yes needs KUBECONFIG: name the file of the cluster that may be used.")
        kubeconfig = Path(path).resolve()
        context = run(find("kubectl"), f"--kubeconfig={kubeconfig}", "config", "current-context").strip()
        node = f"{context.removeprefix('kind-')}-control-plane"
        if context.startswith("kind-") and works(client(), "inspect", node):
            return cls(context, kubeconfig, node=node)
        if not registry:
            raise MissingError(
                f"REGISTRY is not set: name one that the cluster {context} pulls from, e.g. REGISTRY=ghcr.io/you."
            )
        return cls(context, kubeconfig, registry=registry)


def kubeconfig_of(name: str) -> Path:
    """Where the kubeconfig of our cluster is: never the user's own file."""
    return CACHE / "clusters" / f"{name}.kubeconfig"


def up(name: str) -> Cluster:
    """Have a cluster of this name. One that no longer answers, say after the engine was restarted, is made anew."""
    engine.ensure()
    if given := Cluster.given():
        step(f"using the cluster {given.name} of {given.kubeconfig}")
        return given
    cluster = Cluster(name, kubeconfig_of(name), node=f"{name}-control-plane")
    with locked(cluster.kubeconfig):
        if name in _existing():
            if _answers(cluster):
                return cluster
            step(f"cluster {name} no longer answers: making it anew")
            down(name)
        _create(cluster, node_image())
    return cluster


def down(name: str) -> None:
    """Delete a cluster that was made here."""
    if engine.answers() and name in _existing():
        with working(f"deleting cluster {name}"):
            _kind("delete", "cluster", f"--name={name}")
    kubeconfig_of(name).unlink(missing_ok=True)


def _create(cluster: Cluster, image: str) -> None:
    cluster.kubeconfig.parent.mkdir(parents=True, exist_ok=True)
    config = cluster.kubeconfig.with_suffix(".kind.yaml")
    config.write_text(KIND_CONFIG)
    with working(f"creating cluster {cluster.name} from {image}"):
        _kind(
            "create", "cluster", f"--name={cluster.name}", f"--image={image}", f"--config={config}",
            f"--kubeconfig={cluster.kubeconfig}", f"--wait={READY_SECONDS}s",
        )  # fmt: skip
    # One node has one resolver's worth of questions; on two cores the second one's CPU is a model's.
    cluster.kubectl.within("kube-system")("scale", "deployment/coredns", "--replicas=1")


def _answers(cluster: Cluster) -> bool:
    wait = ["wait", "--for=condition=Ready", "--all", "nodes", "--timeout=10s"]
    return works(find("kubectl"), f"--kubeconfig={cluster.kubeconfig}", "--request-timeout=10s", *wait)


def _existing() -> list[str]:
    return _kind("get", "clusters").split()


def _kind(*argv: str) -> str:
    # kind calls the first `docker` on PATH, which must be the engine's own.
    path = f"{Path(client()).parent}:{os.environ['PATH']}"
    return run(find("kind"), *argv, env={"PATH": path})
