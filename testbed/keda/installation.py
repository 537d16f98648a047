"""KEDA as its own manifests install it: operator and metrics server, both from its Go module, without its webhooks.

It is no part of `make test`: it links the clients of some sixty services, which takes longer to build than all the
other programs together.
"""

import re
import shutil
import tempfile
from pathlib import Path
from typing import Final

from testbed import images
from testbed.cluster import Cluster
from testbed.images import Image
from testbed.keda.crds import MODULE, VERSION
from testbed.say import working
from testbed.tools import Recipe, ensure

NAMESPACE: Final = "keda"
OPERATOR: Final = "deployment/keda-operator"
METRICS_SERVER: Final = "deployment/keda-metrics-apiserver"
METRICS_API: Final = "apiservice/v1beta1.external.metrics.k8s.io"
CRD: Final = "crd/scaledobjects.keda.sh"
_STAMP: Final = f"-s -w -X {MODULE}/version.Version={VERSION.removeprefix('v')}"
_UPSTREAM_IMAGES: Final = ("ghcr.io/kedacore/keda-metrics-apiserver:main", "ghcr.io/kedacore/keda:main")
_FOLDER: Final = Path(__file__).parent
_API: Final = re.compile(r"^kind: APIService$", re.MULTILINE)
_WAIT: Final = "--timeout=300s"

RECIPES: Final = (
    Recipe("keda", ("keda",), f"{MODULE}/cmd/operator", VERSION, ldflags=_STAMP, assets="config"),
    Recipe("keda-adapter", ("keda-adapter",), f"{MODULE}/cmd/adapter", VERSION, ldflags=_STAMP),
)


def image() -> str:
    """The reference of the image with both programs, built first where it is absent."""
    for recipe in RECIPES:
        ensure(recipe)

    def assemble(folder: Path) -> None:
        for recipe in RECIPES:
            shutil.copy(recipe.folder / "bin" / recipe.name, folder)
        (folder / "tmp").mkdir()

    return images.build(Image("keda", tuple(recipe.folder.name for recipe in RECIPES), assemble), images.base_image())


def install(cluster: Cluster) -> None:
    """Install or upgrade it, and wait until Kubernetes' autoscalers can ask it."""
    (reference,) = cluster.load([image()])
    kubectl, apply = cluster.kubectl.within(NAMESPACE), ("apply", "--server-side", "--force-conflicts", "--filename=-")
    programs, metrics_api = apart(_manifests(cluster, reference))
    with working("installing KEDA"):
        # The CRD of ScaledJobs is too big for an apply by the client.
        cluster.kubectl(*apply, stdin=programs)
        for workload in (OPERATOR, METRICS_SERVER):
            kubectl("rollout", "status", workload, _WAIT)
        cluster.kubectl(*apply, stdin=metrics_api)
        cluster.kubectl("wait", "--for=condition=Available", METRICS_API, _WAIT)


def apart(manifests: str) -> tuple[str, str]:
    """All but the APIService, and that: it is applied once its server is Ready, for the reason in
    testbed/manifests/metrics-api.yaml."""
    documents = manifests.split("\n---\n")
    apis = [document for document in documents if _API.search(document)]
    return "\n---\n".join(each for each in documents if each not in apis), "\n---\n".join(apis)


def _manifests(cluster: Cluster, reference: str) -> str:
    """KEDA's own `config/minimal`, as kustomization.yaml changes it."""
    with tempfile.TemporaryDirectory() as folder:
        where = Path(folder)
        shutil.copytree(RECIPES[0].folder / "share", where / "config")
        (where / "install").mkdir()
        shutil.copy(_FOLDER / "kustomization.yaml", where / "install")
        text = cluster.kubectl("kustomize", where / "install")
    for upstream in _UPSTREAM_IMAGES:
        text = text.replace(upstream, reference)
    return text
