"""Where pods run and what they carry: `spec.accelerator`, `spec.scheduling` and `spec.podMetadata`."""

from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import Field

from slipway.api.base import ApiModel, checked, rule
from slipway.api.scalars import Size, text
from slipway.api.v1alpha1.fields import LabelValue, Name, Passthrough, ShortText


class Sharing(StrEnum):
    """Whether the devices may be shared with other pods, and by which mechanism."""

    EXCLUSIVE = "Exclusive"
    MPS = "MPS"
    TIME_SLICING = "TimeSlicing"


_BY_CLASS: Final = "(has(self.deviceClass) || has(self.anyOf))"
"""The devices are asked for by their class, and not as an extended resource."""

DeviceSelectors = Annotated[
    list[Annotated[str, Field(min_length=1, max_length=2048)]], Field(min_length=1, max_length=8)
]
_SELECTORS: Final = "CEL expressions over `device`; all must hold. As in a ResourceClaim."


class DeviceAlternative(ApiModel):
    """Devices of one class that would do."""

    device_class: Name = Field(description="DeviceClass; kubectl get deviceclasses lists them.")
    count: Annotated[int, Field(ge=1, le=32)] = Field(1, description="Devices for each pod.")
    selectors: DeviceSelectors | None = Field(None, description=_SELECTORS)


class Accelerator(ApiModel):
    """GPUs for each pod: whole devices, or one MIG slice; or devices of a DeviceClass (dynamic resource allocation)."""

    model_config = checked(
        rule(
            f"!{_BY_CLASS} || (!has(self.resourceName) && !has(self.products) && !has(self.memory) && !has(self.mig) "
            "&& !has(self.migStrategy) && self.sharing == 'Exclusive')",
            "deviceClass and anyOf ask for devices by class: take out resourceName, products, memory, mig, migStrategy "
            "and sharing, and say in selectors what a device must have",
        ),
        rule(
            "!has(self.anyOf) || (!has(self.deviceClass) && !has(self.selectors) && self.count == 1)",
            "each entry of anyOf has a deviceClass, count and selectors of its own: take those beside anyOf out",
            ".anyOf",
        ),
        rule(
            "!has(self.selectors) || has(self.deviceClass)",
            "selectors choose among the devices of a class: say which in deviceClass",
            ".selectors",
        ),
        rule(
            "!has(self.deviceClass) || self.count <= 32",
            "a claim has at most 32 devices: lower count",
            ".count",
        ),
        rule(
            "!has(self.mig) || (!has(self.memory) && !has(self.resourceName) && self.count == 1 "
            "&& self.sharing == 'Exclusive')",
            "mig asks for one slice instead of whole devices: take out memory, resourceName, sharing "
            "and any count but 1",
            ".mig",
        ),
        rule(
            "has(self.mig) || !has(self.migStrategy)",
            "migStrategy is only read with mig: take it out, or say which profile in mig",
            ".migStrategy",
        ),
        rule(
            "self.sharing == 'Exclusive' || self.count == 1",
            "more than one share of a device gives no more compute: with sharing, count must be 1",
            ".count",
        ),
    )

    count: Annotated[int, Field(ge=1, le=64)] = Field(1, description="Devices for each pod.")
    resource_name: (
        Annotated[
            str,
            text(
                r"^[a-z0-9.-]+/[A-Za-z0-9._-]+$",
                "is not an extended resource: write it like nvidia.com/gpu",
                max_length=128,
            ),
        ]
        | None
    ) = Field(None, description="Extended resource; nvidia.com/gpu when absent.")
    products: Annotated[list[ShortText], Field(min_length=1, max_length=16)] | None = Field(
        None, description="Any of these values of the node label nvidia.com/gpu.product."
    )
    memory: Size | None = Field(None, description="At least this much memory per device.")
    mig: (
        Annotated[
            str,
            text(r"^[0-9]+g\.[0-9]+gb(\.[a-z0-9.+]+)?$", "is not a MIG profile: write it like 1g.10gb", max_length=32),
        ]
        | None
    ) = Field(None, description="A MIG profile, such as 1g.10gb, instead of whole devices.")
    mig_strategy: Literal["single", "mixed"] | None = Field(
        None, description="How the nodes offer MIG slices; mixed when absent."
    )
    sharing: Sharing = Sharing.EXCLUSIVE
    device_class: Name | None = Field(
        None, description="DeviceClass whose devices are claimed, in place of an extended resource."
    )
    selectors: DeviceSelectors | None = Field(None, description=_SELECTORS)
    any_of: Annotated[list[DeviceAlternative], Field(min_length=1, max_length=8)] | None = Field(
        None, description="The first of these that can be had, by class, in place of deviceClass."
    )


class Scheduling(ApiModel):
    """Where pods may run. The pod's own fields, added to what `accelerator` asks."""

    node_selector: Annotated[dict[str, LabelValue], Field(max_length=32)] | None = Field(
        None, description="Labels that a node must have."
    )
    tolerations: Annotated[list[Passthrough], Field(max_length=32)] | None = Field(None, description="As in a pod.")
    affinity: Passthrough | None = Field(None, description="As in a pod.")
    topology_spread_constraints: Annotated[list[Passthrough], Field(max_length=16)] | None = Field(
        None, description="As in a pod."
    )
    priority_class_name: Name | None = Field(None, description="As in a pod.")
    runtime_class_name: Name | None = Field(
        None, description="As in a pod; nvidia where GPUs need a runtime of their own."
    )
    scheduler_name: Name | None = Field(None, description="As in a pod; the cluster's default scheduler when absent.")
    service_account_name: Name | None = Field(
        None, description="As in a pod. Its token is not mounted; an identity webhook may use it."
    )


class PodMetadata(ApiModel):
    """Labels and annotations for the pods: a Kueue queue, a mesh, a cost centre."""

    model_config = checked(
        rule(
            "!has(self.labels) || self.labels.all(k, !k.startsWith('serving.slipway.dev/') && "
            "!k.startsWith('app.kubernetes.io/'))",
            "labels under serving.slipway.dev/ and app.kubernetes.io/ are Slipway's own: take them out",
            ".labels",
        ),
        rule(
            "!has(self.annotations) || self.annotations.all(k, !k.startsWith('serving.slipway.dev/'))",
            "annotations under serving.slipway.dev/ are Slipway's own: take them out",
            ".annotations",
        ),
    )

    labels: Annotated[dict[str, LabelValue], Field(max_length=32)] | None = Field(
        None, description="Added to Slipway's own."
    )
    annotations: Annotated[dict[str, Annotated[str, Field(max_length=4096)]], Field(max_length=32)] | None = Field(
        None, description="Added to Slipway's own."
    )
