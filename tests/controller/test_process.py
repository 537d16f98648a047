"""The operator as a process, against a real control plane whose pods only pretend: from start to end, and again."""

import json

import pytest

from slipway.controller.kinds import WATCHED
from testbed.api import Api
from testbed.operating import OperatorProcess, until
from testbed.plane import Plane
from tests.conftest import fresh_namespace
from tests.controller.come_to import until_leads, until_ready, until_seen
from tests.controller.conftest import a_model_deployment

pytestmark = pytest.mark.plane


def test_a_model_comes_up_and_what_is_deleted_by_hand_comes_back(cluster_plane: Plane, cluster_namespace: str) -> None:
    kubectl = cluster_plane.kubectl().within(cluster_namespace)
    kubectl.apply(a_model_deployment(cluster_namespace, replicas=2))
    with OperatorProcess(cluster_plane, namespaces=[cluster_namespace]) as operator:
        until_ready(cluster_plane, cluster_namespace)
        uid = kubectl("get", "service", "churn", "-o", "jsonpath={.metadata.uid}")
        kubectl("delete", "service", "churn")
        with Api(cluster_plane) as api:
            until("it is back", lambda: api.get("services", cluster_namespace, "churn"), 20)

        assert kubectl("get", "service", "churn", "-o", "jsonpath={.metadata.uid}") != uid
        assert operator.says("/healthz") == operator.says("/readyz") == (200, "ok")
        assert operator.total("slipway_model_deployments", phase="Ready") == 1
        assert operator.total("slipway_rollouts_total", outcome="promoted") == 1


def test_a_restart_over_a_settled_model_writes_nothing_but_the_lease_and_reads_no_object_by_itself(
    cluster_plane: Plane, cluster_namespace: str
) -> None:
    cluster_plane.kubectl().apply(a_model_deployment(cluster_namespace))
    with OperatorProcess(cluster_plane, namespaces=[cluster_namespace]) as operator:
        until_ready(cluster_plane, cluster_namespace)
        # The resolve Job, its pod and the old status settle in the seconds after.
        until("nothing is left to do", lambda: operator.total("slipway_queue_depth") == 0, 60)
        assert operator.stop() == 0

    mark = cluster_plane.audit.mark()
    with OperatorProcess(
        cluster_plane, namespaces=[cluster_namespace], user="operator-2", resync_seconds=1
    ) as operator:
        until_leads(operator)
        done = "slipway_reconcile_duration_seconds_count"
        until("there were two passes", lambda: operator.total(done, outcome="done") >= 2, 90)
        assert operator.stop() == 0

    calls = cluster_plane.audit.calls(mark, user=cluster_plane.user("operator-2"))
    assert [call for call in calls if call.writes and call.resource != "leases"] == []
    assert [call for call in calls if call.verb == "get" and call.name and call.resource != "leases"] == []
    assert {call.resource for call in calls if call.verb == "watch"} == {kind.plural for kind in WATCHED}


@pytest.mark.parametrize("depth", [300, 1100])
def test_one_object_that_no_parser_reads_costs_itself_alone_also_at_the_start(
    cluster_plane: Plane, cluster_namespace: str, depth: int
) -> None:
    kubectl = cluster_plane.kubectl().within(cluster_namespace)
    deep = a_model_deployment(cluster_namespace, "deep")
    affinity = f'{{"x": {"[" * depth}1{"]" * depth}}}'
    text = json.dumps({**deep, "spec": deep["spec"] | {"scheduling": {"affinity": "HERE"}}}).replace('"HERE"', affinity)

    def says_what_is_wrong() -> bool:  # asked by kubectl: what is there no parser of Python's reads
        message = kubectl("get", "md", "deep", "-o", "jsonpath={.status.conditions[?(@.type=='Ready')].message}")
        return "spec.scheduling.affinity" in message and "nested deeper" in message

    with OperatorProcess(cluster_plane, namespaces=[cluster_namespace]) as operator:
        until_leads(operator)
        kubectl("create", "-f", "-", stdin=text)
        until("the deep one says what is wrong", says_what_is_wrong, 30, poll_seconds=1)
        kubectl.apply(a_model_deployment(cluster_namespace))
        until_seen(cluster_plane, cluster_namespace)
        assert operator.stop() == 0
    kubectl.apply(a_model_deployment(cluster_namespace, "late"))
    with OperatorProcess(cluster_plane, namespaces=[cluster_namespace]) as operator:
        until_seen(cluster_plane, cluster_namespace, "late")
        assert operator.total("slipway_unread_objects", kind="ModelDeployment") == 1
        assert operator.stop() == 0


def test_an_object_of_a_year_that_no_clock_has_keeps_no_operator_from_starting(
    cluster_plane: Plane, cluster_namespace: str
) -> None:
    kubectl = cluster_plane.kubectl().within(cluster_namespace)
    meta = {
        "name": "old",
        "labels": {"app.kubernetes.io/managed-by": "slipway", "serving.slipway.dev/model-deployment": "churn"},
        "managedFields": [
            {
                "manager": "x",
                "operation": "Update",
                "apiVersion": "v1",
                "time": "0000-01-01T00:00:00Z",
                "fieldsType": "FieldsV1",
                "fieldsV1": {"f:data": {}},
            }
        ],
    }
    kubectl("create", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta}))
    kubectl.apply(a_model_deployment(cluster_namespace))
    with OperatorProcess(cluster_plane, namespaces=[cluster_namespace]) as operator:
        until_ready(cluster_plane, cluster_namespace)
        assert operator.stop() == 0


def test_a_namespace_that_is_deleted_and_comes_back_is_served_again_and_the_others_do_not_notice(
    cluster_plane: Plane, cluster_namespace: str
) -> None:
    gone, kubectl = fresh_namespace(cluster_plane), cluster_plane.kubectl()
    kubectl.apply(a_model_deployment(cluster_namespace), a_model_deployment(gone))
    with OperatorProcess(cluster_plane, namespaces=[gone, cluster_namespace], resync_seconds=5) as operator:
        until_ready(cluster_plane, gone)
        until_ready(cluster_plane, cluster_namespace)
        kubectl("delete", "namespace", gone, "--timeout=60s")
        kubectl.apply(a_model_deployment(cluster_namespace, "meanwhile"))
        until_seen(cluster_plane, cluster_namespace, "meanwhile")

        kubectl("create", "namespace", gone)
        kubectl.apply(a_model_deployment(gone))
        until_ready(cluster_plane, gone)

        until("all three are Ready", lambda: operator.total("slipway_model_deployments", phase="Ready") == 3, 60)
        assert operator.total("slipway_unlisted") == 0
        assert operator.ended() is None
        assert "Traceback" not in operator.log()
    kubectl("delete", "namespace", gone, "--wait=false")
