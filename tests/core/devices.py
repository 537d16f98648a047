"""Devices as resource.k8s.io/v1 tells of them: each builder takes what a test is about and fills in the rest."""

from typing import Any

from slipway.core.names import Manifest
from slipway.core.observed.devices import ClaimFacts, Devices, SliceFacts, claim_facts, class_facts, slice_facts

DRIVER = "gpu.nvidia.com"
H100 = "NVIDIA H100 80GB HBM3"
TAINT = {"key": "gpu.nvidia.com/xid", "value": "48", "effect": "NoSchedule"}


def device(name: str, product: str | None = H100, **more: Any) -> Manifest:
    attributes = {"productName": {"string": product}} if product else {}
    return {"name": name, "attributes": attributes, **more}


def resource_slice(
    *devices: Manifest, node: str = "node-1", driver: str = DRIVER, generation: int = 1, of: int = 1
) -> Manifest:
    pool = {"name": node, "generation": generation, "resourceSliceCount": of}
    spec = {"driver": driver, "pool": pool, "nodeName": node, "devices": list(devices)}
    return {"metadata": {"name": f"{node}-{driver}"}, "spec": spec}


def claim(
    pod: str, *devices: str, node: str = "node-1", driver: str = DRIVER, model: str = "churn", **result: Any
) -> Manifest:
    """The claim that was made for a pod, with its devices of a node."""
    results = [{"request": "accelerator", "driver": driver, "pool": node, "device": name, **result} for name in devices]
    owner = {"apiVersion": "v1", "kind": "Pod", "name": pod, "uid": f"uid-{pod}", "controller": True}
    meta = {
        "name": f"{pod}-accelerator",
        "namespace": "shop",
        "labels": {"serving.slipway.dev/model-deployment": model},
        "ownerReferences": [owner],
    }
    return {"metadata": meta, "status": {"allocation": {"devices": {"results": results}}}}


def device_class(name: str = DRIVER, expression: str = f"device.driver == '{DRIVER}'") -> Manifest:
    return {"metadata": {"name": name}, "spec": {"selectors": [{"cel": {"expression": expression}}]}}


def devices(*manifests: Manifest) -> Devices:
    """What the core keeps of slices, claims and classes."""
    slices: dict[str, SliceFacts] = {}
    claims: dict[tuple[str, str], ClaimFacts] = {}
    classes = {DRIVER: class_facts(device_class())}
    for place, each in enumerate(manifests):
        meta = each["metadata"]
        if "status" in each:
            claims[meta["namespace"], meta["name"]] = claim_facts(each)
        elif "selectors" in each["spec"]:
            classes[meta["name"]] = class_facts(each)
        else:
            slices[f"{place}-{meta['name']}"] = slice_facts(each)
    return Devices(slices=slices, claims=claims, classes=classes)
