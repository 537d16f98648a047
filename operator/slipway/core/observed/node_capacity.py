"""Node capacity: what the nodes offer now, in one sentence beside a wait for capacity.

Never a verdict: a pool that is scaled to zero has no node to look at, and still serves the ask once it has grown.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from slipway.api.v1alpha1.spec import Accelerator, Sharing
from slipway.core.children.accelerator import (
    MEMORY,
    PRODUCT,
    SHARING,
    SLICES,
    Expression,
    how_large,
    how_many,
    how_offered,
    mebibytes,
    resource_name,
    which_product,
)
from slipway.core.observed.nodes import NodeFacts
from slipway.core.reasons import fit

LONGEST: Final = 512
"""Characters of the sentence: it goes into a condition's message, next to the scheduler's own words."""

_KINDS_SHOWN: Final = 4
_WORD: Final = {"time-slicing": "time-sliced", "mps": "shared by MPS"}

_Nodes = Sequence[NodeFacts]


def what_nodes_have(nodes: Sequence[NodeFacts], accelerator: Accelerator) -> str:
    """Why no node fits, as far as nodes can tell, and what is there instead."""
    problem = next(_problems(nodes, accelerator))
    return fit(f"{problem}; seen: {_seen(nodes, resource_name(accelerator))}", LONGEST)


def could_take(node: NodeFacts, accelerator: Accelerator) -> bool:
    """Whether a node that takes pods has what is asked for at all, taken or not."""
    if not node.takes_pods:
        return False
    asked = (how_offered, which_product, how_large, how_many)
    return _count(node, resource_name(accelerator)) >= accelerator.count and all(
        _fits(of(accelerator))(node) for of in asked
    )


def _problems(nodes: _Nodes, accelerator: Accelerator) -> Iterator[str]:
    """What to say, most basic first: each step keeps the nodes that fit so far, and speaks when none is left."""
    resource = resource_name(accelerator)
    steps: tuple[tuple[Callable[[NodeFacts], bool], str], ...] = (
        (lambda node: any(_devices(node, resource)), "no node has a GPU"),
        (lambda node: _count(node, resource) > 0, f"no node offers {_offer(accelerator)}"),
        (_fits(how_offered(accelerator)), _otherwise_offered(accelerator)),
        (_fits(which_product(accelerator)), f"no node offers {_wanted(accelerator)}"),
        (_fits(how_large(accelerator)), f"no node offers {_wanted(accelerator)}"),
        (
            lambda node: _count(node, resource) >= accelerator.count and _fits(how_many(accelerator))(node),
            f"no node offers {accelerator.count} x {resource} at once",
        ),
        (lambda node: node.schedulable, f"every node that offers {_wanted(accelerator)} is cordoned"),
    )
    left = nodes
    for fits, words in steps:
        left = [node for node in left if fits(node)]
        if not left:
            yield words
            return
    verb = "node offers" if len(left) == 1 else "nodes offer"
    yield f"{len(left)} {verb} what is asked: taken, or kept from this pod by something else"


def _fits(expressions: Sequence[Expression]) -> Callable[[NodeFacts], bool]:
    return lambda node: all(expression.fits(node.labels) for expression in expressions)


def _offer(accelerator: Accelerator) -> str:
    resource = resource_name(accelerator)
    return f"the MIG profile {accelerator.mig} as {resource}" if accelerator.mig else resource


def _otherwise_offered(accelerator: Accelerator) -> str:
    resource = resource_name(accelerator)
    if accelerator.sharing is Sharing.MPS:
        return f"no node shares {resource} by MPS"
    if accelerator.sharing is Sharing.TIME_SLICING:
        return f"no node shares {resource} by time-slicing"
    if accelerator.mig and accelerator.mig_strategy == "single":
        return f"no node offers MIG slices of its own as {resource} (strategy single)"
    if accelerator.mig:
        return f"every node with {resource} shares its slices among pods"
    return f"every node with {resource} shares its devices or cuts them into MIG slices: the ask is for whole ones"


def _wanted(accelerator: Accelerator) -> str:
    """The ask in the user's words."""
    what = " or ".join(accelerator.products or ()) or resource_name(accelerator)
    if accelerator.mig:
        what = f"the MIG profile {accelerator.mig}" + (f" of {what}" if accelerator.products else "")
    if accelerator.memory:
        what += f" with {accelerator.memory} ({mebibytes(accelerator.memory)} MiB)"
    return what


def _seen(nodes: _Nodes, resource: str) -> str:
    if not nodes:
        return "no node at all"
    kinds = Counter(_kind(node, resource) for node in nodes)
    ordered = sorted(kinds.items(), key=lambda kind: (kind[0] == _WITHOUT, -kind[1], kind[0]))
    parts = [f"{count} {'node' if count == 1 else 'nodes'} {kind}" for kind, count in ordered[:_KINDS_SHOWN]]
    rest = sum(count for _, count in ordered[_KINDS_SHOWN:])
    return ", ".join(parts) + (f", and {rest} more" if rest else "")


_WITHOUT: Final = "without a GPU"


def _kind(node: NodeFacts, resource: str) -> str:
    """What tells a node from others here: `with 4 x nvidia.com/gpu (Tesla-T4, 15360 MiB)`."""
    devices = dict(_devices(node, resource))
    if not devices:
        return _WITHOUT
    counted = " and ".join(f"{count} x {name}" for name, count in sorted(devices.items()))
    about = ", ".join(_about(node))
    return f"with {counted} ({about})" if about else f"with {counted}"


def _about(node: NodeFacts) -> Iterator[str]:
    labels: Mapping[str, str] = node.labels
    if product := labels.get(PRODUCT):
        yield product
    if memory := labels.get(MEMORY):
        yield f"{memory} MiB"
    if word := _WORD.get(labels.get(SHARING, "")):
        yield word
    if SLICES in labels:
        yield "MIG slices"
    if not node.schedulable:
        yield "cordoned"


def _devices(node: NodeFacts, resource: str) -> Iterator[tuple[str, int]]:
    """The node's accelerators: all of NVIDIA's, and the resource that is asked for."""
    for name in node.allocatable:
        if (name == resource or name.startswith("nvidia.com/")) and (count := _count(node, name)):
            yield name, count


def _count(node: NodeFacts, resource: str) -> int:
    amount = node.allocatable.get(resource, "0")
    return int(amount) if amount.isdigit() else 0
