"""What `slipway top` shows: which models hold which pods, accelerators and nodes, the most accelerators first."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from slipway.cli.accelerators import devices_of, held
from slipway.core.body import mappings, within
from slipway.core.names import MODEL_DEPLOYMENT
from slipway.core.observed.pods import OVER


@dataclass(frozen=True, kw_only=True)
class Holding:
    """What one model holds."""

    namespace: str
    name: str
    pods: int
    ready: int
    accelerators: int
    """Of all kinds together, as far as they are counted: claims are where status lists what they were given."""
    kinds: tuple[str, ...]
    nodes: tuple[str, ...]


def holdings(pods: Iterable[Mapping[str, Any]], models: Iterable[Mapping[str, Any]] = ()) -> list[Holding]:
    """Of each model, from its server pods; those that are over hold nothing. `models`: those whose status says which
    devices were given by class."""
    devices = {_address(model): devices_of(within(model, "status")) for model in models}
    by_model: defaultdict[tuple[str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for pod in pods:
        meta = within(pod, "metadata")
        name = within(meta, "labels").get(MODEL_DEPLOYMENT)
        if name and within(pod, "status").get("phase") not in OVER:
            by_model[str(meta.get("namespace", "")), str(name)].append(pod)
    unsorted = [_holding(*address, own, devices.get(address, {})) for address, own in by_model.items()]
    return sorted(unsorted, key=lambda each: (-each.accelerators, -each.pods, each.namespace, each.name))


def _address(model: Mapping[str, Any]) -> tuple[str, str]:
    meta = within(model, "metadata")
    return str(meta.get("namespace", "")), str(meta.get("name", ""))


def _holding(
    namespace: str, name: str, pods: Iterable[Mapping[str, Any]], devices: Mapping[str, Mapping[str, int]]
) -> Holding:
    counts: defaultdict[str, int] = defaultdict(int)
    nodes, ready, total = set(), 0, 0
    for pod in pods:
        total += 1
        conditions = mappings(within(pod, "status").get("conditions"))
        ready += any(each.get("type") == "Ready" and each.get("status") == "True" for each in conditions)
        if node := within(pod, "spec").get("nodeName"):
            nodes.add(str(node))
        for kind, count in held(pod, devices).items():
            counts[kind] += int(count) if count.isdecimal() else 0
    return Holding(
        namespace=namespace,
        name=name,
        pods=total,
        ready=ready,
        accelerators=sum(counts.values()),
        kinds=tuple(f"{count or ''} {kind}".strip() for kind, count in sorted(counts.items())),
        nodes=tuple(sorted(nodes)),
    )
