"""Services: one per revision, and the root one that clients use."""

from slipway.core.names import (
    GRPC_PORT,
    HTTP_PORT,
    LOAD_PORT,
    METRICS_PORT,
    Manifest,
    labels,
    of_revision,
    revision_selector,
    server_selector,
)
from slipway.core.owner import Owner


def revision_service(*, owner: Owner, revision: str) -> Manifest:
    """Reaches one revision's pods, whether they have traffic or not."""
    return _service(of_revision(owner.name, revision), owner=owner, revision=revision)


def with_load_port(service: Manifest) -> Manifest:
    """A revision's Service by which KEDA finds how loaded each pod is: it asks none at a port that a Service has not.
    No revision is made with it, so that those that are there already can be scaled as well."""
    spec = service["spec"]
    port = {"name": "load", "port": LOAD_PORT, "targetPort": LOAD_PORT, "protocol": "TCP"}
    return {**service, "spec": {**spec, "ports": [*spec["ports"], port]}}


def root_service(*, owner: Owner, revision: str | None) -> Manifest:
    """What clients in the cluster use; `revision` has the traffic, or all that have pods share it."""
    return _service(owner.name, owner=owner, revision=revision, marks=labels(owner.name, component="server"))


def root_selector(model_deployment: str, revision: str | None) -> dict[str, str]:
    """What the root Service selects: one revision's pods, or those of all."""
    return revision_selector(model_deployment, revision) if revision else server_selector(model_deployment)


def _service(name: str, *, owner: Owner, revision: str | None, marks: dict[str, str] | None = None) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "labels": marks or labels(owner.name, component="server", revision=revision)},
        "spec": {
            "type": "ClusterIP",
            "selector": root_selector(owner.name, revision),
            "ports": [
                {"name": "http", "port": HTTP_PORT, "targetPort": "http", "protocol": "TCP"},
                {
                    "name": "grpc",
                    "port": GRPC_PORT,
                    "targetPort": "grpc",
                    "protocol": "TCP",
                    "appProtocol": "kubernetes.io/h2c",
                },
                {"name": "metrics", "port": METRICS_PORT, "targetPort": "metrics", "protocol": "TCP"},
            ],
        },
    }
