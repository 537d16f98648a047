"""The operator lives on what the chart gives it: it runs with the rendered rights and environment, undenied."""

import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from slipway.controller.main import run as run_command
from testbed.api import Api
from testbed.audit import Call
from testbed.operating import until
from testbed.plane import Plane, free_port
from tests.admission.conftest import ADMISSION, refused
from tests.charts.render import NAMESPACE, Manifest, granted, of_kind, rbac, table

pytestmark = pytest.mark.plane
RELEASE = "slipway-rights"
# Server-side apply of what is not there yet is authorized as `create` too, and logged as `patch`; not every kind of
# child is deleted in so short a life; a child is read live only where its name is taken, as one Service's is.
NOT_SEEN = {"create", "delete", "get"}


def model(replicas: int, **more: Any) -> dict[str, Any]:
    source = {"uri": "s3://models/churn/1"}
    return {
        "apiVersion": "serving.slipway.dev/v1alpha1",
        "kind": "ModelDeployment",
        "metadata": {"name": "churn"},
        "spec": {"model": {"version": "1", "source": source}, "replicas": replicas, **more},
    }


CPU = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}
EVERYTHING = {
    "autoscaling": {"maxReplicas": 3, "metrics": [{"type": "Resource", "resource": CPU}]},
    "traffic": {"allowFrom": [{"podSelector": {}}]},
}
BY_KEDA = {"maxReplicas": 3, "load": {}, "scaler": "KEDA"}
APART = {
    "gateway": {"name": "inference"},
    "hostnames": ["churn.example"],
    "grpcRoute": {"hostnames": ["grpc.churn.example"]},
}
ROUTED = {
    "gateway": {"name": "inference"},
    "authentication": {"apiKeys": {"secretName": "clients"}},
    "retries": {"attempts": 1},
}


CATALOGUE = [
    {
        "apiVersion": "serving.slipway.dev/v1alpha1",
        "kind": "RegisteredModel",
        "metadata": {"name": "churn"},
        "spec": {"aliases": {"champion": "1"}},
    },
    {
        "apiVersion": "serving.slipway.dev/v1alpha1",
        "kind": "ModelVersion",
        "metadata": {"name": "churn-1"},
        "spec": {
            "model": "churn",
            "version": "1",
            "digest": "sha256:" + "0" * 64,
            "sources": [{"uri": "s3://models/churn/1"}],
        },
    },
]


@contextmanager
def operator(plane: Plane, folder: Path, *values: str, **only: list[str]) -> Iterator[None]:
    """The chart's operator as a process, with its values' environment, the rights of its ServiceAccount, and confined
    by the chart's admission policies. `only`: all that its roles let it do with a resource."""
    kubectl = plane.kubectl()
    kubectl("create", "namespace", NAMESPACE, check=False)
    rights = rbac("serviceAccount.name=tenant", *values, release=RELEASE)
    # Those about users, too: the operator has to live with them.
    confines = [
        each for kind in ADMISSION for each in of_kind(kind, "serviceAccount.name=tenant", *values, release=RELEASE)
    ]
    for rule in (rule for found in rights for rule in found.get("rules", ())):
        rule["verbs"] = only.get(rule["resources"][0], rule["verbs"])
    container = of_kind("Deployment", *values, release=RELEASE)[0]["spec"]["template"]["spec"]["containers"][0]
    environment = {entry["name"]: entry["value"] for entry in container["env"]} | {
        "KUBECONFIG": str(plane.kubeconfig("tenant")),
        "SLIPWAY_HEALTH_PORT": str(free_port()),
        "SLIPWAY_METRICS_PORT": str(free_port()),
    }
    program = Path(sys.executable).with_name("slipway")
    with granted(kubectl, [*rights, *confines]), (folder / "log").open("wb") as log:
        until("the operator's account is confined", lambda: confined(plane, values), 30)
        process = subprocess.Popen(
            [program, *container["args"]], env={**os.environ, **environment}, stderr=log, stdout=log
        )
        try:
            yield
        finally:
            process.terminate()
            code = process.wait(20)
    assert code == 0, (folder / "log").read_text()[-2000:]


def confined(plane: Plane, values: tuple[str, ...]) -> bool:
    """Whether the API server refuses it what its roles alone would let it do; with `namespaces` they let it do less."""
    if values:
        return True
    with Api(plane, "tenant") as api:
        bare = {"metadata": {"name": "x"}}
        return "ValidatingAdmissionPolicy" in refused(
            lambda: api.create("configmaps", "kube-public", bare, dry_run=True)
        )


def test_the_charts_environment_is_the_commands() -> None:
    names = {entry["name"] for entry in of_kind("Deployment")[0]["spec"]["template"]["spec"]["containers"][0]["env"]}
    assert names == {str(option.envvar) for option in run_command.params}


def unused(granted: Iterable[Manifest], used: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """The verbs that roles grant and nobody used, by resource."""
    idle: dict[str, set[str]] = {}
    for role in granted:
        for key, verbs in table(role).items():
            resource = key.partition("/")[2].partition("=")[0]
            idle[resource] = idle.get(resource, set()) | (set(verbs.split()) - used.get(resource, set()))
    return {resource: verbs for resource, verbs in idle.items() if verbs}


def asked(plane: Plane, mark: int) -> set[tuple[str, str]]:
    return {(call.verb, call.resource) for call in plane.audit.calls(mark, plane.user("tenant"))}


def denied(calls: Iterable[Call], namespace: str) -> list[Call]:
    """There, and of what has no namespace: others' namespaces may be going, where every write is forbidden."""
    return [call for call in calls if call.code in (401, 403) and call.namespace in ("", namespace)]


def test_in_a_models_life_no_call_is_denied_and_hardly_a_right_is_left_over(
    cluster_plane: Plane, cluster_namespace: str, tmp_path: Path
) -> None:
    kubectl, mark = cluster_plane.kubectl().within(cluster_namespace), cluster_plane.audit.mark()
    stuck = model(1, model={"version": "1", "source": {"uri": "s3://by-hand/1"}}) | {"metadata": {"name": "stuck"}}
    taken = model(1) | {"metadata": {"name": "taken"}}
    claims = model(1, accelerator={"deviceClass": "gpu.example.com"}) | {"metadata": {"name": "claims"}}
    kubectl("create", "service", "clusterip", "taken", "--tcp=80")
    kubectl.apply(*CATALOGUE)
    wrong = '{"status": {"uses": {"serving": 9}}}'  # which the operator puts right
    kubectl("patch", "mv", "churn-1", "--subresource=status", "--type=merge", "-p", wrong)
    with operator(cluster_plane, tmp_path):
        kubectl.apply(stuck, taken, claims, model(2, **EVERYTHING))
        kubectl("wait", "--for=condition=Ready", "--timeout=60s", "md/churn")
        mine = "-l=serving.slipway.dev/model-deployment=churn"
        kubectl("wait", "--for=create", "--timeout=10s", "hpa,networkpolicy,pdb", mine)
        its = "-l=serving.slipway.dev/model-deployment=claims"
        kubectl("wait", "--for=create", "--timeout=60s", "resourceclaimtemplates,deployments", its)
        kubectl.apply(model(3, traffic=ROUTED, autoscaling=BY_KEDA))
        kubectl("wait", "--for=delete", "--timeout=30s", "hpa,networkpolicy", mine)
        routed = "httproute,securitypolicy,backendtrafficpolicy,scaledobject"
        kubectl("wait", "--for=create", "--timeout=30s", routed, mine)
        kubectl.apply(model(3))
        kubectl("wait", "--for=delete", "--timeout=30s", routed, mine)
        kubectl.apply(model(3, traffic=APART))
        kubectl("wait", "--for=create", "--timeout=30s", "grpcroute", mine)
        kubectl.apply(model(3))
        kubectl("wait", "--for=delete", "--timeout=30s", "grpcroute", mine)
        kubectl("wait", "--for=jsonpath={.spec.replicas}=3", "--timeout=30s", "deployment", mine)
        until(
            "somebody asked what keeps a pod from starting",
            lambda: ("list", "events") in asked(cluster_plane, mark),
            60,
        )
        kubectl("wait", "--for=jsonpath={.status.uses.serving}=0", "--timeout=30s", "mv/churn-1")
        kubectl("wait", "--for=jsonpath={.status.versions}=1", "--timeout=30s", "rm/churn")
        until(
            "somebody read what has a name that is wanted",
            lambda: ("get", "services") in asked(cluster_plane, mark),
            60,
        )

    calls = cluster_plane.audit.calls(mark, cluster_plane.user("tenant"))
    assert denied(calls, cluster_namespace) == []
    used: dict[str, set[str]] = {}
    for call in calls:
        used.setdefault(call.resource, set()).add(call.verb)
    roles = [found for found in rbac("rbac.aggregate=false", release=RELEASE) if "rules" in found]
    left = {resource: verbs - NOT_SEEN for resource, verbs in unused(roles, used).items() if verbs - NOT_SEEN}
    assert left == {"modeldeployments/finalizers": {"update"}}


def test_with_rights_in_one_namespace_it_serves_that_one_and_asks_for_nothing_elsewhere(
    cluster_plane: Plane, cluster_namespace: str, tmp_path: Path
) -> None:
    kubectl, mark = cluster_plane.kubectl().within(cluster_namespace), cluster_plane.audit.mark()
    with operator(cluster_plane, tmp_path, f"namespaces={{{cluster_namespace}}}"):
        kubectl.apply(model(1))
        kubectl("wait", "--for=condition=Ready", "--timeout=60s", "md/churn")
    calls = cluster_plane.audit.calls(mark, cluster_plane.user("tenant"))
    assert {call.namespace for call in calls} <= {"", cluster_namespace, NAMESPACE}
    assert denied(calls, cluster_namespace) == []


def test_a_right_that_it_lacks_is_named_in_status_and_granting_it_is_enough(
    cluster_plane: Plane, cluster_namespace: str, tmp_path: Path
) -> None:
    kubectl = cluster_plane.kubectl().within(cluster_namespace)
    stalled = "jsonpath={.status.conditions[?(@.type=='Stalled')].reason}"
    with operator(cluster_plane, tmp_path, jobs=["get", "list", "watch"]):
        kubectl.apply(model(1))
        kubectl("wait", f"--for={stalled}=Forbidden", "--timeout=30s", "md/churn")
        said = kubectl("get", "md/churn", f"--output={stalled.replace('reason', 'message')}")
        assert 'cannot patch resource "jobs" in API group "batch"' in said
        assert "the chart's roles grant it" in said
        cluster_plane.kubectl().apply(*rbac("serviceAccount.name=tenant", release=RELEASE))
        kubectl("wait", "--for=condition=Ready", "--timeout=120s", "md/churn")


def test_without_the_right_to_read_routes_it_serves_and_says_so_to_those_who_ask_for_a_gateway(
    cluster_plane: Plane, cluster_namespace: str, tmp_path: Path
) -> None:
    kubectl = cluster_plane.kubectl().within(cluster_namespace)
    with operator(cluster_plane, tmp_path, httproutes=["get"]):
        kubectl.apply(model(1))
        kubectl("wait", "--for=condition=Ready", "--timeout=60s", "md/churn")
        kubectl.apply(model(1, traffic={"gateway": {"name": "inference"}}))
        ready = "jsonpath={.status.conditions[?(@.type=='Ready')].reason}"
        kubectl("wait", f"--for={ready}=Forbidden", "--timeout=30s", "md/churn")
        assert kubectl("get", "md/churn", "--output=jsonpath={.status.ready}") == "1/1"
    assert (tmp_path / "log").read_text().count("httproutes may not be listed") == 1
