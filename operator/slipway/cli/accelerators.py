"""Accelerators that a pod holds: extended resources of its containers, and devices by class.

What came of a claim, its name does not say. The operator reads claims, and status lists what they were given.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any, Final

from slipway.core.body import mappings, within

CLAIMS: Final = "resource claims"
"""Of devices that nobody has listed: they are not allocated yet, or status could not be read."""


def claims_devices(pod: Mapping[str, Any]) -> bool:
    """Whether a pod has devices by class."""
    return bool(mappings(within(pod, "spec").get("resourceClaims")))


def devices_of(status: Mapping[str, Any]) -> Mapping[str, Mapping[str, int]]:
    """How many devices of each kind every pod was given, by the pod's name, as a ModelDeployment's status lists it."""
    by_pod: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for revision in mappings(status.get("revisions")):
        for device in mappings(revision.get("devices")):
            by_pod[str(device.get("pod"))][_kind(device)] += 1
    return by_pod


def held(pod: Mapping[str, Any], devices: Mapping[str, Mapping[str, int]]) -> dict[str, str]:
    """What a pod holds: how many by kind. Of claims nobody knows how many where `devices` has none of them."""
    counts: dict[str, str] = {}
    for container in mappings(within(pod, "spec").get("containers")):
        limits = within(container, "resources", "limits")
        counts |= {name: str(count) for name, count in limits.items() if "/" in name}
    if claims_devices(pod):
        given = devices.get(str(within(pod, "metadata").get("name")))
        counts |= {kind: str(count) for kind, count in given.items()} if given else {CLAIMS: ""}
    return counts


def _kind(device: Mapping[str, Any]) -> str:
    """Its product, as its driver calls it; else the driver's name."""
    name, profile = device.get("product") or device.get("driver"), device.get("profile")
    return " ".join(str(part) for part in (name, profile, "shared" if device.get("shared") else "") if part)
