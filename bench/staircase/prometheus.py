"""Prometheus and prometheus-adapter in a cluster: what HorizontalPodAutoscalers read Triton's metrics by.

Both are the real programs: Debian's Prometheus, and the adapter of its Go module. The two metrics are those that are
handed around for Triton: queue time over compute time (NVIDIA's recipe for Kubernetes), and the queue time of a request
(the chart in Triton's repository, `avg_time_queue_us`).
"""

import shutil
from pathlib import Path
from typing import Final

from testbed import images, prometheus, resource_metrics
from testbed.cluster import Cluster
from testbed.installing import WAIT
from testbed.say import working
from testbed.tools import Recipe, ensure

QUEUE_BY_COMPUTE: Final = "queue_compute_ratio"
QUEUE_US: Final = "avg_time_queue_us"
NAMESPACE: Final = "slipway-bench-metrics"
API: Final = "apiservice/v1beta1.custom.metrics.k8s.io"
FOLDER: Final = Path(__file__).parent / "metrics"
MANIFEST: Final = FOLDER / "metrics.yaml"
ADAPTER: Final = Recipe(
    "prometheus-adapter", ("prometheus-adapter",), "sigs.k8s.io/prometheus-adapter/cmd/adapter", "v0.12.0"
)


def install(cluster: Cluster) -> None:
    """Have both run, and the API that HPAs ask."""
    ensure(ADAPTER)
    programs = {
        "prometheus": prometheus.find("prometheus"),
        "prometheus-adapter": ADAPTER.folder / "bin" / "prometheus-adapter",
    }
    base = images.base_image()
    built = {name: images.build(_image(name, path), base) for name, path in programs.items()}
    there = dict(zip(built, cluster.load(built.values()), strict=True))
    cluster.apply(MANIFEST, prometheus=there["prometheus"], adapter=there["prometheus-adapter"])
    with working("waiting for Prometheus and its adapter"):
        kubectl = cluster.kubectl.within(NAMESPACE)
        for name in programs:
            kubectl("rollout", "status", f"deployment/{name}", WAIT)
        cluster.apply(FOLDER / "metrics-api.yaml")
        for api in (resource_metrics.API, API):
            cluster.kubectl("wait", "--for=condition=Available", api, WAIT)


def _image(name: str, program: Path) -> images.Image:
    def assemble(folder: Path) -> None:
        shutil.copy(program, folder / "program")

    return images.Image(name, (str(program),), assemble, folder=str(FOLDER.resolve()))
