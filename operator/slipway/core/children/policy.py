"""Envoy Gateway's policies of a ModelDeployment: what both kinds have in common.

A policy is for the HTTPRoute of the same name, and so for HTTP and gRPC alike. Where a Gateway has one of that kind for
all its routes, the route's own takes its place.
"""

from typing import Final

from slipway.core.children.route import ROUTE
from slipway.core.names import Manifest, labels
from slipway.core.owner import Owner

GROUP_VERSION: Final = "gateway.envoyproxy.io/v1alpha1"


def policy(kind: str, *, owner: Owner, spec: Manifest) -> Manifest:
    """A policy of that kind for the route."""
    target = {"group": "gateway.networking.k8s.io", "kind": ROUTE, "name": owner.name}
    return {
        "apiVersion": GROUP_VERSION,
        "kind": kind,
        "metadata": {"name": owner.name, "labels": labels(owner.name, component="server")},
        "spec": {"targetRefs": [target], **spec},
    }
