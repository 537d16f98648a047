"""Objects that many ModelDeployments share and none owns: nodes, Gateways and their classes.

A change of a Gateway or its class concerns the ModelDeployments that name it. Of nodes the store knows whom a change
concerns: those with a pod that waits for one."""

from collections.abc import Callable, Iterable, Mapping, Set
from types import MappingProxyType
from typing import Any, Final

from slipway.controller.kinds import GATEWAY, GATEWAY_CLASS, NODE, Key, Kind
from slipway.core.names import Manifest
from slipway.core.observed.gateways import GatewayClassFacts, GatewayFacts, Gateways, gateway_class_facts, gateway_facts
from slipway.core.observed.nodes import NodeFacts, node_facts

Address = tuple[str, str]
"""Namespace and name."""
Named = Iterable[tuple[Key, Address | None]]
"""The Gateway that each ModelDeployment names."""

_PROJECTIONS: Final[Mapping[str, Callable[[Mapping[str, Any]], Any]]] = {
    NODE.name: node_facts,
    GATEWAY.name: gateway_facts,
    GATEWAY_CLASS.name: gateway_class_facts,
}


class SharedObjects:
    """Keeps projections of shared objects. A change that leaves the projection as it was concerns nobody: kubelets
    write their node's status every few minutes, and a Gateway's status counts its routes."""

    def __init__(self) -> None:
        self.nodes: tuple[NodeFacts, ...] = ()
        self._uids: dict[tuple[str, str | None, str], str] = {}
        self._nodes: dict[str, NodeFacts] = {}
        self._gateways: dict[Address, GatewayFacts] = {}
        self._classes: dict[str, GatewayClassFacts] = {}
        self._facts: Mapping[str, dict[Any, Any]] = {
            NODE.name: self._nodes,
            GATEWAY.name: self._gateways,
            GATEWAY_CLASS.name: self._classes,
        }

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
        by_address, address = self._facts[kind.name], (namespace, name) if kind is GATEWAY else name
        if by_address.get(address) == facts:
            return frozenset()
        if facts is None:
            del by_address[address]
        else:
            by_address[address] = facts
        if kind is NODE:
            self.nodes = tuple(self._nodes.values())
            return frozenset()
        changed = (
            {address} if kind is GATEWAY else {k for k, gateway in self._gateways.items() if gateway.class_name == name}
        )
        return frozenset(key for key, gateway in named if gateway in changed)
