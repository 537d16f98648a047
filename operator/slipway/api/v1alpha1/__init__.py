"""`serving.slipway.dev/v1alpha1`: the ModelDeployment."""

from slipway.api.v1alpha1.spec import ModelDeploymentSpec
from slipway.api.v1alpha1.status import ModelDeploymentStatus

GROUP = "serving.slipway.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
KIND = "ModelDeployment"
PLURAL = "modeldeployments"

__all__ = ["API_VERSION", "GROUP", "KIND", "PLURAL", "VERSION", "ModelDeploymentSpec", "ModelDeploymentStatus"]
