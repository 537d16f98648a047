"""A real API server takes what the charts render, under restricted Pod Security and strict field validation."""

import json

import pytest
import yaml

from testbed.plane import Plane
from testbed.shell import CommandError
from tests.charts.render import ALLOWED, CLOSED, NAMESPACE, Manifest, objects, of_kind, text

pytestmark = pytest.mark.plane
RESTRICTED = "pod-security.kubernetes.io/enforce=restricted"


@pytest.fixture
def server(plane: Plane) -> Plane:
    kubectl = plane.kubectl()
    for name in (NAMESPACE, "red"):
        kubectl("create", "namespace", name, check=False)
    kubectl("label", "namespace", NAMESPACE, RESTRICTED, "--overwrite")
    return plane


def dry_run(server: Plane, manifests: str) -> str:
    return server.kubectl()(
        "apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", "-", stdin=manifests
    )


@pytest.mark.parametrize(
    "values",
    [(), (*ALLOWED, *CLOSED, "namespaces={red}", "podLabels.team=ml", "priorityClassName=system-cluster-critical")],
)
def test_every_rendered_object_is_accepted(server: Plane, values: tuple[str, ...]) -> None:
    told = dry_run(server, text("slipway", *values))
    assert told.count("serverside-applied") == len(objects(*values))


def test_the_crds_are_accepted(server: Plane) -> None:
    assert "customresourcedefinition" in dry_run(server, text("slipway-crds"))


def operator_pod() -> Manifest:
    template = of_kind("Deployment")[0]["spec"]["template"]
    # Plain processes have no service account controller, and the account is no part of Pod Security.
    spec = {**template["spec"], "serviceAccountName": "default"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "operator", "namespace": NAMESPACE}, "spec": spec}


def test_the_operators_pod_passes_restricted_pod_security(server: Plane) -> None:
    assert "operator" in dry_run(server, json.dumps(operator_pod()))
    pod = operator_pod()
    pod["spec"]["containers"][0].pop("securityContext")
    with pytest.raises(CommandError, match="violates PodSecurity"):
        dry_run(server, yaml.safe_dump(pod))
