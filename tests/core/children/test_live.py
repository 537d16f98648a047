"""What the API server makes of our manifests is still what we asked for: otherwise every pass would write it again."""

import json

import pytest

from slipway.core.children.manifest import finished
from slipway.core.drift import as_asked
from slipway.core.names import Manifest
from testbed.plane import Plane
from testbed.shell import CommandError
from tests.conftest import fresh_namespace
from tests.core.children.every import SPECS, TRAFFIC, around, of_keda, of_spec, of_traffic
from tests.core.gen import owner

pytestmark = pytest.mark.plane


@pytest.fixture
def shop(gateways_plane: Plane) -> str:
    """A new namespace on a plane that knows all kinds of children."""
    return fresh_namespace(gateways_plane)


def applied(manifests: list[Manifest], plane: Plane, namespace: str) -> list[tuple[Manifest, Manifest]]:
    """Each manifest as it was applied, and as it then reads."""
    kubectl = plane.kubectl().within(namespace)
    asked = [
        finished(
            m, owner=owner(namespace=namespace), api_version="serving.slipway.dev/v1alpha1", kind="ModelDeployment"
        )
        for m in manifests
    ]
    kubectl.apply(*asked)
    named = {(each["kind"], each["metadata"]["name"]) for each in asked}
    read = kubectl.json("get", ",".join(sorted({each["kind"] for each in asked})))["items"]
    live = {key: each for each in read if (key := (each["kind"], each["metadata"]["name"])) in named}
    return [(each, live[each["kind"], each["metadata"]["name"]]) for each in asked]


@pytest.mark.parametrize("spec", SPECS)
def test_a_fresh_child_of_a_spec_has_not_drifted(spec: str, gateways_plane: Plane, shop: str) -> None:
    for asked, live in applied(list(of_spec(spec)), gateways_plane, shop):
        assert as_asked(live, asked), asked["kind"]


def test_a_fresh_child_around_a_workload_has_not_drifted(gateways_plane: Plane, shop: str) -> None:
    for asked, live in applied(list(around()), gateways_plane, shop):
        assert as_asked(live, asked), asked["kind"]


@pytest.mark.parametrize("traffic", TRAFFIC)
def test_a_fresh_route_or_policy_has_not_drifted(traffic: str, gateways_plane: Plane, shop: str) -> None:
    for asked, live in applied(list(of_traffic(traffic)), gateways_plane, shop):
        assert as_asked(live, asked), asked["kind"]


def test_a_fresh_scaled_object_has_not_drifted(gateways_plane: Plane, shop: str) -> None:
    for asked, live in applied(list(of_keda()), gateways_plane, shop):
        assert as_asked(live, asked), asked["kind"]


@pytest.mark.parametrize(
    ("place", "value", "says"),
    [
        (("retry", "retryOn", "triggers"), ["never-sent"], "never-sent"),
        (("retry", "attempts"), 5, "unknown field"),
    ],
    ids=["a value", "a field"],
)
def test_what_a_policy_has_no_room_for_is_found(
    place: tuple[str, ...], value: object, says: str, gateways_plane: Plane, shop: str
) -> None:
    (policy,) = (each for each in of_traffic("policies with everything") if each["kind"] == "BackendTrafficPolicy")
    inner = policy["spec"]
    for step in place[:-1]:
        inner = inner[step]
    inner[place[-1]] = value
    with pytest.raises(CommandError, match=says):
        applied([policy], gateways_plane, shop)


def test_a_pod_of_ours_is_let_into_a_namespace_that_is_restricted(gateways_plane: Plane, shop: str) -> None:
    kubectl = gateways_plane.kubectl()
    kubectl("label", "namespace", shop, "pod-security.kubernetes.io/enforce=restricted")

    for manifest in of_spec("everything on a CPU"):
        if "template" in manifest.get("spec", {}):
            template = manifest["spec"]["template"]
            # A bare API server has no service account and no priority or runtime class; none of them is about security.
            left_out = ("serviceAccountName", "priorityClassName", "runtimeClassName")
            spec = {k: v for k, v in template["spec"].items() if k not in left_out}
            pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {**template["metadata"], "name": "x"}, "spec": spec}
            kubectl.within(shop)("create", "--dry-run=server", "-f", "-", stdin=json.dumps(pod))
