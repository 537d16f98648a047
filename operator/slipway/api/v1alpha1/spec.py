"""`ModelDeployment.spec`: which model should answer, on what, and how many of it.

Field descriptions become the CRD's and the reference's. Defaults live here and so in the CRD schema; they are literals,
because the API server and this code must agree on them. CEL rules stand beside the model that they are about.
"""

from typing import Annotated

from pydantic import Field

from slipway.api.base import ApiModel, checked, rule
from slipway.api.scalars import Timeout
from slipway.api.v1alpha1.fields import Name, Passthrough, ShortText
from slipway.api.v1alpha1.model import (
    S3,
    DataType,
    DynamicBatching,
    GoldenRequest,
    Instances,
    Model,
    ModelConfig,
    Source,
    Storage,
    Tensor,
    Tolerance,
    Verification,
    VolumeType,
)
from slipway.api.v1alpha1.placement import Accelerator, PodMetadata, Scheduling, Sharing
from slipway.api.v1alpha1.server import EnvVar, LocalObjectReference, ResourceRequirements, Server

__all__ = [
    "S3",
    "Accelerator",
    "Autoscaling",
    "DataType",
    "DynamicBatching",
    "EnvVar",
    "GoldenRequest",
    "Instances",
    "LocalObjectReference",
    "Model",
    "ModelConfig",
    "ModelDeploymentSpec",
    "Name",
    "Passthrough",
    "PodMetadata",
    "ResourceRequirements",
    "Rollout",
    "Scheduling",
    "Server",
    "Sharing",
    "ShortText",
    "Source",
    "Storage",
    "Tensor",
    "Tolerance",
    "Traffic",
    "Verification",
    "VolumeType",
]


class Autoscaling(ApiModel):
    """A HorizontalPodAutoscaler per revision, as autoscaling/v2 has it."""

    model_config = checked(
        rule(
            "self.minReplicas <= self.maxReplicas",
            "minReplicas must not be above maxReplicas: lower the one or raise the other",
            ".minReplicas",
        )
    )

    min_replicas: Annotated[int, Field(ge=1, le=1000)] = Field(1, description="Never fewer pods.")
    max_replicas: Annotated[int, Field(ge=1, le=1000)] = Field(description="Never more pods.")
    metrics: Annotated[list[Passthrough], Field(min_length=1, max_length=16)] = Field(
        description="Metrics as in autoscaling/v2."
    )
    behavior: Passthrough | None = Field(None, description="Behavior as in autoscaling/v2.")


class Rollout(ApiModel):
    """How a new version takes over."""

    fetch_timeout: Timeout = Field("1h", description="How long a bundle may take to be resolved or fetched.")
    progress_deadline: Timeout = Field(
        "10m", description="How long a new version may go without progress once it is fetched."
    )
    history_limit: Annotated[int, Field(ge=1, le=100)] = Field(10, description="Retired revisions that are kept.")


class Traffic(ApiModel):
    """Who may call the model."""

    allow_from: Annotated[list[Passthrough], Field(min_length=1, max_length=32)] | None = Field(
        None, description="NetworkPolicy peers that may reach the model's ports; all others are cut off."
    )


class ModelDeploymentSpec(ApiModel):
    """Which model should answer, and how."""

    model: Model
    server: Server | None = None
    accelerator: Accelerator | None = Field(None, description="GPUs for each pod. Absent = CPU.")
    scheduling: Scheduling | None = None
    pod_metadata: PodMetadata | None = None
    replicas: Annotated[int, Field(ge=0, le=1000)] = Field(
        1, description="Number of pods. With autoscaling it is only where a new version starts."
    )
    autoscaling: Autoscaling | None = None
    rollout: Rollout | None = None
    traffic: Traffic | None = None
    suspend: bool = Field(False, description="Scale to nothing and keep the object.")
