"""`spec.server`: the Triton server's container."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from slipway.api.base import ApiModel, checked, rule
from slipway.api.scalars import Quantity, Timeout, text, value_rule
from slipway.api.v1alpha1.fields import Name, Passthrough, keyed_by


class LocalObjectReference(ApiModel):
    """An object of the same namespace, by name."""

    name: Name = Field(description="What the object is called.")


class EnvVar(ApiModel):
    """An environment variable of the server's container."""

    model_config = checked(
        rule(
            "!(has(self.value) && has(self.valueFrom))",
            "value and valueFrom exclude each other: keep one",
            ".valueFrom",
        ),
    )

    name: Annotated[
        str,
        text(
            r"^[-._a-zA-Z][-._a-zA-Z0-9]*$",
            "is not the name of a variable: letters, digits, -, _ and ., with no digit in front",
            max_length=256,
            rules=(
                value_rule(
                    "!self.startsWith('SLIPWAY_')", "is Slipway's own, as all that start with SLIPWAY_: rename it"
                ),
            ),
        ),
    ] = Field(description="What the variable is called.")
    value: Annotated[str, Field(max_length=4096)] | None = Field(None, description="What it says.")
    value_from: Passthrough | None = Field(None, description="A Secret's or ConfigMap's key, or a field, as in a pod.")


# Strict: pydantic would read " 2" as the integer 2, which the API server does not.
Resources = Annotated[dict[str, Annotated[int, Field(ge=0, strict=True)] | Quantity], Field(max_length=16)]


def _no_devices(field: str) -> str:
    return f"!has(self.{field}) || self.{field}.all(name, !name.startsWith('nvidia.com/'))"


class ResourceRequirements(ApiModel):
    """Requests and limits of the server's container. GPUs belong to `accelerator`."""

    model_config = checked(
        rule(_no_devices("requests"), "GPUs are asked for in spec.accelerator: take nvidia.com/ out", ".requests"),
        rule(_no_devices("limits"), "GPUs are asked for in spec.accelerator: take nvidia.com/ out", ".limits"),
    )

    requests: Resources | None = Field(None, description="What the container is sure to have.")
    limits: Resources | None = Field(None, description="What it may not go beyond.")


class LockedApi(StrEnum):
    """An API of Triton that is open unless it is locked: it tells callers how a model is served."""

    MODEL_CONFIG = "ModelConfig"
    STATISTICS = "Statistics"


class Server(ApiModel):
    """The Triton server."""

    image: Annotated[str, Field(min_length=1, max_length=512)] | None = Field(
        None, description="Server image. When absent, the operator's, held per revision."
    )
    image_pull_secrets: (
        Annotated[list[LocalObjectReference], Field(max_length=8, json_schema_extra=keyed_by("name"))] | None
    ) = Field(None, description="Secrets to pull it with.")
    args: Annotated[list[Annotated[str, Field(min_length=1, max_length=1024)]], Field(max_length=64)] | None = Field(
        None,
        description="Further arguments of tritonserver. Those that Slipway itself sets are refused when it starts.",
    )
    env: Annotated[list[EnvVar], Field(max_length=64, json_schema_extra=keyed_by("name"))] | None = Field(
        None, description="Environment of the server."
    )
    locked_apis: (
        Annotated[
            list[LockedApi],
            Field(min_length=1, max_length=2, json_schema_extra={"x-kubernetes-list-type": "set"}),
        ]
        | None
    ) = Field(None, description="Triton's APIs that nobody may call, beside those that are locked always.")
    resources: ResourceRequirements | None = None
    request_timeout: Timeout = Field(
        "30s", description="The longest a request may take; how long a stopping server waits for those in flight."
    )
    startup_timeout: Timeout = Field("10m", description="How long loading and the first golden answers may take.")
