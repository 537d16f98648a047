"""`ModelDeployment.spec`: which model should answer, on what, and how many of it.

Field descriptions become the CRD's and the reference's. Defaults live here and so in the CRD schema; they are literals,
because the API server and this code must agree on them. CEL rules stand beside the model that they are about.
"""

from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field

from slipway.api.base import ApiModel, checked, rule
from slipway.api.scalars import CountOrPercent, Interval, PositiveDuration, PositiveRate, Timeout
from slipway.api.v1alpha1.analysis import Analysis
from slipway.api.v1alpha1.canary import AnalysisMode, BlueGreen, Canary, CanaryStep, Check, Pause
from slipway.api.v1alpha1.fields import Name, Passthrough, ShortText
from slipway.api.v1alpha1.model import (
    DataType,
    DynamicBatching,
    GoldenRequest,
    Instances,
    Model,
    ModelConfig,
    Tensor,
    Tolerance,
    Verification,
)
from slipway.api.v1alpha1.placement import Accelerator, DeviceAlternative, PodMetadata, Scheduling, Sharing
from slipway.api.v1alpha1.server import EnvVar, LocalObjectReference, ResourceRequirements, Server
from slipway.api.v1alpha1.source import S3, Decryption, Signature, SignatureMode, Source, Storage, VolumeType
from slipway.api.v1alpha1.traffic import (
    ApiKeys,
    Authentication,
    CandidateHeader,
    Gateway,
    Jwt,
    RateLimit,
    Retries,
    Timeouts,
    Traffic,
)

__all__ = [
    "S3",
    "Accelerator",
    "Analysis",
    "AnalysisMode",
    "ApiKeys",
    "Authentication",
    "Autoscaling",
    "BlueGreen",
    "Canary",
    "CanaryStep",
    "CandidateHeader",
    "Check",
    "DataType",
    "Decryption",
    "DeviceAlternative",
    "DynamicBatching",
    "EnvVar",
    "Gateway",
    "GoldenRequest",
    "Instances",
    "Jwt",
    "Load",
    "LocalObjectReference",
    "Model",
    "ModelConfig",
    "ModelDeploymentSpec",
    "Name",
    "Passthrough",
    "Pause",
    "PodMetadata",
    "RateLimit",
    "ResourceRequirements",
    "Retries",
    "RollingUpdate",
    "Rollout",
    "RolloutType",
    "Scaler",
    "Scheduling",
    "Server",
    "Sharing",
    "ShortText",
    "Signature",
    "SignatureMode",
    "Source",
    "Storage",
    "Tensor",
    "Timeouts",
    "Tolerance",
    "Traffic",
    "Verification",
    "VolumeType",
]


MOST_PODS: Final = 1000
"""That a model may ask for."""


class Scaler(StrEnum):
    """Who sets the number of pods."""

    SLIPWAY = "Slipway"
    HPA = "HPA"
    KEDA = "KEDA"


class Load(ApiModel):
    """How loaded pods may be, by what Triton counts. Answers out of a cache, and requests that a full queue turns away,
    are in no count of Triton's."""

    target: Annotated[int, Field(ge=1, le=100)] = Field(
        70, description="Percent of what the pods can do: how full batches are, times how busy instances are."
    )
    backlog: PositiveDuration = Field(
        "500ms", description="How long what waits in a pod's queue may take; above the time of one request."
    )
    headroom: Annotated[int, Field(ge=0, le=100)] = Field(0, description="Pods on top of those that the load takes.")
    stabilization: PositiveDuration = Field(
        "5m",
        description="How long fewer pods must have been enough before some go: twice their start time at least, and an "
        "hour at most, which what is longer counts as.",
    )
    capacity: PositiveRate | None = Field(
        None,
        description="Requests a second that one pod can answer, as slipway fit measures it: then load is their rate by "
        "this. Absent: how full batches are, times how busy instances are.",
    )


class Autoscaling(ApiModel):
    """How many pods, by load or by metrics of your own."""

    model_config = checked(
        rule(
            "self.minReplicas <= self.maxReplicas",
            "minReplicas must not be above maxReplicas: lower the one or raise the other",
            ".minReplicas",
        ),
        rule("has(self.load) != has(self.metrics)", "give either load or metrics: one of the two says how many pods"),
        rule(
            "!has(self.scaler) || (self.scaler == 'HPA') == has(self.metrics)",
            "scaler HPA goes by metrics, Slipway and KEDA by load: take scaler out, or give what it goes by",
            ".scaler",
        ),
        rule(
            "!has(self.behavior) || has(self.metrics) || (has(self.scaler) && self.scaler == 'KEDA')",
            "only HPA and KEDA read behavior: take it out",
            ".behavior",
        ),
        rule(
            "!has(self.scaler) || self.scaler != 'KEDA' || !has(self.load) || self.load.headroom == 0",
            "KEDA adds no headroom: take it out, and lower target or raise minReplicas instead",
            ".load.headroom",
        ),
    )

    min_replicas: Annotated[int, Field(ge=1, le=MOST_PODS)] = Field(1, description="Never fewer pods.")
    max_replicas: Annotated[int, Field(ge=1, le=MOST_PODS)] = Field(description="Never more pods.")
    load: Load | None = Field(
        None,
        description="How loaded pods may be. Without an operator Slipway's counts stay: KEDA scales on without.",
    )
    scaler: Scaler | None = Field(
        None,
        description="Absent: Slipway with load, HPA with metrics. KEDA: a ScaledObject per revision, on the same load.",
    )
    metrics: Annotated[list[Passthrough], Field(min_length=1, max_length=16)] | None = Field(
        None, description="A HorizontalPodAutoscaler per revision has them. Metrics as in autoscaling/v2."
    )
    behavior: Passthrough | None = Field(None, description="Behavior as in autoscaling/v2, for HPA and KEDA.")


class RolloutType(StrEnum):
    """How a new version takes the place of the old one."""

    AUTO = "Auto"
    ROLLING_UPDATE = "RollingUpdate"
    RECREATE = "Recreate"
    BLUE_GREEN = "BlueGreen"
    CANARY = "Canary"


class RollingUpdate(ApiModel):
    """How many pods may be there beyond `replicas`, and how many of them may be missing, while versions change."""

    model_config = checked(
        rule(
            "!(string(self.maxSurge) in ['0', '0%']) || "
            "(has(self.maxUnavailable) && !(string(self.maxUnavailable) in ['0', '0%']))",
            "maxSurge 0 leaves no way to start: raise it, or let maxUnavailable be at least 1",
            ".maxSurge",
        )
    )

    max_surge: CountOrPercent = Field("25%", description="Pods beyond the wanted number; a percentage is rounded up.")
    max_unavailable: CountOrPercent | None = Field(
        None,
        description="Pods that may be missing; a percentage is rounded down. Absent: none, unless type is Auto and no "
        "accelerator is free for a surge pod.",
    )


_STEPS: Final = (
    ("has(self.canary)", "self.canary.steps"),
    ("has(self.blueGreen) && has(self.blueGreen.beforeSwitch)", "self.blueGreen.beforeSwitch"),
    ("has(self.blueGreen) && has(self.blueGreen.afterSwitch)", "self.blueGreen.afterSwitch"),
)
"""Where steps may stand, and what to ask first."""
_ANALYSED: Final = " || ".join(f"({there} && {at}.exists(s, has(s.analysis)))" for there, at in _STEPS)


class Rollout(ApiModel):
    """How a new version takes over."""

    model_config = checked(
        rule(
            "!has(self.rollingUpdate) || self.type in ['Auto', 'RollingUpdate']",
            "only the types Auto and RollingUpdate read rollingUpdate: take it out or change type",
            ".rollingUpdate",
        ),
        rule(
            "!has(self.blueGreen) || self.type == 'BlueGreen'",
            "only the type BlueGreen reads blueGreen: take it out or change type",
            ".blueGreen",
        ),
        rule(
            "has(self.canary) == (self.type == 'Canary')",
            "type Canary and canary.steps go together: give both or neither",
            ".canary",
        ),
        rule(
            f"has(self.analysis) == ({_ANALYSED})",
            "analysis and a step that runs it go together: give both or neither",
            ".analysis",
        ),
    )

    type: RolloutType = Field(
        RolloutType.AUTO,
        description="RollingUpdate: pod by pod. Recreate: the old version ends before the new one starts. BlueGreen: "
        "all at once, with the old version in standby. Canary: step by step. Auto: RollingUpdate with surge; where no "
        "accelerator is free for it, one old pod at a time makes room, and status says so beforehand.",
    )
    rolling_update: RollingUpdate | None = None
    blue_green: BlueGreen | None = None
    canary: Canary | None = None
    analysis: Analysis | None = Field(None, description="What a new version's numbers and answers must be.")
    fetch_timeout: Timeout = Field("1h", description="How long a bundle may take to be resolved or fetched.")
    progress_deadline: Timeout = Field(
        "10m",
        description="How long a new version may go without progress once it is fetched; never less than "
        "server.startupTimeout.",
    )
    unschedulable_grace: Interval = Field(
        "5m", description="How long type Auto waits for a free accelerator before an old pod makes room."
    )
    automatic_rollback: bool = Field(
        True, description="Send a version home that fails. Off: it stays as it is, Stalled, until somebody decides."
    )
    history_limit: Annotated[int, Field(ge=1, le=100)] = Field(10, description="Retired revisions that are kept.")


class ModelDeploymentSpec(ApiModel):
    """Which model should answer, and how."""

    model_config = checked(
        rule(
            "!has(self.rollout) || !has(self.rollout.canary) || (has(self.traffic) && has(self.traffic.gateway)) || "
            "!(self.rollout.canary.fullSize || self.rollout.canary.steps.exists(s, has(s.shadow)))",
            "fullSize and shadow steps need a gateway: add traffic.gateway, or take them out",
            ".rollout.canary",
        ),
        rule(
            "!has(self.rollout) || !has(self.rollout.blueGreen) || (has(self.traffic) && has(self.traffic.gateway)) || "
            "!(has(self.rollout.blueGreen.beforeSwitch) || has(self.rollout.blueGreen.afterSwitch))",
            "checks around the switch need a gateway: add traffic.gateway, or take them out",
            ".rollout.blueGreen",
        ),
        rule(
            "!has(self.model.config) || !has(self.model.config.instances) || !has(self.model.config.instances.gpus) || "
            "self.model.config.instances.gpus.all(g, has(self.accelerator) && (has(self.accelerator.anyOf) "
            "? self.accelerator.anyOf.all(a, g < a.count) : g < self.accelerator.count))",
            "instances.gpus names a GPU that the pod does not have: they are counted from 0 to accelerator.count - 1",
            ".model.config.instances.gpus",
        ),
    )

    model: Model
    server: Server | None = None
    accelerator: Accelerator | None = Field(None, description="GPUs for each pod. Absent = CPU.")
    scheduling: Scheduling | None = None
    pod_metadata: PodMetadata | None = None
    replicas: Annotated[int, Field(ge=0, le=MOST_PODS)] = Field(
        1, description="Number of pods. With autoscaling it is only where a new version starts."
    )
    autoscaling: Autoscaling | None = None
    rollout: Rollout | None = None
    traffic: Traffic | None = None
    suspend: bool = Field(False, description="Scale to nothing and keep the object.")
