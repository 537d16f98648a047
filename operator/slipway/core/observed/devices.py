"""Devices of dynamic resource allocation: what drivers publish, what claims hold, and which class means which driver.

Slices, claims and classes are objects of resource.k8s.io/v1. Drivers write slices, and anybody claims; what is not of
the form that the API gives it counts as absent.
"""

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, NamedTuple

from slipway.core.body import integer, mapping, mappings, within
from slipway.core.names import MODEL_DEPLOYMENT

PRODUCT_ATTRIBUTES: Final = ("productName", "model", "product")
"""Names of the attribute by which drivers call what a device is: NVIDIA's, the example driver's, others'."""
_KEEPS_AWAY: Final = frozenset({"NoSchedule", "NoExecute"})
"""Effects of a taint that no request of ours tolerates."""


class PodId(NamedTuple):
    """What tells a pod from every other, and whose word of it counts."""

    namespace: str
    uid: str


class DeviceName(NamedTuple):
    """What tells a device from every other."""

    driver: str
    pool: str
    device: str


@dataclass(frozen=True, kw_only=True, slots=True)
class DeviceFacts:
    """A device as its driver publishes it."""

    name: str
    product: str | None = None
    profile: str | None = None
    """Of a MIG slice."""
    taints: tuple[str, ...] = ()
    """Those that keep pods away, as `kubectl` writes taints."""
    counters: frozenset[str] = frozenset()
    """Sets of counters that it takes from: devices that take from the same one exclude each other, in part."""
    shareable: bool = False
    """Several claims may have it at a time."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SliceFacts:
    """Some of the devices of a pool."""

    driver: str
    pool: str
    generation: int
    of: int
    """Slices that the pool has in this generation."""
    node: str | None
    """Where its devices are; None: on several nodes, or devices say so one by one."""
    devices: tuple[DeviceFacts, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class ClaimFacts:
    """The devices that a claim holds."""

    namespace: str
    model: str | None
    """Name of the ModelDeployment that its labels name."""
    pod_uid: str | None
    """The pod that it was made for."""
    devices: tuple[DeviceName, ...]
    shares: frozenset[DeviceName] = frozenset()
    """Of these it has a share, beside other claims."""
    looks_on: frozenset[DeviceName] = frozenset()
    """These it has by admin access, and takes from nobody."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ClassFacts:
    """A DeviceClass."""

    driver: str | None
    """Whose devices alone are of it, where its selectors say so plainly."""


@dataclass(frozen=True, kw_only=True)
class Devices:
    """All of the cluster's devices. None stands for what cannot be seen. The mappings may be live."""

    slices: Mapping[str, SliceFacts] | None = field(default_factory=dict)
    """By name."""
    claims: Mapping[tuple[str, str], ClaimFacts] | None = field(default_factory=dict)
    """Those that hold devices, by namespace and name."""
    classes: Mapping[str, ClassFacts] | None = field(default_factory=dict)

    @cached_property
    def _by_pod(self) -> Mapping[PodId, tuple[ClaimFacts, ...]]:
        by_pod: dict[PodId, tuple[ClaimFacts, ...]] = defaultdict(tuple)
        for claim in (self.claims or {}).values():
            if claim.pod_uid:
                by_pod[PodId(claim.namespace, claim.pod_uid)] += (claim,)
        return dict(by_pod)

    def claims_of(self, pod: PodId) -> tuple[ClaimFacts, ...]:
        """The claims that were made for a pod. One of another namespace says so in vain: anybody writes it there."""
        return self._by_pod.get(pod, ())

    def device(self, name: DeviceName) -> DeviceFacts | None:
        """A device as its driver publishes it; None where none does, any more."""
        return self._published.get(name)

    @cached_property
    def _published(self) -> Mapping[DeviceName, DeviceFacts]:
        slices = sorted((self.slices or {}).values(), key=lambda each: each.generation)  # the newest has the last word
        return {DeviceName(each.driver, each.pool, device.name): device for each in slices for device in each.devices}


NO_DEVICES: Final = Devices()
"""None are published, claimed or known by class."""


def slice_facts(manifest: Mapping[str, Any]) -> SliceFacts:
    """Project a live ResourceSlice."""
    spec = mapping(manifest.get("spec"))
    pool = mapping(spec.get("pool"))
    return SliceFacts(
        driver=str(spec.get("driver", "")),
        pool=str(pool.get("name", "")),
        generation=integer(pool.get("generation"), 0),
        of=integer(pool.get("resourceSliceCount"), 1),
        node=_text(spec.get("nodeName")),
        devices=tuple(_device(each) for each in mappings(spec.get("devices"))),
    )


def _device(body: Mapping[str, Any]) -> DeviceFacts:
    attributes = {str(name).rpartition("/")[2]: value for name, value in mapping(body.get("attributes")).items()}
    texts = {name: _text(mapping(value).get("string")) for name, value in attributes.items()}
    taints = [each for each in mappings(body.get("taints")) if each.get("effect") in _KEEPS_AWAY]
    return DeviceFacts(
        name=str(body.get("name", "")),
        product=next((texts[name] for name in PRODUCT_ATTRIBUTES if texts.get(name)), None),
        profile=texts.get("profile"),
        taints=tuple(_taint(each) for each in taints),
        counters=frozenset(str(each.get("counterSet")) for each in mappings(body.get("consumesCounters"))),
        shareable=body.get("allowMultipleAllocations") is True,
    )


def _taint(body: Mapping[str, Any]) -> str:
    value = f"={body['value']}" if body.get("value") else ""
    return f"{body.get('key')}{value}:{body.get('effect')}"


def holds_devices(manifest: Mapping[str, Any]) -> bool:
    """Whether a live ResourceClaim has been given devices: of no other is anything kept."""
    return bool(_results(manifest))


def _results(manifest: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return list(mappings(within(manifest, "status", "allocation", "devices").get("results")))


def claim_facts(manifest: Mapping[str, Any]) -> ClaimFacts:
    """Project a live ResourceClaim."""
    meta, results = manifest["metadata"], _results(manifest)
    named = [(DeviceName(*(str(each.get(key, "")) for key in DeviceName._fields)), each) for each in results]
    owners = (each for each in mappings(meta.get("ownerReferences")) if each.get("kind") == "Pod")
    return ClaimFacts(
        namespace=meta["namespace"],
        model=_text(mapping(meta.get("labels")).get(MODEL_DEPLOYMENT)),
        pod_uid=next((_text(each.get("uid")) for each in owners), None),
        devices=tuple(name for name, _ in named),
        shares=frozenset(name for name, each in named if each.get("shareID")),
        looks_on=frozenset(name for name, each in named if each.get("adminAccess") is True),
    )


_OF_DRIVER: Final = re.compile(r"""device\.driver\s*==\s*["']([^"']+)["']""")
_EITHER: Final = re.compile(r"[|!?]")
"""Where an expression has one of these, what it says of the driver may not hold for all of the class."""


def class_facts(manifest: Mapping[str, Any]) -> ClassFacts:
    """Project a live DeviceClass. Whoever runs the cluster writes its selectors, and all of them must hold."""
    selectors = mappings(mapping(manifest.get("spec")).get("selectors"))
    expressions = [str(within(each, "cel").get("expression", "")) for each in selectors]
    plain = [each for each in expressions if not _EITHER.search(each)]
    drivers = [match[1] for each in plain if (match := _OF_DRIVER.search(each))]
    return ClassFacts(driver=drivers[0] if drivers else None)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
