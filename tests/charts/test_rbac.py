"""The operator may do what it does and nothing else; users may do with models what they may do with Deployments."""

import json

import pytest
import yaml

from testbed.plane import Plane
from tests.charts.render import NAMESPACE, Manifest, granted, of_kind, rbac, table

CHILD = "create delete get list patch watch"
WHERE_MODELS_LIVE = {
    "serving.slipway.dev/modeldeployments": "get list watch",
    "serving.slipway.dev/modeldeployments/status": "patch",
    "serving.slipway.dev/modeldeployments/finalizers": "update",
    "serving.slipway.dev/registeredmodels": "list watch",
    "serving.slipway.dev/registeredmodels/status": "patch",
    "serving.slipway.dev/modelversions": "list watch",
    "serving.slipway.dev/modelversions/status": "patch",
    "apps/controllerrevisions": CHILD,
    "apps/deployments": CHILD,
    "apps/deployments/scale": "patch",
    "autoscaling/horizontalpodautoscalers": CHILD,
    "batch/jobs": CHILD,
    "gateway.envoyproxy.io/backendtrafficpolicies": CHILD,
    "gateway.envoyproxy.io/securitypolicies": CHILD,
    "gateway.networking.k8s.io/httproutes": CHILD,
    "gateway.networking.k8s.io/grpcroutes": CHILD,
    "keda.sh/scaledobjects": CHILD,
    "networking.k8s.io/networkpolicies": CHILD,
    "policy/poddisruptionbudgets": CHILD,
    "resource.k8s.io/resourceclaimtemplates": CHILD,
    "/configmaps": CHILD,
    "/services": CHILD,
    "/pods": "delete list watch",
    "/events": "create list",
}
SURROUNDINGS = {
    "/nodes": "list watch",
    "gateway.networking.k8s.io/gateways": "list watch",
    "gateway.networking.k8s.io/gatewayclasses": "list watch",
    "resource.k8s.io/deviceclasses": "list watch",
    "resource.k8s.io/resourceclaims": "list watch",
    "resource.k8s.io/resourceslices": "list watch",
}
LEASE = {"coordination.k8s.io/leases": "create", "coordination.k8s.io/leases=slipway": "get update"}


def role(kind: str, name: str, namespace: str | None, *values: str) -> Manifest:
    return next(
        found
        for found in of_kind(kind, *values)
        if (found["metadata"]["name"], found["metadata"].get("namespace")) == (name, namespace)
    )


def test_cluster_wide_the_operator_has_exactly_these_verbs() -> None:
    assert table(role("ClusterRole", "slipway", None)) == WHERE_MODELS_LIVE | SURROUNDINGS
    assert table(role("Role", "slipway-lease", NAMESPACE)) == LEASE


def test_with_a_list_of_namespaces_it_has_them_there_and_cluster_wide_only_sees_nodes_gateways_and_devices() -> None:
    values = "namespaces={red}"
    assert table(role("ClusterRole", "slipway", None, values)) == SURROUNDINGS
    assert table(role("Role", "slipway", "red", values)) == WHERE_MODELS_LIVE
    assert table(role("Role", "slipway-lease", NAMESPACE, values)) == LEASE


@pytest.mark.parametrize("values", [(), ("namespaces={red}",)])
def test_no_role_has_a_wildcard_or_names_a_secret(values: tuple[str, ...]) -> None:
    said = yaml.safe_dump([found["rules"] for found in rbac(*values) if "rules" in found])
    assert "*" not in said
    assert "secrets" not in said


CATALOGUE = {
    "view": "get list watch",
    "publish": "create get",
    "promote": "create delete get patch update",
    "withdraw": "delete deletecollection get patch update",
}


@pytest.mark.parametrize("name", CATALOGUE)
def test_each_thing_that_is_done_with_the_catalogue_has_its_role(name: str) -> None:
    kinds = {"publish": ["modelversions"], "promote": ["registeredmodels"], "withdraw": ["modelversions"]}
    both = [f"{kind}{part}" for kind in ("modelversions", "registeredmodels") for part in ("", "/status")]
    found = table(role("ClusterRole", f"slipway-catalogue-{name}", None))
    assert found == {f"serving.slipway.dev/{kind}": CATALOGUE[name] for kind in kinds.get(name, both)}


def test_who_publishes_neither_withdraws_nor_moves_an_alias() -> None:
    publish = table(role("ClusterRole", "slipway-catalogue-publish", None))
    assert not {"patch", "update", "delete"} & set(" ".join(publish.values()).split())
    assert "serving.slipway.dev/registeredmodels" not in publish


@pytest.mark.plane
def test_the_api_server_lets_the_operator_do_its_work_and_read_no_secret(plane: Plane, namespace: str) -> None:
    kubectl = plane.kubectl()
    kubectl("create", "namespace", NAMESPACE, check=False)
    values = ("serviceAccount.name=tenant", f"namespaces={{{namespace}}}")

    def may(verb: str, resource: str, where: str, part: str = "") -> bool:
        answer = plane.kubectl("tenant").within(where)(
            "auth", "can-i", verb, resource, f"--subresource={part}", check=False
        )
        return answer.strip() == "yes"

    with granted(kubectl, rbac(*values, release="slipway-rbac")):
        assert may("patch", "deployments.apps", namespace)
        assert may("patch", "modeldeployments.serving.slipway.dev", namespace, "status")
        assert may("create", "leases.coordination.k8s.io", NAMESPACE)
        assert may("list", "nodes", namespace)
        assert not may("get", "secrets", namespace)
        assert not may("create", "pods", namespace, "exec")
        assert not may("patch", "modeldeployments.serving.slipway.dev", namespace)
        assert not may("patch", "deployments.apps", NAMESPACE)


@pytest.mark.plane
def test_users_roles_are_bound_by_their_labels(plane: Plane) -> None:
    kubectl = plane.kubectl()
    kubectl.apply(*of_kind("ClusterRole", release="slipway-users"))
    for to, verb in (("edit", "create"), ("view", "list")):
        labelled = kubectl.json("get", "clusterroles", "-l", f"rbac.authorization.k8s.io/aggregate-to-{to}=true")
        assert verb in json.dumps(
            [found["rules"] for found in labelled["items"] if "slipway" in found["metadata"]["name"]]
        )
