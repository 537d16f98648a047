"""An API server alone can have the Gateway API: the standard channel, and nothing that guards it."""

from typing import Any

import pytest

from testbed.plane import Plane
from testbed.shell import CommandError
from tests.conftest import fresh_namespace

pytestmark = pytest.mark.plane


def _route(weight: int) -> dict[str, Any]:
    backend = {"name": "line", "port": 8000, "weight": weight}
    spec = {
        "parentRefs": [{"name": "inference"}],
        "hostnames": ["line.example.com"],
        "rules": [{"backendRefs": [backend]}],
    }
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "line"},
        "spec": spec,
    }


def test_an_api_server_stores_routes_and_refuses_what_the_standard_channel_does_not_know(gateways_plane: Plane) -> None:
    kubectl = gateways_plane.kubectl().within(fresh_namespace(gateways_plane))
    kubectl.apply(_route(weight=75))
    with pytest.raises(CommandError, match="should be less than or equal to 1000000"):
        kubectl.apply(_route(weight=1_000_001))
    experimental = _route(weight=75)
    experimental["spec"]["rules"][0]["retry"] = {"attempts": 1}
    with pytest.raises(CommandError, match='unknown field "retry"'):
        kubectl.apply(experimental)
    (stored,) = kubectl.json("get", "httproutes")["items"]
    assert stored["spec"]["rules"][0]["backendRefs"][0]["weight"] == 75
    assert not kubectl.json("get", "validatingadmissionpolicies")["items"]
