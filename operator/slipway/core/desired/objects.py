"""A desired object: its manifest, its pods, when it is written, and in which order what is not desired is deleted."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from slipway.core.children.autoscaler import AUTOSCALER
from slipway.core.children.backend_traffic_policy import BACKEND_TRAFFIC_POLICY
from slipway.core.children.device_claim import RESOURCE_CLAIM_TEMPLATE
from slipway.core.children.network_policy import NETWORK_POLICY
from slipway.core.children.revision import RevisionRecord
from slipway.core.children.route import GRPC_ROUTE, ROUTE
from slipway.core.children.scaled_object import SCALED_OBJECT
from slipway.core.children.security_policy import SECURITY_POLICY
from slipway.core.names import Manifest
from slipway.core.observed.objects import Child
from slipway.core.observed.pods import PodFacts
from slipway.core.shares import Traffic

SCALERS: Final = (AUTOSCALER, SCALED_OBJECT)
"""They set a Deployment's count, operator or none."""

DESCRIBES: Final = ("ConfigMap", "ControllerRevision", RESOURCE_CLAIM_TEMPLATE)
"""What a Deployment of the same name mounts and claims, and what it is remembered by."""

MAKES_PODS: Final = ("Deployment", "Job")
"""They are made once what shields their pods is there."""

LEFTOVERS_GO: Final = (
    GRPC_ROUTE,
    ROUTE,  # before what guards it
    SECURITY_POLICY,
    BACKEND_TRAFFIC_POLICY,
    *SCALERS,
    "PodDisruptionBudget",
    "Deployment",
    "Service",
    "ConfigMap",
    RESOURCE_CLAIM_TEMPLATE,
    NETWORK_POLICY,
)
"""Kinds whose objects are deleted when they are not desired, in that order."""


class Write(StrEnum):
    """When a desired object is written."""

    IF_DIFFERENT = "IfDifferent"
    ALWAYS = "Always"
    """Whatever a look from before says: an earlier write of it may still be on its way."""
    NEVER = "Never"
    """It may not be written now, nor deleted; only its pods are counted."""


@dataclass(frozen=True, kw_only=True)
class Replicas:
    """How many pods a Deployment should have."""

    count: int
    bounds: tuple[int, int] | None = None
    """The count is its autoscaler's, between these; `count` is where it starts."""


@dataclass(frozen=True, kw_only=True)
class DesiredObject:
    """One object that should be there."""

    manifest: Manifest
    """Without what is added when it is applied. Of one that is never written only kind and name."""
    replicas: Replicas | None = None
    """Of a Deployment."""
    routes: bool = False
    """It says who gets the traffic."""
    write: Write = Write.IF_DIFFERENT

    @property
    def place(self) -> tuple[str, str]:
        """Kind and name."""
        return self.manifest["kind"], self.manifest["metadata"]["name"]

    @property
    def fenced(self) -> bool:
        """Of the count and of the share of traffic it matters what they were decided from."""
        return self.routes or self.replicas is not None


@dataclass(frozen=True, kw_only=True)
class DesiredRevision:
    """A revision that should exist in the cluster, and with how many pods."""

    revision: str
    number: int
    record: RevisionRecord | None
    """None when history has lost it: what is there is then left as it is, but for its count."""
    replicas: Replicas
    guarded: bool = False
    """It serves with more than one pod: voluntary disruptions take one at a time."""


@dataclass(frozen=True, kw_only=True)
class DesiredState:
    """All that should be there for one ModelDeployment, and what should go."""

    objects: Sequence[DesiredObject]
    """In the order in which they are written."""
    revisions: Sequence[DesiredRevision]
    traffic: Traffic
    """Who answers clients."""
    weights: Mapping[str, int] = field(default_factory=dict)
    """Parts of the requests that come through a gateway, by revision."""
    discard: Sequence[Child] = ()
    """Jobs and history that should go."""
    evict: Sequence[PodFacts] = ()
    """Pods that go wrong by themselves: their ReplicaSet makes others."""

    @property
    def places(self) -> set[tuple[str, str]]:
        """Kind and name of all that should be there."""
        return {each.place for each in self.objects}


def written(manifests: Iterable[Manifest]) -> Iterable[DesiredObject]:
    """Objects that are written wherever they are not as they should be."""
    return (DesiredObject(manifest=manifest) for manifest in manifests)


def left_alone(kind: str, name: str, replicas: Replicas | None = None) -> DesiredObject:
    """An object that stays as it is, but for its count."""
    return DesiredObject(manifest={"kind": kind, "metadata": {"name": name}}, replicas=replicas, write=Write.NEVER)
