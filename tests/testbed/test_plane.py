"""The control planes that other tests stand on do what those tests take for granted."""

import pytest

from testbed.plane import Plane
from testbed.shell import CommandError

pytestmark = pytest.mark.plane


def test_the_audit_log_tells_clients_and_their_calls_apart(plane: Plane, namespace: str) -> None:
    mark = plane.audit.mark()
    plane.kubectl("script").within(namespace)("create", "configmap", "noted")
    calls = plane.audit.calls(mark, user=plane.user("script"))
    assert [(call.verb, call.resource, call.name, call.code) for call in calls if call.writes] == [
        ("create", "configmaps", "noted", 201)
    ]
    assert not [call for call in plane.audit.calls(mark, user=plane.user("operator")) if call.namespace == namespace]


def test_a_user_without_rights_is_refused(plane: Plane, namespace: str) -> None:
    with pytest.raises(CommandError, match="forbidden"):
        plane.kubectl("tenant").within(namespace)("get", "pods")


def test_an_api_server_that_was_killed_comes_back_with_what_it_held(plane: Plane, namespace: str) -> None:
    plane.kubectl().within(namespace)("create", "configmap", "kept")
    plane.restart("kube-apiserver", kill=True)
    assert plane.kubectl().within(namespace).json("get", "configmap", "kept")["metadata"]["name"] == "kept"


def test_a_job_ends_with_the_answer_that_a_resolve_job_gives(cluster_plane: Plane, cluster_namespace: str) -> None:
    kubectl = cluster_plane.kubectl().within(cluster_namespace)
    kubectl("create", "job", "resolve", "--image=fetcher:test")
    kubectl("wait", "--for=condition=Complete", "--timeout=60s", "job/resolve")
    (pod,) = kubectl.json("get", "pods", "--selector=job-name=resolve")["items"]
    assert '"resolved"' in pod["status"]["containerStatuses"][0]["state"]["terminated"]["message"]


def test_a_deployment_becomes_available_on_a_kwok_node(cluster_plane: Plane, cluster_namespace: str) -> None:
    kubectl = cluster_plane.kubectl().within(cluster_namespace)
    kubectl("create", "deployment", "served", "--image=server:test", "--replicas=2")
    kubectl("rollout", "status", "deployment/served", "--timeout=60s")
    assert kubectl.json("get", "deployment", "served")["status"]["availableReplicas"] == 2
