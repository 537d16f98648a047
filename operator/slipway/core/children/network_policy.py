"""NetworkPolicy of a ModelDeployment: who may call its pods, once the user says so."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

from slipway.core.names import COMPONENT, GRPC_PORT, HTTP_PORT, METRICS_PORT, MODEL_DEPLOYMENT, Manifest, labels
from slipway.core.owner import Owner
from slipway.core.platform import Platform


def network_policy(*, owner: Owner, allow_from: Sequence[Mapping[str, Any]], platform: Platform) -> Manifest:
    """Ingress only: what a model's pod may reach is the cluster's business. The kubelet's probes always pass, and the
    operator may read counters and ask what an analysis asks."""
    operator = {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": platform.namespace}},
        "podSelector": {"matchLabels": {"app.kubernetes.io/name": "slipway"}},
    }
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": owner.name, "labels": labels(owner.name, component="server")},
        "spec": {
            "podSelector": {"matchLabels": {MODEL_DEPLOYMENT: owner.name, COMPONENT: "server"}},
            "policyTypes": ["Ingress"],
            "ingress": [
                {
                    "from": [deepcopy(dict(peer)) for peer in allow_from],
                    "ports": [{"protocol": "TCP", "port": port} for port in (HTTP_PORT, GRPC_PORT, METRICS_PORT)],
                },
                {
                    "from": [operator],
                    "ports": [{"protocol": "TCP", "port": port} for port in (HTTP_PORT, METRICS_PORT)],
                },
            ],
        },
    }
