"""An API server with Envoy Gateway's own CRDs takes our policies, and gives back what is not taken for drift."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from slipway.api.v1alpha1 import API_VERSION, KIND
from slipway.api.v1alpha1.spec import Traffic
from slipway.core.children.backend_traffic_policy import backend_traffic_policy
from slipway.core.children.security_policy import security_policy
from slipway.core.drift import contains, finished
from slipway.core.facts import Owner
from slipway.core.names import Manifest
from testbed.gateway.crds import envoy_gateway_crds
from testbed.plane import Plane
from testbed.shell import CommandError

pytestmark = pytest.mark.plane

KEYS = {"apiKeys": {"secretName": "clients"}}
JWT = {"jwt": {"issuer": "https://i.example", "jwksUri": "https://i.example/keys", "audiences": ["churn"]}}
ASKED: dict[str, dict[str, Any]] = {
    "everything": {
        "loadBalancing": "LeastRequest",
        "retries": {"attempts": 5},
        "rateLimit": {"requests": 1_000_000, "per": "Hour", "header": "x-tenant"},
        "authentication": {**KEYS, **JWT},
    },
    "a limit by address": {"rateLimit": {"requests": 1, "per": "Second"}},
    "keys by which requests are counted": {
        "rateLimit": {"requests": 1, "per": "Minute", "header": "x-api-key"},
        "authentication": KEYS,
    },
    "tokens": {"authentication": JWT},
}


@pytest.fixture(scope="module")
def server(plane: Plane) -> Plane:
    plane.add_crds(envoy_gateway_crds())
    return plane


def made(asked: dict[str, Any], owner: Owner) -> Iterator[Manifest]:
    """The policies, as they are applied."""
    traffic = Traffic.model_validate({"gateway": {"name": "inference"}, **asked})
    policies = (
        security_policy(owner=owner, traffic=traffic, route_uid="22222222-2222-3333-4444-555555555555"),
        backend_traffic_policy(owner=owner, traffic=traffic),
    )
    return (finished(policy, owner=owner, api_version=API_VERSION, kind=KIND) for policy in policies if policy)


def apply(server: Plane, policy: Manifest) -> Manifest:
    """What the API server makes of it."""
    argv = ("apply", "--server-side", "--validate=strict", "--output=json", "--filename=-")
    stored: Manifest = json.loads(server.kubectl()(*argv, stdin=json.dumps(policy)))
    return stored


@pytest.mark.parametrize("asked", ASKED.values(), ids=ASKED)
def test_every_policy_is_taken_and_reads_back_whole(server: Plane, namespace: str, asked: dict[str, Any]) -> None:
    owner = Owner(namespace=namespace, name="churn", uid="11111111-2222-3333-4444-555555555555")
    for policy in made(asked, owner):
        assert contains(apply(server, policy), policy)


def test_a_trigger_that_it_does_not_know_is_refused(server: Plane, namespace: str) -> None:
    owner = Owner(namespace=namespace, name="churn", uid="11111111-2222-3333-4444-555555555555")
    (policy,) = made({"retries": {"attempts": 1}}, owner)
    policy["spec"]["retry"]["retryOn"]["triggers"] = ["never-sent"]
    with pytest.raises(CommandError, match="never-sent"):
        apply(server, policy)
