"""The ResourceClaimTemplate of a revision: the devices that each of its pods claims.

Its spec is immutable in the API, and so is a revision: each has one of its own. Kubernetes makes a ResourceClaim of it
for each pod, which ends with the pod.
"""

from typing import Any, Final

from slipway.api.v1alpha1.spec import Accelerator, DeviceAlternative
from slipway.core.children.accelerator import device_requests
from slipway.core.children.pod import present
from slipway.core.names import Manifest, labels, of_revision
from slipway.core.owner import Owner

RESOURCE_CLAIM_TEMPLATE: Final = "ResourceClaimTemplate"
RESOURCE_API: Final = "resource.k8s.io/v1"
CLAIM: Final = "accelerator"
"""Of the claim in its pod, and of its one request."""


def resource_claim_template(*, owner: Owner, accelerator: Accelerator, revision: str) -> Manifest:
    """The template, with labels for the claims that are made of it."""
    marks = labels(owner.name, component="server", revision=revision)
    return {
        "apiVersion": RESOURCE_API,
        "kind": RESOURCE_CLAIM_TEMPLATE,
        "metadata": {"name": of_revision(owner.name, revision), "labels": marks},
        "spec": {"metadata": {"labels": dict(marks)}, "spec": {"devices": {"requests": [_request(accelerator)]}}},
    }


def _request(accelerator: Accelerator) -> dict[str, Any]:
    requests = device_requests(accelerator)
    if accelerator.any_of is None:
        return {"name": CLAIM, "exactly": _devices(requests[0])}
    ordered = [{"name": f"choice-{place}", **_devices(each)} for place, each in enumerate(requests, start=1)]
    return {"name": CLAIM, "firstAvailable": ordered}


def _devices(asked: DeviceAlternative) -> dict[str, Any]:
    return present(
        {
            "deviceClassName": asked.device_class,
            "allocationMode": "ExactCount",
            "count": asked.count,
            "selectors": [{"cel": {"expression": expression}} for expression in asked.selectors or ()],
        }
    )
