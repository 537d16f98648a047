"""Argo CD's core as a program, an image and an installation: controller, repository server, Redis, and a git server."""

import json
import shutil
import tempfile
from pathlib import Path
from typing import Final

from testbed.cluster import Cluster
from testbed.fingerprint import fingerprint
from testbed.images import Image, build, debian_packages, exists, import_debian
from testbed.say import working
from testbed.shell import ROOT
from testbed.tools import Recipe, ensure

NAMESPACE: Final = "argocd"
RULE: Final = ROOT / "gitops" / "argocd" / "health.lua"
RULE_KEY: Final = "resource.customizations.health.serving.slipway.dev_ModelDeployment"
VERSION: Final = "3.1.8"  # newer ones ask for a newer Go than that of the other programs
_MODULE: Final = "github.com/argoproj/argo-cd/v3"
_FOLDER: Final = Path(__file__).parent
_UPSTREAM_IMAGES: Final = (f"quay.io/argoproj/argocd:v{VERSION}", "public.ecr.aws/docker/library/redis:7.2.7-alpine")
_WORKLOADS: Final = (
    "deployment/argocd-redis",
    "deployment/argocd-repo-server",
    "statefulset/argocd-application-controller",
    "deployment/git",
)

# Not among the recipes of every testbed: it takes minutes to build, and one story alone needs it.
RECIPE: Final = Recipe(
    "argocd",
    ("argocd",),
    f"{_MODULE}/cmd",
    f"v{VERSION}",
    go_mod=(_FOLDER / "go.mod").read_text(),
    ldflags=f"-s -w -X {_MODULE}/common.version={VERSION}",
    assets="manifests",
)


def program() -> Path:
    """Controller, repository server and command line in one program, built first where it is absent."""
    ensure(RECIPE)
    return RECIPE.folder / "bin" / "argocd"


def image() -> str:
    """The reference of the image that all of it runs in, built first where it is absent."""
    source = program()

    def assemble(folder: Path) -> None:
        shutil.copy(source, folder)

    return build(Image("argocd", (RECIPE.folder.name,), assemble), _base())


def install(cluster: Cluster) -> None:
    """Install or upgrade it, with the project's health rule, and wait until it runs."""
    (reference,) = cluster.load([image()])
    kubectl = cluster.kubectl.within(NAMESPACE)
    with working("installing Argo CD"):
        cluster.kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
        # The CRD of ApplicationSets is too big for an apply by the client.
        kubectl("apply", "--server-side", "--force-conflicts", "--filename=-", stdin=_manifests(cluster, reference))
        kubectl.until_established("crd/appprojects.argoproj.io")
        cluster.apply(_FOLDER / "install" / "project.yaml")
        for workload in _WORKLOADS:
            kubectl("rollout", "status", workload, "--timeout=180s")


def _manifests(cluster: Cluster, reference: str) -> str:
    """Argo CD's manifests as `install/kustomization.yaml` changes them."""
    rule = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "argocd-cm"},
        "data": {RULE_KEY: RULE.read_text()},
    }
    with tempfile.TemporaryDirectory() as folder:
        where = Path(folder) / "install"
        shutil.copytree(_FOLDER / "install", where)
        shutil.copy(RECIPE.folder / "share" / "core-install.yaml", where)
        (where / "rule.yaml").write_text(json.dumps(rule))
        text = cluster.kubectl("kustomize", where).replace("RULE_FINGERPRINT", fingerprint(RULE))
    for upstream in (*_UPSTREAM_IMAGES, "IMAGE_ARGOCD"):
        text = text.replace(upstream, reference)
    return text


def _base() -> str:
    """Debian with the programs that Argo CD calls."""
    packages = debian_packages("argocd")
    reference = f"slipway.dev/argocd-base:{fingerprint(packages)}"
    if not exists(reference):
        with working("building the base of Argo CD's image from Debian packages"):
            import_debian(reference, "--variant=minbase", f"--include={packages}")
    return reference
