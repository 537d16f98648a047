"""Field types that several parts of the API share."""

from typing import Annotated, Any

from pydantic import Field
from pydantic.config import JsonDict

from slipway.api.scalars import text
from slipway.api.structural import PRESERVE_UNKNOWN

Name = Annotated[
    str,
    text(
        r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$",
        "is not the name of a Kubernetes object: lower-case letters, digits, - and ., neither first nor last a - or .",
        max_length=253,
    ),
]
NamespaceName = Annotated[
    str,
    text(
        r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
        "is not the name of a namespace: lower-case letters, digits and -, neither first nor last a -",
        max_length=63,
    ),
]
ShortText = Annotated[str, Field(min_length=1, max_length=256)]
LabelValue = Annotated[
    str,
    text(
        r"^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$",
        "is not a label value: letters, digits, -, _ and ., with a letter or digit at both ends",
        max_length=63,
    ),
]
# A free-form piece of the Kubernetes API that we hand through unchanged: the API server validates it on the pod.
Passthrough = Annotated[dict[str, Any], Field(json_schema_extra={PRESERVE_UNKNOWN: True})]


def keyed_by(key: str) -> JsonDict:
    """A list whose items have a name: no two alike, and writers of different items do not disturb each other."""
    return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [key]}
