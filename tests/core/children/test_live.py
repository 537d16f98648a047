"""What the API server makes of our manifests is still what we asked for: otherwise every pass would write it again."""

import json
from collections.abc import Iterator

import pytest

from slipway.core.children.manifest import finished
from slipway.core.drift import as_asked
from slipway.core.names import Manifest
from testbed.gateway.crds import envoy_gateway_crds, gateway_api_crds
from testbed.keda.crds import keda_crds
from testbed.plane import Plane
from testbed.shell import CommandError
from tests.conftest import fresh_namespace
from tests.core.children.every import SPECS, TRAFFIC, around, of_keda, of_spec, of_traffic
from tests.core.gen import owner

pytestmark = pytest.mark.plane


@pytest.fixture(scope="module")
def gateways() -> Iterator[Plane]:
    """A plane that knows the kinds of gateways and KEDA's. `plane` must not: operators that others start there find
    none."""
    with Plane() as started:
        started.start()
        for folder in (gateway_api_crds(), envoy_gateway_crds(), keda_crds()):
            started.add_crds(folder)
        yield started


@pytest.fixture
def shop(gateways: Plane) -> str:
    """A new namespace there."""
    return fresh_namespace(gateways)


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
    return [(m, kubectl.json("get", m["kind"], m["metadata"]["name"])) for m in asked]


@pytest.mark.parametrize("spec", SPECS)
def test_a_fresh_child_of_a_spec_has_not_drifted(spec: str, plane: Plane, namespace: str) -> None:
    for asked, live in applied(list(of_spec(spec)), plane, namespace):
        assert as_asked(live, asked), asked["kind"]


def test_a_fresh_child_around_a_workload_has_not_drifted(plane: Plane, namespace: str) -> None:
    for asked, live in applied(list(around()), plane, namespace):
        assert as_asked(live, asked), asked["kind"]


@pytest.mark.parametrize("traffic", TRAFFIC)
def test_a_fresh_route_or_policy_has_not_drifted(traffic: str, gateways: Plane, shop: str) -> None:
    for asked, live in applied(list(of_traffic(traffic)), gateways, shop):
        assert as_asked(live, asked), asked["kind"]


def test_a_fresh_scaled_object_has_not_drifted(gateways: Plane, shop: str) -> None:
    for asked, live in applied(list(of_keda()), gateways, shop):
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
    place: tuple[str, ...], value: object, says: str, gateways: Plane, shop: str
) -> None:
    (policy,) = (each for each in of_traffic("policies with everything") if each["kind"] == "BackendTrafficPolicy")
    inner = policy["spec"]
    for step in place[:-1]:
        inner = inner[step]
    inner[place[-1]] = value
    with pytest.raises(CommandError, match=says):
        applied([policy], gateways, shop)


def test_a_pod_of_ours_is_let_into_a_namespace_that_is_restricted(plane: Plane, namespace: str) -> None:
    kubectl = plane.kubectl()
    kubectl("label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")

    for manifest in of_spec("everything on a CPU"):
        if "template" in manifest.get("spec", {}):
            template = manifest["spec"]["template"]
            # A bare API server has no service account and no priority or runtime class; none of them is about security.
            left_out = ("serviceAccountName", "priorityClassName", "runtimeClassName")
            spec = {k: v for k, v in template["spec"].items() if k not in left_out}
            pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {**template["metadata"], "name": "x"}, "spec": spec}
            kubectl.within(namespace)("create", "--dry-run=server", "-f", "-", stdin=json.dumps(pod))
