"""A manifest as it is applied: in its namespace, owned, and marked with a hash of what it asks for."""

import hashlib

import orjson

from slipway.core.children.scaled_object import SCALED_OBJECT
from slipway.core.names import APPLIED, Manifest
from slipway.core.owner import Owner


def applied_hash(manifest: Manifest) -> str:
    """Names what a manifest asks for. `finished` does not change it: whose and where it is says nothing of that."""
    bare = {k: v for k, v in manifest["metadata"].items() if k not in ("namespace", "ownerReferences")}
    annotations = {k: v for k, v in (bare.pop("annotations", None) or {}).items() if k != APPLIED}
    if annotations:
        bare["annotations"] = annotations
    text = orjson.dumps({**manifest, "metadata": bare}, option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(text).hexdigest()[:16]


def finished(manifest: Manifest, *, owner: Owner, api_version: str, kind: str) -> Manifest:
    """The manifest as it is applied: in its namespace, owned, and marked with its hash. `kind` is the owner's. Nobody
    waits for a ScaledObject to go: where KEDA is gone, nobody takes its finalizer off."""
    meta = manifest["metadata"]
    reference = owner.reference(api_version, kind, awaited=manifest["kind"] != SCALED_OBJECT)
    return {
        **manifest,
        "metadata": {
            **meta,
            "namespace": owner.namespace,
            "ownerReferences": [reference, *(meta.get("ownerReferences") or ())],
            "annotations": {**(meta.get("annotations") or {}), APPLIED: applied_hash(manifest)},
        },
    }
