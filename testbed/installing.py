"""Slipway in a cluster, with what demo and tests need beside it: an S3 server and resource metrics."""

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
METRICS_API: Final = "apiservice/v1beta1.metrics.k8s.io"


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
    own_metrics = _needs_metrics(cluster)
    cluster.apply(MANIFESTS / "store.yaml", store=there["store"])
    if own_metrics:
        cluster.apply(MANIFESTS / "metrics-server.yaml", metrics_server=there["metrics-server"])
    with working("installing Slipway by its charts"):
        install_charts(cluster, installed)
    with working("waiting for the S3 server and metrics"):
        cluster.kubectl.within("slipway-storage")("rollout", "status", "deployment/s3", WAIT)
        if own_metrics:
            cluster.kubectl.within("kube-system")("rollout", "status", "deployment/metrics-server", WAIT)
            cluster.apply(MANIFESTS / "metrics-api.yaml")
        cluster.kubectl("wait", "--for=condition=Available", METRICS_API, WAIT)
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


def _needs_metrics(cluster: Cluster) -> bool:
    """Whether resource metrics are ours to bring: a ready cluster may have them."""
    return bool(cluster.node) or not cluster.kubectl("get", METRICS_API, "--ignore-not-found")


def image_values(prefix: str, reference: str) -> list[str]:
    """The values of an image, by NAME=VALUE."""
    repository, _, tag = reference.rpartition(":")
    return [f"{prefix}.repository={repository}", f"{prefix}.tag={tag}"]
