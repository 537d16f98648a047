"""Small, whole inputs for tests of the core: each takes the fields that a test is about and fills in the rest."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from slipway.api.v1alpha1 import ModelDeploymentSpec
from slipway.core.children.resolved import Resolved
from slipway.core.observed.pods import PodFacts
from slipway.core.observed.revision import RevisionFacts
from slipway.core.owner import Owner
from slipway.core.platform import Platform
from slipway.core.policy import Policy

DIGEST = "sha256:" + "ab" * 32
NOON: Final = datetime(2026, 1, 5, 12, tzinfo=UTC)
POLICY: Final = Policy(fetch_timeout=timedelta(hours=1), progress_deadline=timedelta(minutes=10))


def md_spec(**overrides: Any) -> ModelDeploymentSpec:
    """A spec as a user writes it; `overrides` are merged into it, dicts field by field, and None takes a field out."""
    least = {"model": {"version": "3", "source": {"uri": "s3://models/churn/3"}}}
    return ModelDeploymentSpec.model_validate(_merged(least, overrides))


def resolved(**overrides: Any) -> Resolved:
    """A small verified bundle of one ONNX model, with two golden requests."""
    found = {
        "digest": DIGEST,
        "unverified": False,
        "size": 10_000_000,
        "files": 4,
        "golden": 2,
        "model": {
            "backend": "onnxruntime",
            "maxBatchSize": 8,
            "instances": 1,
            "inputs": [["x", "FP32", [1]]],
            "outputs": [["y", "FP32", [1]]],
        },
    }
    return Resolved.parse(_merged(found, overrides))


def owner(**overrides: Any) -> Owner:
    """The ModelDeployment `churn` in `shop`."""
    return Owner(**{"namespace": "shop", "name": "churn", "uid": "11111111-2222-3333-4444-555555555555"} | overrides)


def platform(**overrides: Any) -> Platform:
    """An installation with images named after what they are."""
    return Platform(
        **{"version": "0.1.0", "fetcher_image": "slipway-fetcher:test", "server_image": "slipway-triton-cpu:test"}
        | overrides
    )


def revision_facts(*pods: PodFacts, **of: Any) -> RevisionFacts:
    """Version 3, of which one pod is wanted."""
    return RevisionFacts(revision="aaaa1111", version="3", wanted=1, pods=pods, **of)


def _merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    found = dict(base)
    for key, value in over.items():
        if value is None:
            found.pop(key, None)
        elif isinstance(value, dict) and isinstance(base.get(key), dict):
            found[key] = _merged(base[key], value)
        else:
            found[key] = value
    return found
