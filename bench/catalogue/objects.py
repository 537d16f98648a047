"""What is in the catalogue: models, versions with whole cards, and ModelDeployments that follow some of them."""

import hashlib
from typing import Any, Final

from slipway.api.v1alpha1.catalogue import object_name
from slipway.core.names import Manifest

API: Final = "serving.slipway.dev/v1alpha1"
NAMESPACES: Final = 20
ALIAS: Final = "champion"
FIRST_DIGEST: Final = f"sha256:{'1' * 64}"
"""What a resolve Job of the testbed finds."""
FOLLOWED: Final = 20
"""Models that are followed, one in each namespace."""
FOLLOWERS_OF_EACH: Final = 2


def namespace_of(model: int) -> str:
    """Where a model is; they are spread evenly."""
    return f"bench-{model % NAMESPACES:02d}"


def model_name(model: int) -> str:
    """What a model is called."""
    return f"model-{model:04d}"


def registered_model(model: int, version: str) -> Manifest:
    """A model whose alias means a version."""
    meta = {"name": model_name(model), "namespace": namespace_of(model)}
    spec = {"title": "Measured", "owner": "Team Bench", "aliases": {ALIAS: version}, "sharedWith": ["*"]}
    return {"apiVersion": API, "kind": "RegisteredModel", "metadata": meta, "spec": spec}


def model_version(model: int, version: str) -> Manifest:
    """A published version."""
    name = model_name(model)
    digest = hashlib.sha256(f"{name} {version}".encode()).hexdigest()
    return {
        "apiVersion": API,
        "kind": "ModelVersion",
        "metadata": {"name": object_name(name, version), "namespace": namespace_of(model)},
        "spec": {
            "model": name,
            "version": version,
            "digest": FIRST_DIGEST if version == "1" and model < FOLLOWED else f"sha256:{digest}",
            "sources": [{"uri": f"s3://models/{name}/{version}"}],
            "card": _card(version),
        },
    }


def _card(version: str) -> dict[str, Any]:
    """A card of about 2 KiB."""
    tensors = [{"name": f"feature_{number:02d}", "datatype": "FP32", "shape": [-1, 1]} for number in range(20)]
    metrics = [{"name": f"metric_{number}", "value": "0.9123", "dataset": "holdout-2026-01"} for number in range(8)]
    lineage = {"commit": "4f2a9c1" * 5, "data": f"sha256:{'d' * 64}", "version": str(max(1, int(version) - 1))}
    return {
        "license": "apache-2.0",
        "task": "tabular-classification",
        "backend": "onnxruntime",
        "size": "12Mi",
        "inputs": tensors,
        "outputs": tensors[:2],
        "metrics": metrics,
        "lineage": lineage,
    }


def followers(model: int) -> list[Manifest]:
    """The ModelDeployments that follow a model's alias."""
    name, namespace = model_name(model), namespace_of(model)
    follow = {"model": name, "alias": ALIAS}
    spec = {"model": {"follow": follow, "source": {"uri": f"s3://models/{name}/$(version)"}}, "replicas": 1}
    return [
        {
            "apiVersion": API,
            "kind": "ModelDeployment",
            "metadata": {"name": f"{name}-{number}", "namespace": namespace},
            "spec": spec,
        }
        for number in range(FOLLOWERS_OF_EACH)
    ]
