"""The operator as a process, against a real control plane: start to end, faults of the API server, two replicas."""

import json
from pathlib import Path

import pytest

from slipway.controller.kinds import WATCHED
from testbed.plane import Plane
from tests.controller.conftest import a_model_deployment, eventually
from tests.controller.process import operator_on

pytestmark = pytest.mark.plane


def _phase(plane: Plane, namespace: str, name: str = "churn") -> str:
    return plane.kubectl().within(namespace)("get", "md", name, "-o", "jsonpath={.status.phase}")


async def test_a_model_comes_up_and_what_is_deleted_by_hand_comes_back(
    cluster_plane: Plane, cluster_namespace: str, tmp_path: Path
) -> None:
    kubectl = cluster_plane.kubectl().within(cluster_namespace)
    kubectl.apply(a_model_deployment(cluster_namespace, replicas=2))
    with operator_on(cluster_plane, tmp_path, namespaces=cluster_namespace, lease_name=cluster_namespace) as operator:
        await eventually(lambda: _phase(cluster_plane, cluster_namespace) == "Ready", 60)
        uid = kubectl("get", "service", "churn", "-o", "jsonpath={.metadata.uid}")
        kubectl("delete", "service", "churn")
        await eventually(lambda: kubectl("get", "service", "churn", "-o", "name", check=False))

        assert kubectl("get", "service", "churn", "-o", "jsonpath={.metadata.uid}") != uid
        assert operator.says("/healthz") == operator.says("/readyz") == (200, "ok")
        assert operator.metric('slipway_model_deployments{phase="Ready"}') == 1
        assert operator.metric('slipway_rollouts_total{outcome="promoted"') == 1


async def test_a_restart_over_a_settled_model_writes_nothing_but_the_lease_and_reads_no_object_by_itself(
    cluster_plane: Plane, cluster_namespace: str, tmp_path: Path
) -> None:
    cluster_plane.kubectl().apply(a_model_deployment(cluster_namespace))
    flags = {"namespaces": cluster_namespace, "lease_name": cluster_namespace, "lease_namespace": cluster_namespace}
    with operator_on(cluster_plane, tmp_path, **flags) as operator:
        await eventually(lambda: _phase(cluster_plane, cluster_namespace) == "Ready", 60)
        # The resolve Job, its pod and the old status settle in the seconds after.
        await eventually(lambda: operator.metric("slipway_queue_depth") == 0, 60)
        assert operator.stop() == 0

    mark = cluster_plane.audit.mark()
    with operator_on(cluster_plane, tmp_path, user="operator-2", resync_seconds=1, **flags) as operator:
        done = 'slipway_reconcile_duration_seconds_count{outcome="done"}'
        await eventually(lambda: operator.metric(done) >= 2, 90)
        assert operator.stop() == 0

    calls = cluster_plane.audit.calls(mark, user=cluster_plane.user("operator-2"))
    assert [call for call in calls if call.writes and call.resource != "leases"] == []
    assert [call for call in calls if call.verb == "get" and call.name and call.resource != "leases"] == []
    assert {call.resource for call in calls if call.verb == "watch"} == {kind.plural for kind in WATCHED}


async def test_the_operator_outlives_a_restart_of_the_api_server_and_goes_on(
    plane: Plane, namespace: str, tmp_path: Path
) -> None:
    with operator_on(plane, tmp_path, namespaces=namespace, lease_name=namespace) as operator:
        await eventually(lambda: operator.leads, 30)
        plane.kubectl().apply(a_model_deployment(namespace, "before"))
        await eventually(lambda: _phase(plane, namespace, "before"), 30)

        plane.restart("kube-apiserver", kill=True)

        plane.kubectl().apply(a_model_deployment(namespace, "after"))
        await eventually(lambda: _phase(plane, namespace, "after"), 60)
        assert operator.process.poll() is None
        assert operator.says("/healthz") == (200, "ok")


async def test_a_standby_is_ready_and_takes_over_when_the_leader_is_told_to_end(
    plane: Plane, namespace: str, tmp_path: Path
) -> None:
    flags = {"namespaces": namespace, "lease_name": namespace}
    with (
        operator_on(plane, tmp_path, **flags) as one,
        operator_on(plane, tmp_path, "operator-2", **flags) as other,
    ):
        await eventually(lambda: one.leads or other.leads, 30)
        leader, standby = (one, other) if one.leads else (other, one)
        await eventually(lambda: standby.says("/readyz") == (200, "ok"), 30)
        assert standby.metric("slipway_leading") == 0

        assert leader.stop() == 0

        await eventually(lambda: standby.leads, 15)  # at once, not after the 30 s of the Lease
        plane.kubectl().apply(a_model_deployment(namespace))
        await eventually(lambda: _phase(plane, namespace), 30)


async def test_an_operator_that_loses_its_lease_ends_with_an_error_and_leaves_the_lease_alone(
    plane: Plane, namespace: str, tmp_path: Path
) -> None:
    kubectl = plane.kubectl().within(namespace)
    with operator_on(plane, tmp_path, namespaces=namespace, lease_namespace=namespace) as operator:
        await eventually(lambda: operator.leads, 30)
        kubectl("patch", "lease", "slipway", "-p", '{"spec": {"holderIdentity": "thief"}}')

        await eventually(lambda: operator.process.poll() is not None, 30)

        assert operator.process.returncode == 1
        assert "Somebody else holds the Lease" in operator.log()
    assert kubectl("get", "lease", "slipway", "-o", "jsonpath={.spec.holderIdentity}") == "thief"


async def test_an_operator_for_one_namespace_needs_no_rights_outside_it(
    plane: Plane, namespace: str, tmp_path: Path
) -> None:
    kubectl = plane.kubectl().within(namespace)
    kubectl.apply(_role_over_everything(namespace))
    kubectl("create", "rolebinding", "slipway", "--role=slipway", f"--user={plane.user('tenant')}")
    flags = {"namespaces": namespace, "lease_namespace": namespace}
    with operator_on(plane, tmp_path, "tenant", **flags) as operator:
        await eventually(lambda: operator.leads, 30)
        plane.kubectl().apply(a_model_deployment(namespace))
        await eventually(lambda: _phase(plane, namespace), 30)
        await eventually(lambda: kubectl("get", "jobs", "-o", "name"), 30)

        assert operator.log().count("Nodes may not be listed") == 1


def _role_over_everything(namespace: str) -> dict[str, object]:
    everything = {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": "slipway", "namespace": namespace},
        "rules": [everything],
    }


async def test_every_log_line_of_a_pass_names_its_object(plane: Plane, namespace: str, tmp_path: Path) -> None:
    plane.kubectl().apply(a_model_deployment(namespace))
    with operator_on(plane, tmp_path, namespaces=namespace, lease_name=namespace) as operator:
        await eventually(lambda: "Applied Job" in operator.log(), 30)
        lines = [json.loads(line) for line in operator.log().splitlines()]

    (applied,) = (line for line in lines if line["message"].startswith("Applied Job"))
    assert applied | {"namespace": namespace, "model_deployment": "churn", "attempt": 1, "level": "INFO"} == applied
    assert {"time", "logger"} <= set(applied)
