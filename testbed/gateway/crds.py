"""The Gateway API and Envoy Gateway's policies as a cluster has them: CRDs, each from its own Go module.

Of the Gateway API those of the standard channel; of Envoy Gateway the kinds that we make.
"""

from pathlib import Path
from typing import Final

from testbed.module_crds import kept
from testbed.shell import CACHE

MODULE: Final = "sigs.k8s.io/gateway-api"
VERSION: Final = "v1.6.1"  # what Envoy Gateway 1.9.1 is built with
ENVOY_MODULE: Final = "github.com/envoyproxy/gateway"
ENVOY_VERSION: Final = "v1.9.1"
_POLICIES: Final = ("backendtrafficpolicies", "securitypolicies")


def gateway_api_crds() -> Path:
    """The folder of the CRDs, one a file, fetched first where it is absent."""
    return kept(CACHE / f"gateway-api-{VERSION}", f"{MODULE}@{VERSION}", "config/crd/standard/*.yaml")


def envoy_gateway_crds() -> Path:
    """The folder of the CRDs of the policies, one a file, fetched first where it is absent."""
    files = (f"charts/gateway-helm/charts/crds/crds/generated/*_{kind}.yaml" for kind in _POLICIES)
    return kept(CACHE / f"envoy-gateway-policies-{ENVOY_VERSION}", f"{ENVOY_MODULE}@{ENVOY_VERSION}", *files)
