"""`serving.slipway.dev/v1alpha1`: the ModelDeployment; RegisteredModel and ModelVersion of the catalogue."""

from typing import Final, NamedTuple

from slipway.api.v1alpha1.catalogue import (
    ModelVersionSpec,
    ModelVersionStatus,
    RegisteredModelSpec,
    RegisteredModelStatus,
)
from slipway.api.v1alpha1.spec import ModelDeploymentSpec
from slipway.api.v1alpha1.status import ModelDeploymentStatus


class Named(NamedTuple):
    """What a kind is called."""

    kind: str
    plural: str
    short: str


GROUP = "serving.slipway.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
KIND = "ModelDeployment"
PLURAL = "modeldeployments"
MODELS: Final = f"{PLURAL}.{GROUP}"
"""As kubectl and the API server name the resource, and the CRD."""
REGISTERED_MODEL: Final = Named("RegisteredModel", "registeredmodels", "rm")
MODEL_VERSION: Final = Named("ModelVersion", "modelversions", "mv")

__all__ = [
    "API_VERSION",
    "GROUP",
    "KIND",
    "MODELS",
    "MODEL_VERSION",
    "PLURAL",
    "REGISTERED_MODEL",
    "VERSION",
    "ModelDeploymentSpec",
    "ModelDeploymentStatus",
    "ModelVersionSpec",
    "ModelVersionStatus",
    "Named",
    "RegisteredModelSpec",
    "RegisteredModelStatus",
]
