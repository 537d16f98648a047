"""BackendTrafficPolicy of a ModelDeployment: Envoy Gateway's balancing, retries, and limits for clients and bodies."""

from collections.abc import Iterator
from typing import Final

from slipway.api.v1alpha1.spec import RateLimit, Traffic
from slipway.core.children.policy import policy
from slipway.core.children.security_policy import CLIENT, are_counted_by_key
from slipway.core.names import Manifest
from slipway.core.owner import Owner

BACKEND_TRAFFIC_POLICY: Final = "BackendTrafficPolicy"
EVERYWHERE: Final = ("0.0.0.0/0", "::/0")


def backend_traffic_policy(*, owner: Owner, traffic: Traffic) -> Manifest | None:
    """The policy; None where nothing of it is asked for."""
    spec: Manifest = {}
    if traffic.load_balancing:
        spec["loadBalancer"] = {"type": traffic.load_balancing.value}
    if traffic.retries:
        # No other trigger: once a request was sent, nobody knows whether the model has run.
        spec["retry"] = {"numRetries": traffic.retries.attempts, "retryOn": {"triggers": ["connect-failure"]}}
    if traffic.rate_limit:
        spec["rateLimit"] = {"local": {"rules": list(_rules(traffic.rate_limit, _counted_by(traffic)))}}
    if traffic.max_request_size:
        spec["requestBuffer"] = {"limit": traffic.max_request_size}
    return policy(BACKEND_TRAFFIC_POLICY, owner=owner, spec=spec) if spec else None


def _counted_by(traffic: Traffic) -> str | None:
    """The header by which clients are told apart."""
    if are_counted_by_key(traffic):
        return CLIENT
    return traffic.rate_limit.header if traffic.rate_limit else None


def _rules(asked: RateLimit, header: str | None) -> Iterator[Manifest]:
    """One count for each client. What a header does not tell apart, its absence or emptiness, the address does: else it
    would be a way around the limit."""
    limit = {"requests": asked.requests, "unit": asked.per.value}
    without: Manifest = {}
    if header:
        yield {"clientSelectors": [{"headers": [{"type": "Distinct", "name": header}]}], "limit": limit}
        absent = {"type": "RegularExpression", "name": header, "value": ".+", "invert": True}
        without = {"headers": [absent]}
    for block in EVERYWHERE:
        address = {"type": "Distinct", "value": block}
        yield {"clientSelectors": [{**without, "sourceCIDR": address}], "limit": limit}
