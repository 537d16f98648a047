"""SecurityPolicy of a ModelDeployment: whom Envoy Gateway lets in. With API keys and tokens, a request needs both."""

from typing import Final

from slipway.api.v1alpha1.spec import ApiKeys, Jwt, Traffic
from slipway.core.children.policy import policy
from slipway.core.children.route import API_VERSION, ROUTE
from slipway.core.names import Manifest
from slipway.core.owner import Owner

SECURITY_POLICY: Final = "SecurityPolicy"
KEYS_SECONDS: Final = 5
"""A proxy asks an issuer for its keys for so long. All other changes of the listener wait for it meanwhile."""
_BEARER: Final = {"name": "Authorization", "valuePrefix": "Bearer "}
"""There alone: else a token may stand in the query as well, which ends up in logs."""
CLIENT: Final = "slipway-client"
"""The header with the name that the Secret of keys has for a client."""


def security_policy(*, owner: Owner, traffic: Traffic, route_uid: str | None) -> Manifest | None:
    """The policy; None where no authentication is asked for. `route_uid` is of the route, where it is there already."""
    asked = traffic.authentication
    if asked is None:
        return None
    spec: Manifest = {}
    if asked.api_keys:
        spec["apiKeyAuth"] = _api_keys(asked.api_keys, counted=are_counted_by_key(traffic))
    if asked.jwt:
        spec["jwt"] = {"providers": [_provider(asked.jwt)]}
    made = policy(SECURITY_POLICY, owner=owner, spec=spec)
    return _outlives(made, route_uid) if route_uid else made


def are_counted_by_key(traffic: Traffic) -> bool:
    """Whether a limit counts each client by the key that it shows."""
    keys = traffic.authentication.api_keys if traffic.authentication else None
    counted = traffic.rate_limit.header if traffic.rate_limit else None
    return bool(keys and counted and keys.header.lower() == counted.lower())


def _api_keys(asked: ApiKeys, *, counted: bool) -> Manifest:
    """No pod sees a key. A limit comes after the key was looked at and taken off, and counts the client's name, which
    Envoy writes over whatever a client has put there."""
    return {
        "credentialRefs": [{"name": asked.secret_name}],
        "extractFrom": [{"headers": [asked.header]}],
        "sanitize": True,
        **({"forwardClientIDHeader": CLIENT} if counted else {}),
    }


def _provider(asked: Jwt) -> Manifest:
    audiences = {"audiences": list(asked.audiences)} if asked.audiences else {}
    patience = {"timeout": {"http": {"requestTimeout": f"{KEYS_SECONDS}s"}}}
    return {
        "name": "jwt",
        "issuer": asked.issuer,
        **audiences,
        "extractFrom": {"headers": [_BEARER]},
        "remoteJWKS": {"uri": asked.jwks_uri, "backendSettings": patience},
    }


def _outlives(made: Manifest, route_uid: str) -> Manifest:
    """Garbage collection takes a child when its last owner is gone. When a ModelDeployment is deleted, the route must
    not be there for a moment longer than what guards it."""
    meta = made["metadata"]
    reference = {"apiVersion": API_VERSION, "kind": ROUTE, "name": meta["name"], "uid": route_uid}
    return {**made, "metadata": {**meta, "ownerReferences": [reference]}}
