"""Objects as an API server stores them."""

from typing import Any

from slipway.controller.kinds import Key, Kind
from slipway.core.names import MODEL_DEPLOYMENT as OWNER_LABEL

CHURN = Key("shop", "churn")


def an_object(kind: Kind, name: str, version: int, *, uid: str = "", owner: str | None = "churn", **rest: Any) -> Any:
    meta: dict[str, Any] = {
        "name": name,
        "namespace": "shop",
        "uid": uid or f"uid-{name}",
        "resourceVersion": str(version),
    }
    meta |= {"creationTimestamp": "2026-01-01T00:00:00Z", "labels": {OWNER_LABEL: owner} if owner else {}}
    if not kind.namespaced:
        del meta["namespace"]
    return {"apiVersion": kind.api_version, "kind": kind.name, "metadata": meta, **rest}


def controlled(manifest: Any, *, name: str = "churn", uid: str = "uid-churn", kind: str = "ModelDeployment") -> Any:
    group = "serving.slipway.dev/v1alpha1" if kind == "ModelDeployment" else "apps/v1"
    reference = {"apiVersion": group, "kind": kind, "name": name, "uid": uid, "controller": True}
    return manifest | {"metadata": manifest["metadata"] | {"ownerReferences": [reference]}}
