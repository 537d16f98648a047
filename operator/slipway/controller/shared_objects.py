"""Objects that many ModelDeployments share and none owns: nodes, Gateways and their classes, and devices.

A change of a Gateway or its class concerns the ModelDeployments that name it, that of a claim the one whose pod it is
for. Of nodes and devices the store knows whom a change concerns: those with a pod that waits for one."""

from collections.abc import Callable, Iterable, Mapping, Set
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from slipway.controller.kinds import (
    DEVICE_CLASS,
    DEVICES,
    GATEWAY,
    GATEWAY_CLASS,
    NODE,
    RESOURCE_CLAIM,
    RESOURCE_SLICE,
    Key,
    Kind,
)
from slipway.core.names import Manifest
from slipway.core.observed.devices import (
    ClaimFacts,
    ClassFacts,
    Devices,
    SliceFacts,
    claim_facts,
    class_facts,
    slice_facts,
)
from slipway.core.observed.gateways import GatewayClassFacts, GatewayFacts, Gateways, gateway_class_facts, gateway_facts
from slipway.core.observed.nodes import NodeFacts, node_facts
from slipway.core.observed.pods import PodFacts

Address = tuple[str, str]
"""Namespace and name."""
Named = Iterable[tuple[Key, Address | None]]
"""The Gateway that each ModelDeployment names."""

_PROJECTIONS: Final[Mapping[str, Callable[[Mapping[str, Any]], Any]]] = {
    NODE.name: node_facts,
    GATEWAY.name: gateway_facts,
    GATEWAY_CLASS.name: gateway_class_facts,
    RESOURCE_CLAIM.name: claim_facts,
    RESOURCE_SLICE.name: slice_facts,
    DEVICE_CLASS.name: class_facts,
}


class Room(NamedTuple):
    """What pods that wait may find room on: how often each has changed."""

    nodes: int
    devices: int

    def is_news_to(self, pod: PodFacts, before: "Room") -> bool:
        """Whether a pod waits for a node and what changed since may be for it."""
        changed = self.nodes != before.nodes or (pod.claims and self.devices != before.devices)
        return pod.unschedulable is not None and changed


class SharedObjects:
    """Keeps projections of shared objects. A change that leaves the projection as it was concerns nobody: kubelets
    write their node's status every few minutes, and a Gateway's status counts its routes."""

    def __init__(self) -> None:
        self.nodes: tuple[NodeFacts, ...] = ()
        self.room = Room(nodes=0, devices=0)
        self._uids: dict[tuple[str, str | None, str], str] = {}
        self._nodes: dict[str, NodeFacts] = {}
        self._gateways: dict[Address, GatewayFacts] = {}
        self._classes: dict[str, GatewayClassFacts] = {}
        self._claims: dict[Address, ClaimFacts] = {}
        self._slices: dict[str, SliceFacts] = {}
        self._device_classes: dict[str, ClassFacts] = {}
        self._facts: Mapping[str, dict[Any, Any]] = {
            NODE.name: self._nodes,
            GATEWAY.name: self._gateways,
            GATEWAY_CLASS.name: self._classes,
            RESOURCE_CLAIM.name: self._claims,
            RESOURCE_SLICE.name: self._slices,
            DEVICE_CLASS.name: self._device_classes,
        }

    def devices(self, unseen: Set[str]) -> Devices:
        """Devices, without the kinds in `unseen`. The mappings are live."""
        return Devices(
            claims=None if RESOURCE_CLAIM.name in unseen else MappingProxyType(self._claims),
            slices=None if RESOURCE_SLICE.name in unseen else MappingProxyType(self._slices),
            classes=None if DEVICE_CLASS.name in unseen else MappingProxyType(self._device_classes),
        )

    def gateways(self, unseen: Set[str]) -> Gateways:
        """Gateways and their classes, without the kinds in `unseen`. The mappings are live."""
        return Gateways(
            gateways=None if GATEWAY.name in unseen else MappingProxyType(self._gateways),
            classes=None if GATEWAY_CLASS.name in unseen else MappingProxyType(self._classes),
        )

    def uid(self, kind: Kind, namespace: str | None, name: str) -> str | None:
        """The uid of the object that has this name now."""
        return self._uids.get((kind.name, namespace, name))

    def keep(self, kind: Kind, manifest: Manifest, named: Named) -> frozenset[Key]:
        """Keep an object as it is now. Answers the ModelDeployments that it concerns."""
        meta = manifest["metadata"]
        self._uids[kind.name, meta.get("namespace"), meta["name"]] = meta["uid"]
        return self._put(kind, meta.get("namespace"), meta["name"], _PROJECTIONS[kind.name](manifest), named)

    def drop(self, kind: Kind, namespace: str | None, name: str, named: Named) -> frozenset[Key]:
        """Drop an object that is gone. Answers the ModelDeployments that it concerns."""
        del self._uids[kind.name, namespace, name]
        return self._put(kind, namespace, name, None, named)

    def _put(self, kind: Kind, namespace: str | None, name: str, facts: Any, named: Named) -> frozenset[Key]:
        by_address = self._facts[kind.name]
        address = (namespace, name) if kind in (GATEWAY, RESOURCE_CLAIM) else name
        before = by_address.get(address)
        if before == facts:
            return frozenset()
        if facts is None:
            del by_address[address]
        else:
            by_address[address] = facts
        if kind is NODE:
            self.nodes = tuple(self._nodes.values())
            self.room = self.room._replace(nodes=self.room.nodes + 1)
            return frozenset()
        if kind in DEVICES:
            self.room = self.room._replace(devices=self.room.devices + 1)
            claims = (each for each in (before, facts) if isinstance(each, ClaimFacts))
            return frozenset(Key(claim.namespace, claim.model) for claim in claims if claim.model)
        changed = (
            {address} if kind is GATEWAY else {k for k, gateway in self._gateways.items() if gateway.class_name == name}
        )
        return frozenset(key for key, gateway in named if gateway in changed)
