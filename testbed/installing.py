"""Slipway in a cluster, with what demo and tests need beside it: an S3 server."""

from dataclasses import dataclass
from typing import Final

from testbed import images
from testbed.cluster import Cluster
from testbed.say import working
from testbed.shell import ROOT

NAMESPACE: Final = "slipway-system"
CLIENTS: Final = "slipway-client"
"""Those who ask models in demo and stories are in this namespace, which the installation lets in."""
CHARTS: Final = ROOT / "charts"
MANIFESTS: Final = ROOT / "testbed" / "manifests"
WAIT: Final = "--timeout=180s"


@dataclass(frozen=True)
class Installation:
    """What was installed, by the images that it runs."""

    operator: str
    fetcher: str
    server: str


def install(cluster: Cluster) -> Installation:
    """Install or upgrade everything and wait until it runs."""
    built = images.build_all()
    there = dict(zip(built, cluster.load(built.values()), strict=True))
    installed = Installation(there["operator"], there["fetcher"], there["triton-cpu"])
    cluster.apply(MANIFESTS / "store.yaml", store=there["store"])
    with working("installing Slipway by its charts"):
        install_charts(cluster, installed)
    with working("waiting for the S3 server"):
        cluster.kubectl.within("slipway-storage")("rollout", "status", "deployment/s3", WAIT)
    return installed


def install_charts(cluster: Cluster, installed: Installation, *settings: str) -> None:
    """Install or upgrade both charts with these images; `settings` are more of helm's `--set` values."""
    values = [
        *image_values("image", installed.operator),
        *image_values("fetcher.image", installed.fetcher),
        *image_values("server.image", installed.server),
        "server.leastVersion=2.51.0",
        rf"models.allowFrom[0].namespaceSelector.matchLabels.kubernetes\.io/metadata\.name={CLIENTS}",
        *settings,
    ]
    common = ["upgrade", "--install", "--create-namespace", f"--namespace={NAMESPACE}", "--wait", WAIT]
    cluster.helm(*common, "slipway-crds", CHARTS / "slipway-crds")
    cluster.helm(*common, "slipway", CHARTS / "slipway", *(f"--set-string={value}" for value in values))


def image_values(prefix: str, reference: str) -> list[str]:
    """The values of an image, by NAME=VALUE."""
    repository, _, tag = reference.rpartition(":")
    return [f"{prefix}.repository={repository}", f"{prefix}.tag={tag}"]
