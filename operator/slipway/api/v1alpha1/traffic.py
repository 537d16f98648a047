"""`spec.traffic`: who may call the model, and under which address outside the cluster."""

from typing import Annotated

from pydantic import Field

from slipway.api.base import ApiModel, checked, rule
from slipway.api.scalars import Interval, text
from slipway.api.v1alpha1.fields import Name, Passthrough

Hostname = Annotated[
    str,
    text(
        r"^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$",
        "is not a hostname: write it like churn.example.com",
        max_length=253,
    ),
]
PathPrefix = Annotated[
    str,
    text(
        r"^(/[A-Za-z0-9_.~-]+)+$",
        "is not a path prefix: write it like /churn, with no / at the end",
        max_length=256,
    ),
]
HeaderName = Annotated[str, text(r"^[A-Za-z0-9-]+$", "is not the name of a header", max_length=128)]


class Gateway(ApiModel):
    """A Gateway of the Gateway API."""

    name: Name = Field(description="Of the Gateway.")
    namespace: Name | None = Field(None, description="Absent = that of the ModelDeployment.")
    section_name: Name | None = Field(None, description="One listener of it; absent = all that fit.")


class Timeouts(ApiModel):
    """How long a request through the gateway may take."""

    request: Interval = Field(description="From its first byte to its answer's last; 0s = no limit.")


class CandidateHeader(ApiModel):
    """A header with which a request reaches the new version, whatever its share."""

    name: HeaderName = Field(description="Of the header.")
    value: Annotated[str, Field(min_length=1, max_length=256, description="Exactly this.")]


class Traffic(ApiModel):
    """Who may call the model, and under which address outside the cluster."""

    model_config = checked(
        *(
            rule(
                f"!has(self.{field}) || has(self.gateway)",
                f"only a gateway reads {field}: add traffic.gateway, or take it out",
                f".{field}",
            )
            for field in ("hostnames", "pathPrefix", "timeouts", "candidateHeader")
        )
    )

    gateway: Gateway | None = Field(None, description="The Gateway through which clients outside the cluster come.")
    hostnames: Annotated[list[Hostname], Field(min_length=1, max_length=8)] | None = Field(
        None, description="Absent = every hostname of the Gateway's listeners."
    )
    path_prefix: PathPrefix | None = Field(
        None, description="For HTTP, before /v2; taken off again. gRPC has no such thing and is then not routed."
    )
    timeouts: Timeouts | None = Field(None, description="Absent = server.requestTimeout.")
    candidate_header: CandidateHeader | None = None
    allow_from: Annotated[list[Passthrough], Field(min_length=1, max_length=32)] | None = Field(
        None, description="NetworkPolicy peers that may reach the model's ports; all others are cut off."
    )
