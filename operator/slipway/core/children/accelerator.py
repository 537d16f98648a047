"""What an `accelerator` becomes in a pod: a device limit, the node labels that it needs, and tolerations.

One that names a DeviceClass becomes a claim (`device_claim`), and of the pod only tolerations. Labels are those of
NVIDIA's GPU feature discovery. Nothing here looks at nodes: a pool that is scaled to zero must see the pending pod that
it is to grow for.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any, Final

from slipway.api.scalars import quantity
from slipway.api.v1alpha1.spec import Accelerator, DeviceAlternative, Sharing
from slipway.triton.memory import MIB

GPU: Final = "nvidia.com/gpu"
PRESENT: Final = "nvidia.com/gpu.present"
PRODUCT: Final = "nvidia.com/gpu.product"
MEMORY: Final = "nvidia.com/gpu.memory"
COUNT: Final = "nvidia.com/gpu.count"
SHARING: Final = "nvidia.com/gpu.sharing-strategy"
SLICES: Final = "nvidia.com/gpu.slices.gi"
"""Only there when nvidia.com/gpu counts MIG slices. nvidia.com/mig.strategy says less: the GPU operator sets it to
`single` on every node, with or without MIG."""
MIG_STRATEGY: Final = "nvidia.com/mig.strategy"

_STRATEGY: Final = {Sharing.MPS: "mps", Sharing.TIME_SLICING: "time-slicing"}


@dataclass(frozen=True, kw_only=True)
class Expression:
    """One requirement on a node's labels, as a node affinity has it."""

    key: str
    operator: str
    values: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The match expression."""
        return {"key": self.key, "operator": self.operator} | ({"values": list(self.values)} if self.values else {})

    def fits(self, labels: Mapping[str, str]) -> bool:
        """What the scheduler would say of a node with these labels."""
        value = labels.get(self.key)
        match self.operator:
            case "In":
                return value in self.values
            case "NotIn":
                return value not in self.values
            case "DoesNotExist":
                return value is None
            case "Gt":
                return value is not None and value.isdigit() and int(value) > int(self.values[0])
            case "Lt":
                return value is not None and value.isdigit() and int(value) < int(self.values[0])
        raise ValueError(f"{self.operator} is no operator of ours")


@dataclass(frozen=True, kw_only=True)
class Fragment:
    """An accelerator as parts of a pod."""

    resource: str | None
    """None where its devices are claimed."""
    count: int
    expressions: tuple[Expression, ...]
    """All must hold."""
    tolerations: tuple[dict[str, Any], ...]

    @property
    def resources(self) -> dict[str, str]:
        """For limits and requests alike: devices cannot be overcommitted."""
        return {self.resource: str(self.count)} if self.resource else {}


def fragment(accelerator: Accelerator) -> Fragment:
    """The parts of a pod that ask for this accelerator."""
    if claims_devices(accelerator):
        return Fragment(resource=None, count=0, expressions=(), tolerations=_tolerations(_taints_by_class(accelerator)))
    resource = resource_name(accelerator)
    tainted = dict.fromkeys([GPU, resource] if resource.startswith("nvidia.com/") else [resource])
    return Fragment(
        resource=resource,
        count=accelerator.count,
        expressions=tuple(e for part in _PARTS for e in part(accelerator)),
        tolerations=_tolerations(tainted),
    )


def claims_devices(accelerator: Accelerator | None) -> bool:
    """Whether it asks for devices by their class, which a ResourceClaim gets."""
    return accelerator is not None and bool(accelerator.device_class or accelerator.any_of)


def device_requests(accelerator: Accelerator) -> tuple[DeviceAlternative, ...]:
    """What is claimed: one request, or several of which the first that can be had is."""
    if accelerator.any_of:
        return tuple(accelerator.any_of)
    return (
        DeviceAlternative(
            device_class=accelerator.device_class or "", count=accelerator.count, selectors=accelerator.selectors
        ),
    )


def most_devices(accelerator: Accelerator | None) -> int:
    """Devices that a pod may have at most; 1 where it has none and computes on the CPU."""
    if accelerator is None:
        return 1
    return max(each.count for each in device_requests(accelerator)) if accelerator.any_of else accelerator.count


def _taints_by_class(accelerator: Accelerator) -> tuple[str, ...]:
    """Nodes with NVIDIA's devices have the taint of its device plugin, whoever hands the devices out."""
    nvidia = any(each.device_class.endswith("nvidia.com") for each in device_requests(accelerator))
    return (GPU,) if nvidia else ()


def _tolerations(tainted: Iterable[str]) -> tuple[dict[str, Any], ...]:
    return tuple({"key": key, "operator": "Exists", "effect": "NoSchedule"} for key in tainted)


def resource_name(accelerator: Accelerator) -> str:
    """The extended resource. Under the single strategy a MIG slice has the whole device's name."""
    if accelerator.mig and accelerator.mig_strategy != "single":
        return f"nvidia.com/mig-{accelerator.mig}"
    return accelerator.resource_name or GPU


def how_offered(accelerator: Accelerator) -> tuple[Expression, ...]:
    """Whole or sliced, exclusive or shared: the same resource name can mean any of them."""
    shared = tuple(sorted(_STRATEGY.values()))
    if accelerator.sharing in _STRATEGY:
        return (Expression(key=SHARING, operator="In", values=(_STRATEGY[accelerator.sharing],)),)
    if accelerator.mig and accelerator.mig_strategy == "single":
        exclusive = Expression(key=SHARING, operator="NotIn", values=shared)
        return (Expression(key=MIG_STRATEGY, operator="In", values=("single",)), exclusive)
    if accelerator.mig:
        return (Expression(key=f"{resource_name(accelerator)}.sharing-strategy", operator="NotIn", values=shared),)
    if resource_name(accelerator) != GPU:
        return ()
    return (
        Expression(key=SHARING, operator="NotIn", values=shared),
        Expression(key=SLICES, operator="DoesNotExist"),
    )


def which_product(accelerator: Accelerator) -> tuple[Expression, ...]:
    """The product label carries a suffix where the resource is a slice or, unless it was renamed, a share."""
    products = accelerator.products or []
    if accelerator.mig and accelerator.mig_strategy == "single":
        return _single_strategy_profile(accelerator.mig, products)
    if not products:
        return ()
    if accelerator.sharing in _STRATEGY:
        products = [name for product in products for name in (product, _suffixed(product, "-SHARED"))]
    return (Expression(key=PRODUCT, operator="In", values=tuple(dict.fromkeys(products))),)


def _single_strategy_profile(mig: str, products: Sequence[str]) -> tuple[Expression, ...]:
    """The product label names the profile; without products, the slice's compute share and memory tell it.

    A profile is named after its rounded share of the device's nominal memory, while the label has the MiB that are left
    of it: 4,864 for 1g.5gb, 9,728 for 1g.10gb. So up to an eighth less is taken for the profile, and nothing more.
    """
    if products:
        suffix = f"-MIG-{mig}"
        return (Expression(key=PRODUCT, operator="In", values=tuple(_suffixed(p, suffix) for p in products)),)
    compute, memory = mig.partition("gb")[0].split("g.")
    nominal = int(memory) * 1024
    return (
        Expression(key=SLICES, operator="In", values=(compute,)),
        Expression(key=MEMORY, operator="Gt", values=(str(nominal * 7 // 8 - 1),)),
        Expression(key=MEMORY, operator="Lt", values=(str(nominal + 1),)),
    )


def how_large(accelerator: Accelerator) -> tuple[Expression, ...]:
    """At least the memory asked for, by the label in MiB. `Gt` wants an integer, hence one less.

    The label is a little below what a product is sold with: an H100 80GB has 81,559 MiB, less than 80Gi.
    """
    if accelerator.memory is None:
        return ()
    return (Expression(key=MEMORY, operator="Gt", values=(str(mebibytes(accelerator.memory) - 1),)),)


def how_many(accelerator: Accelerator) -> tuple[Expression, ...]:
    """A node with too few devices in all is out, however few are taken."""
    if accelerator.count == 1 or resource_name(accelerator) != GPU:
        return ()
    return (Expression(key=COUNT, operator="Gt", values=(str(accelerator.count - 1),)),)


_PARTS: Final = (how_offered, which_product, how_large, how_many)


def mebibytes(memory: str) -> int:
    """A quantity in whole MiB, rounded up."""
    return ceil(quantity(memory) / MIB)


def _suffixed(product: str, suffix: str) -> str:
    return product if product.endswith(suffix) else product + suffix
