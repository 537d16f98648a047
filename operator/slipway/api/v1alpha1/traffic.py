"""`spec.traffic`: who may call the model, and under which address outside the cluster."""

from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field

from slipway.api.base import ApiModel, checked, rule
from slipway.api.scalars import Interval, text, value_rule
from slipway.api.v1alpha1.fields import Name, NamespaceName, Passthrough, ShortText

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
        # The Gateway API takes no segment of dots.
        r"^(/\.*[A-Za-z0-9_~-][A-Za-z0-9_.~-]*)+$",
        "is not a path prefix: write it like /churn, with no / at the end",
        max_length=256,
    ),
]
HeaderName = Annotated[str, text(r"^[A-Za-z0-9-]+$", "is not the name of a header", max_length=128)]


# In one with a meaning of its own a version's name would be an order: Content-Length, Location, X-Accel-Redirect.
VersionHeader = Annotated[
    str,
    text(
        r"^[A-Za-z0-9-]+$",
        "is not the name of a header",
        max_length=128,
        rules=(
            value_rule(
                "self.lowerAscii().matches('version|revision|release|model')",
                "must have version, revision, release or model in its name: write it like Slipway-Version",
            ),
        ),
    ),
]
HttpsUri = Annotated[str, text(r"^https://[^\s/]+(/\S*)?$", "is not an https:// address", max_length=253)]


class Gateway(ApiModel):
    """A Gateway of the Gateway API."""

    name: Name = Field(description="Of the Gateway.")
    namespace: NamespaceName | None = Field(None, description="Absent = that of the ModelDeployment.")
    section_name: Name | None = Field(None, description="One listener of it; absent = all that fit.")


class Timeouts(ApiModel):
    """How long a request through the gateway may take."""

    request: Interval | None = Field(
        None, description="From its first byte to its answer's last; 0s = no limit; absent = the gateway's own."
    )


class CandidateHeader(ApiModel):
    """A header with which a request reaches the new version, whatever its share."""

    name: HeaderName = Field(description="Of the header.")
    value: Annotated[str, Field(min_length=1, max_length=256, description="Exactly this.")]


class LoadBalancing(StrEnum):
    """Which pod of a version gets the next request."""

    LEAST_REQUEST = "LeastRequest"


class Retries(ApiModel):
    """Of requests for which no connection came about; of no others, so that none runs twice. Needs Envoy Gateway."""

    attempts: Annotated[int, Field(ge=1, le=5)] = Field(description="At most, after the first one.")


class RateUnit(StrEnum):
    """A time in which requests are counted."""

    SECOND = "Second"
    MINUTE = "Minute"
    HOUR = "Hour"


class RateLimit(ApiModel):
    """What each client may ask; more is answered 429. Needs Envoy Gateway, each proxy of which counts by itself."""

    requests: Annotated[int, Field(ge=1, le=1_000_000)] = Field(description="At most so many.")
    per: RateUnit = Field(description="In which time.")
    header: HeaderName | None = Field(
        None, description="Each value of it is a client. Requests without it, and all when absent: each address."
    )


class ApiKeys(ApiModel):
    """Requests must have a key that is in a Secret."""

    secret_name: Name = Field(
        description="Of a Secret, which the gateway reads: an entry for each client, with its key."
    )
    header: HeaderName = Field("x-api-key", description="The header that has the key.")


class Jwt(ApiModel):
    """Requests must have a JSON Web Token in `Authorization: Bearer`."""

    issuer: Annotated[str, Field(min_length=1, max_length=253)] = Field(description="Its `iss`.")
    jwks_uri: HttpsUri = Field(description="Where the issuer's keys are.")
    audiences: Annotated[list[ShortText], Field(min_length=1, max_length=8)] | None = Field(
        None, description="One must be in its `aud`. Absent = any."
    )


class Authentication(ApiModel):
    """Whom the gateway lets in; with both, a request needs both. Needs Envoy Gateway; no route opens unguarded."""

    model_config = checked(
        rule(
            "has(self.apiKeys) || has(self.jwt)",
            "authentication needs apiKeys, jwt or both: give one, or take it out",
        )
    )

    api_keys: ApiKeys | None = None
    jwt: Jwt | None = None


class GrpcRoute(ApiModel):
    """A route of its own for gRPC, for gateways that do not serve gRPC by an HTTPRoute. It has no timeouts but the
    gateway's own."""

    hostnames: Annotated[list[Hostname], Field(min_length=1, max_length=8)] = Field(
        description="Others than those of HTTP, unless the listener is another."
    )
    section_name: Name | None = Field(None, description="A listener for gRPC; absent = gateway.sectionName.")


_MEET: Final = (
    "h == g || (h.startsWith('*.') && g.endsWith(h.substring(1))) || (g.startsWith('*.') && h.endsWith(g.substring(1)))"
)
"""Whether two hostnames have any in common."""
_APART: Final = (
    "(has(self.grpcRoute.sectionName) && has(self.gateway.sectionName)"
    " && self.grpcRoute.sectionName != self.gateway.sectionName)"
)
_OF_ENVOY_GATEWAY: Final = " || ".join(
    f"has(self.{field})" for field in ("loadBalancing", "retries", "rateLimit", "maxRequestSize", "authentication")
)


# The proxy, which others' requests go through too, holds each body in memory.
BodySize = Annotated[
    str,
    text(
        r"^([1-9][0-9]{0,8}|[1-9][0-9]{0,5}Ki|([1-9][0-9]{0,2}|10[01][0-9]|102[0-4])Mi|1Gi)$",
        "is not a size of a body: write it like 512Ki or 16Mi, 1Gi at most",
        max_length=16,
    ),
]


class Traffic(ApiModel):
    """Who may call the model, and under which address outside the cluster."""

    model_config = checked(
        rule(
            f"!has(self.grpcRoute) || !has(self.gateway) || {_APART} || (has(self.hostnames)"
            f" && !self.hostnames.exists(h, self.grpcRoute.hostnames.exists(g, {_MEET})))",
            "HTTP and gRPC may share no hostname on one listener: give each its own hostnames, or each a sectionName",
            ".grpcRoute.hostnames",
        ),
        rule(
            f"!has(self.grpcRoute) || !({_OF_ENVOY_GATEWAY})",
            "Envoy Gateway needs no GRPCRoute, and guards none: take grpcRoute out, or what only Envoy Gateway reads",
            ".grpcRoute",
        ),
        *(
            rule(
                f"!has(self.{field}) || has(self.gateway)",
                f"only a gateway reads {field}: add traffic.gateway, or take it out",
                f".{field}",
            )
            for field in (
                "hostnames",
                "pathPrefix",
                "timeouts",
                "candidateHeader",
                "versionHeader",
                "loadBalancing",
                "retries",
                "rateLimit",
                "maxRequestSize",
                "authentication",
                "grpcRoute",
            )
        ),
    )

    gateway: Gateway | None = Field(None, description="The Gateway through which clients outside the cluster come.")
    hostnames: Annotated[list[Hostname], Field(min_length=1, max_length=8)] | None = Field(
        None, description="Absent = every hostname of the Gateway's listeners."
    )
    path_prefix: PathPrefix | None = Field(
        None, description="For HTTP, before /v2; taken off again. gRPC has no such thing and is then not routed."
    )
    timeouts: Timeouts | None = Field(None, description="Absent = server.requestTimeout.")
    grpc_route: GrpcRoute | None = None
    candidate_header: CandidateHeader | None = None
    version_header: VersionHeader | None = Field(
        None,
        description="A header that the gateway puts on each answer, as in Slipway-Version: the version that gave it.",
    )
    load_balancing: LoadBalancing | None = Field(
        None, description="LeastRequest: the pod with the fewest requests under way. Needs Envoy Gateway."
    )
    retries: Retries | None = None
    rate_limit: RateLimit | None = None
    max_request_size: BodySize | None = Field(
        None,
        description="The largest body; more is answered 413. Needs Envoy Gateway, which then takes in each request "
        "whole: gRPC calls that stream do not pass.",
    )
    authentication: Authentication | None = None
    allow_from: Annotated[list[Passthrough], Field(min_length=1, max_length=32)] | None = Field(
        None, description="NetworkPolicy peers that may reach the model's ports; all others are cut off."
    )
    allow_to: Annotated[list[Passthrough], Field(min_length=1, max_length=32)] | None = Field(
        None,
        description="NetworkPolicy peers that its pods may reach, beside DNS and where the bundle comes from; all "
        "others are cut off.",
    )
