"""How many more pods of a kind the nodes can take now, by what pods request and nodes have. Pure.

Accelerators by the operator's own rule of what a node offers. The scheduler has the last word: affinities that people
wrote, volumes and quotas are not looked at, and devices by class are not counted.
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from slipway.api.scalars import quantity
from slipway.api.v1alpha1.spec import Accelerator
from slipway.core.body import mapping, mappings, within
from slipway.core.children.accelerator import claims_devices
from slipway.core.observed.node_capacity import could_take
from slipway.core.observed.nodes import node_facts
from slipway.core.observed.pods import OVER

Body = Mapping[str, Any]
Amounts = dict[str, Decimal]


def room(nodes: Iterable[Body], pods: Sequence[Body], spec: Body, accelerator: Accelerator | None) -> int | None:
    """Pods like `spec` for which there is room beside those that are there. None where only the scheduler knows: of
    devices that are claimed, no node says how many it has, and what the rest has room for is no more than a bound."""
    by_class = claims_devices(accelerator) or bool(mappings(spec.get("resourceClaims")))
    resource = None if by_class else accelerator
    wanted = requested(spec) | {"pods": Decimal(1)}
    count = sum(_room_on(node, pods, spec, wanted) for node in nodes if _may_take(node, spec, resource))
    return None if by_class and count else count


def requested(spec: Body) -> Amounts:
    """What a pod requests: of its containers together, or of the largest that runs before them."""
    together: Amounts = {}
    for container in mappings(spec.get("containers")):
        _add(together, _requests(container))
    for container in mappings(spec.get("initContainers")):
        own = _requests(container)
        if container.get("restartPolicy") == "Always":
            _add(together, own)
        else:
            together |= {name: max(amount, together.get(name, Decimal())) for name, amount in own.items()}
    _add(together, _amounts(spec.get("overhead")))
    return together


def _room_on(node: Body, pods: Sequence[Body], spec: Body, wanted: Amounts) -> int:
    left = _amounts(within(node, "status").get("allocatable"))
    for pod in pods:
        there = within(pod, "spec").get("nodeName") == within(node, "metadata").get("name")
        if there and within(pod, "status").get("phase") not in OVER:
            _add(left, requested(within(pod, "spec")) | {"pods": Decimal(1)}, -1)
    return max(0, min(int(left.get(name, Decimal()) // amount) for name, amount in wanted.items() if amount))


def _may_take(node: Body, spec: Body, accelerator: Accelerator | None) -> bool:
    try:
        facts = node_facts(node)
    except (KeyError, TypeError):
        return False
    labels = mapping(within(node, "metadata").get("labels"))
    selected = mapping(spec.get("nodeSelector")).items() <= labels.items()
    tolerated = all(_tolerated(taint, spec) for taint in mappings(within(node, "spec").get("taints")))
    offered = accelerator is None or could_take(facts, accelerator)
    return facts.schedulable and facts.ready and selected and tolerated and offered


def _tolerated(taint: Body, spec: Body) -> bool:
    if taint.get("effect") == "PreferNoSchedule":
        return True
    return any(
        each.get("effect") in (None, "", taint.get("effect"))
        and (each.get("key") in (None, "", taint.get("key")))
        and (each.get("operator") == "Exists" or each.get("value", "") == taint.get("value", ""))
        for each in mappings(spec.get("tolerations"))
    )


def _requests(container: Body) -> Amounts:
    """Kubernetes takes a limit for the request that is not there."""
    resources = within(container, "resources")
    return _amounts(resources.get("limits")) | _amounts(resources.get("requests"))


def _amounts(given: object) -> Amounts:
    amounts: Amounts = {}
    for name, text in mapping(given).items():
        try:
            amounts[str(name)] = quantity(text)
        except ValueError:
            continue
    return amounts


def _add(amounts: Amounts, others: Amounts, times: int = 1) -> None:
    for name, amount in others.items():
        amounts[name] = amounts.get(name, Decimal()) + times * amount
