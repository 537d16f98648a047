"""Small whole objects for an API server that nothing else acts on."""

from typing import Any

from slipway.core.names import MODEL_DEPLOYMENT


def a_config(namespace: str, name: str = "c", **data: str) -> dict[str, Any]:
    meta = {"name": name, "namespace": namespace, "labels": {MODEL_DEPLOYMENT: "churn"}}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data}


def a_deployment(namespace: str) -> dict[str, Any]:
    labels = {"app": "d"}
    pod = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "i:1"}]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "d", "namespace": namespace},
        "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": pod},
    }
