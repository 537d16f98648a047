"""Where models are loaded: a cluster with Slipway in it, a client, and the models' bundles in the store."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from bench.staircase.models import Model
from bench.staircase.scalers import NAMESPACE, surroundings
from load import pod
from testbed import cluster as clusters
from testbed import demo, installing, resource_metrics
from testbed.cluster import Cluster
from testbed.engine import docker
from testbed.kubectl import Kubectl
from testbed.served import put
from testbed.shell import CommandError

CLUSTER: Final = demo.CLUSTER
BACK_SECONDS: Final = 120


@dataclass(frozen=True)
class Place:
    """A cluster that is ready for loads."""

    cluster: Cluster
    client: Kubectl
    """Its pod sends the requests."""
    uris: Mapping[str, str]
    """The bundles' addresses, by the model's name."""

    @property
    def kubectl(self) -> Kubectl:
        """kubectl in the models' namespace."""
        return self.cluster.kubectl.within(NAMESPACE)


def place(name: str, models: Iterable[Model]) -> Place:
    """Have all of it in the cluster of that name."""
    cluster = clusters.up(name)
    installing.install(cluster)
    resource_metrics.install(cluster)
    _make_room(cluster)
    client = pod.place(cluster, installing.CLIENTS)
    cluster.kubectl.apply(*surroundings())
    return Place(cluster, client, {model.name: _uploaded(cluster, model) for model in models})


def _make_room(cluster: Cluster) -> None:
    """Leave the node's CPU to pods: each asks for 50m while it fetches, and the control plane of a test for a third."""
    if cluster.node:
        lowered = "sed -i 's/cpu: [0-9]*m/cpu: 10m/' /etc/kubernetes/manifests/*.yaml"
        docker("exec", cluster.node, "sh", "-c", lowered)
        deadline = time.monotonic() + BACK_SECONDS
        asked = ("get", "pods", "--selector=tier=control-plane", "--output=jsonpath={..requests.cpu}")
        # Whoever is asked may be starting again just then.
        while {*cluster.kubectl.within("kube-system")(*asked, check=False).split()} != {"10m"}:
            if time.monotonic() > deadline:
                raise CommandError(f"the control plane is not back after {BACK_SECONDS} s")
            time.sleep(1)


def _uploaded(cluster: Cluster, model: Model) -> str:
    return put(cluster.kubectl.within("slipway-storage"), f"staircase/{model.name}", model.bundle())
