"""What nodes offer."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from slipway.core.body import conditions, mapping


@dataclass(frozen=True, kw_only=True)
class NodeFacts:
    """What a node offers, for the sentence beside a wait."""

    name: str
    labels: Mapping[str, str]
    allocatable: Mapping[str, str]
    """Extended resources only."""
    schedulable: bool
    ready: bool = True
    """Its kubelet was heard of lately."""

    @property
    def takes_pods(self) -> bool:
        """Whether a pod that comes now may start there."""
        return self.ready and self.schedulable


def node_facts(manifest: Mapping[str, Any]) -> NodeFacts:
    """Project a live Node; only what GPU messages speak of is kept."""
    meta, status = manifest["metadata"], manifest.get("status") or {}
    spec = manifest.get("spec") or {}
    return NodeFacts(
        name=meta["name"],
        labels={k: v for k, v in mapping(meta.get("labels")).items() if k.startswith("nvidia.com/")},
        allocatable={k: str(v) for k, v in mapping(status.get("allocatable")).items() if "/" in k},
        schedulable=not spec.get("unschedulable"),
        ready=all(c["status"] == "True" for c in conditions(status.get("conditions")) if c["type"] == "Ready"),
    )
