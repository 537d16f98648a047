"""Resource metrics in a cluster, for HorizontalPodAutoscalers that scale on CPU: Kubernetes' own metrics-server."""

from typing import Final

from testbed import images
from testbed.cluster import Cluster
from testbed.installing import MANIFESTS, WAIT
from testbed.say import working

API: Final = "apiservice/v1beta1.metrics.k8s.io"


def install(cluster: Cluster) -> None:
    """Have them answer. A ready cluster that was given may have its own."""
    if cluster.node or not cluster.kubectl("get", API, "--ignore-not-found"):
        (reference,) = cluster.load([images.build(images.program_image("metrics-server"), images.base_image())])
        cluster.apply(MANIFESTS / "metrics-server.yaml", metrics_server=reference)
        with working("waiting for resource metrics"):
            cluster.kubectl.within("kube-system")("rollout", "status", "deployment/metrics-server", WAIT)
            cluster.apply(MANIFESTS / "metrics-api.yaml")
    cluster.kubectl("wait", "--for=condition=Available", API, WAIT)
