"""The operator as a process, against a real control plane: start to end, faults of the API server, two replicas."""

import json
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from slipway.api.v1alpha1 import API_VERSION
from slipway.controller.kinds import GATEWAY, WATCHED
from testbed.gateway.crds import gateway_api_crds
from testbed.operating import OperatorProcess, until
from testbed.plane import Plane
from tests.conftest import fresh_namespace
from tests.controller.conftest import a_model_deployment

pytestmark = pytest.mark.plane


def _phase(plane: Plane, namespace: str, name: str = "churn") -> str:
    return plane.kubectl().within(namespace)("get", "md", name, "-o", "jsonpath={.status.phase}")


def _until_ready(plane: Plane, namespace: str) -> None:
    until("the model is Ready", lambda: _phase(plane, namespace) == "Ready", 60)


def _until_seen(plane: Plane, namespace: str, name: str = "churn", seconds: float = 30) -> None:
    until(f"{name} has a phase", lambda: _phase(plane, namespace, name), seconds)


def _until_leads(operator: OperatorProcess, seconds: float = 30) -> None:
    until("it leads", operator.leads, seconds)


def test_a_model_comes_up_and_what_is_deleted_by_hand_comes_back(cluster_plane: Plane, cluster_namespace: str) -> None:
    kubectl = cluster_plane.kubectl().within(cluster_namespace)
    kubectl.apply(a_model_deployment(cluster_namespace, replicas=2))
    with OperatorProcess(cluster_plane, namespaces=[cluster_namespace]) as operator:
        _until_ready(cluster_plane, cluster_namespace)
        uid = kubectl("get", "service", "churn", "-o", "jsonpath={.metadata.uid}")
        kubectl("delete", "service", "churn")
        until("it is back", lambda: kubectl("get", "service", "churn", "-o", "name", check=False), 20)

        assert kubectl("get", "service", "churn", "-o", "jsonpath={.metadata.uid}") != uid
        assert operator.says("/healthz") == operator.says("/readyz") == (200, "ok")
        assert operator.total("slipway_model_deployments", phase="Ready") == 1
        assert operator.total("slipway_rollouts_total", outcome="promoted") == 1


def test_a_restart_over_a_settled_model_writes_nothing_but_the_lease_and_reads_no_object_by_itself(
    cluster_plane: Plane, cluster_namespace: str
) -> None:
    cluster_plane.kubectl().apply(a_model_deployment(cluster_namespace))
    with OperatorProcess(cluster_plane, namespaces=[cluster_namespace]) as operator:
        _until_ready(cluster_plane, cluster_namespace)
        # The resolve Job, its pod and the old status settle in the seconds after.
        until("nothing is left to do", lambda: operator.total("slipway_queue_depth") == 0, 60)
        assert operator.stop() == 0

    mark = cluster_plane.audit.mark()
    with OperatorProcess(
        cluster_plane, namespaces=[cluster_namespace], user="operator-2", resync_seconds=1
    ) as operator:
        _until_leads(operator)
        done = "slipway_reconcile_duration_seconds_count"
        until("there were two passes", lambda: operator.total(done, outcome="done") >= 2, 90)
        assert operator.stop() == 0

    calls = cluster_plane.audit.calls(mark, user=cluster_plane.user("operator-2"))
    assert [call for call in calls if call.writes and call.resource != "leases"] == []
    assert [call for call in calls if call.verb == "get" and call.name and call.resource != "leases"] == []
    assert {call.resource for call in calls if call.verb == "watch"} == {kind.plural for kind in WATCHED}


def test_the_operator_outlives_a_restart_of_the_api_server_and_goes_on(plane: Plane, namespace: str) -> None:
    with OperatorProcess(plane, namespaces=[namespace]) as operator:
        _until_leads(operator)
        plane.kubectl().apply(a_model_deployment(namespace, "before"))
        _until_seen(plane, namespace, "before")

        plane.restart("kube-apiserver", kill=True)

        plane.kubectl().apply(a_model_deployment(namespace, "after"))
        _until_seen(plane, namespace, "after", 60)
        assert operator.ended() is None
        assert operator.says("/healthz") == (200, "ok")


def test_an_operator_outlives_an_api_server_that_is_away_for_longer_than_its_lease_may_be_vouched_for(
    plane: Plane, namespace: str
) -> None:
    with OperatorProcess(plane, namespaces=[namespace]) as operator:
        _until_leads(operator)
        plane.stop("kube-apiserver", kill=True)
        until("it writes nothing any more", lambda: "nothing is written until it is" in operator.log(), 60)
        assert operator.total("slipway_leading") == 0
        assert operator.says("/healthz") == (200, "ok")

        plane.restart("kube-apiserver")

        _until_leads(operator, 60)
        plane.kubectl().apply(a_model_deployment(namespace))
        _until_seen(plane, namespace, seconds=60)
        assert operator.ended() is None
        assert operator.log().count("The Lease is still ours: leading again") == 1


def test_an_alias_that_moves_is_followed_at_once_and_one_that_is_gone_changes_nothing(
    plane: Plane, namespace: str
) -> None:
    kubectl = plane.kubectl().within(namespace)
    for version in ("1", "2"):
        digest = "sha256:" + version * 64
        spec = {"model": "churn", "version": version, "digest": digest, "sources": [{"uri": "s3://models/churn"}]}
        kubectl.apply(an_object("ModelVersion", namespace, f"churn-{version}", spec))
    follower = a_model_deployment(namespace)
    model = {"follow": {"model": "churn", "alias": "champion"}, "source": {"uri": "s3://models/churn/$(version)"}}
    kubectl.apply({**follower, "spec": {"model": model}})
    read = partial(kubectl, "get", "md", "churn", "-o")
    with OperatorProcess(plane, namespaces=[namespace], resync_seconds=3600) as operator:
        until("it says that there is none", lambda: "NothingToFollow" in read("jsonpath={.status}"), 60)
        for version in ("1", "2", "1"):
            kubectl.apply(an_object("RegisteredModel", namespace, "churn", {"aliases": {"champion": version}}))
            asked = f"jsonpath={{.status.follow.version}}/{version}/{{.status.candidate.version}}"
            until(f"{version} is asked for", lambda: read(asked) == "/".join([version] * 3), 15)  # noqa: B023
        kubectl("delete", "registeredmodel", "churn")
        until("it says that it is gone", lambda: "NothingToFollow" in read("jsonpath={.status}"), 15)
        assert read(asked) == "1/1/1"
        assert read("jsonpath={.metadata.generation}") == "1"
        assert operator.ended() is None


def an_object(kind: str, namespace: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": name, "namespace": namespace}, "spec": spec}


def test_a_standby_is_ready_and_takes_over_when_the_leader_is_told_to_end(plane: Plane, namespace: str) -> None:
    with OperatorProcess(plane, namespaces=[namespace], lease=namespace) as leader:
        _until_leads(leader)
        with OperatorProcess(plane, namespaces=[namespace], lease=namespace, user="operator-2") as standby:
            until("the second is ready", standby.ready, 30)
            assert standby.total("slipway_leading") == 0

            assert leader.stop() == 0

            _until_leads(standby, 15)  # at once, not after the 30 s of the Lease
            plane.kubectl().apply(a_model_deployment(namespace))
            _until_seen(plane, namespace)


def test_an_operator_that_loses_its_lease_ends_with_an_error_and_leaves_the_lease_alone(
    plane: Plane, namespace: str
) -> None:
    kubectl = plane.kubectl().within(namespace)
    with OperatorProcess(plane, namespaces=[namespace], lease="slipway", lease_namespace=namespace) as operator:
        _until_leads(operator)
        kubectl("patch", "lease", "slipway", "-p", '{"spec": {"holderIdentity": "thief"}}')

        until("it has ended", lambda: operator.ended() is not None, 30)

        assert operator.ended() == 1
        assert "Somebody else holds the Lease" in operator.log()
    assert kubectl("get", "lease", "slipway", "-o", "jsonpath={.spec.holderIdentity}") == "thief"


def test_an_operator_for_one_namespace_needs_no_rights_outside_it(plane: Plane, namespace: str) -> None:
    kubectl = plane.kubectl().within(namespace)
    _grant_everything(plane, namespace)
    with OperatorProcess(plane, namespaces=[namespace], lease_namespace=namespace, user="tenant") as operator:
        _until_leads(operator)
        plane.kubectl().apply(a_model_deployment(namespace))
        _until_seen(plane, namespace)
        until("there is a Job", lambda: kubectl("get", "jobs", "-o", "name"), 30)

        assert operator.log().count("nodes may not be listed") == 1


def test_a_namespace_that_is_deleted_or_forbidden_is_left_out_and_the_others_are_served(
    plane: Plane, namespace: str
) -> None:
    forbidden, deleted = fresh_namespace(plane), fresh_namespace(plane)
    for each in (namespace, forbidden, deleted):
        _grant_everything(plane, each)
    kubectl = plane.kubectl()
    kubectl("delete", "namespace", deleted, "--wait=false")  # nobody finishes that here: its Role goes by hand
    kubectl.within(deleted)("delete", "rolebinding", "slipway")
    namespaces = [deleted, forbidden, namespace]
    with OperatorProcess(plane, namespaces=namespaces, lease_namespace=namespace, user="tenant") as operator:
        _until_leads(operator)
        kubectl.within(forbidden)("delete", "rolebinding", "slipway")
        plane.kubectl().apply(a_model_deployment(namespace, "before"))
        _until_seen(plane, namespace, "before")
        operator.stop()

        operator.start()

        _until_leads(operator)
        kubectl.apply(a_model_deployment(namespace, "after"), a_model_deployment(forbidden, "theirs"))
        _until_seen(plane, namespace, "after")
        assert operator.total("slipway_unlisted", kind="Deployment", namespace=forbidden, reason="Forbidden") == 1
        assert operator.total("slipway_unlisted", namespace=namespace) == 0
        assert _phase(plane, forbidden, "theirs") == ""

        _bind(plane, forbidden)
        until("it is looked after", lambda: _phase(plane, forbidden, "theirs") not in ("", "Stalled"), 90)
        assert operator.total("slipway_unlisted", namespace=forbidden) == 0
        assert operator.total("slipway_unlisted", namespace=deleted) > 0


def test_a_namespace_of_which_only_its_model_deployments_may_be_read_says_so_in_their_status(
    plane: Plane, namespace: str
) -> None:
    half = fresh_namespace(plane)
    _grant_everything(plane, namespace)
    kubectl = plane.kubectl().within(half)
    for name, verbs, resources in (
        ("models", "get,list,watch", "modeldeployments.serving.slipway.dev"),
        ("status", "patch", "modeldeployments.serving.slipway.dev/status"),
        ("events", "create", "events"),
    ):
        kubectl("create", "role", name, f"--verb={verbs}", f"--resource={resources}")
        kubectl("create", "rolebinding", name, f"--role={name}", f"--user={plane.user('tenant')}")
    plane.kubectl().apply(a_model_deployment(half), a_model_deployment(namespace))
    with OperatorProcess(plane, namespaces=[half, namespace], lease_namespace=namespace, user="tenant") as operator:
        _until_leads(operator)
        _until_seen(plane, half)
        _until_seen(plane, namespace)
        ready = next(
            each for each in kubectl.json("get", "md", "churn")["status"]["conditions"] if each["type"] == "Ready"
        )
        assert (_phase(plane, half), ready["status"], ready["reason"]) == ("Stalled", "False", "Forbidden")
        assert ready["message"].startswith("the operator may not list ")
        assert f" in namespace {half}: nothing is done here until it may; the chart's roles" in ready["message"]
        assert (
            kubectl("get", "deployments,jobs,services,configmaps", "-l", "app.kubernetes.io/managed-by=slipway") == ""
        )

        _grant_everything(plane, half)
        until("it is looked after", lambda: _phase(plane, half) not in ("", "Stalled"), 90)


@pytest.fixture
def gateway_api(plane: Plane) -> Iterator[list[str]]:
    """What names its CRDs to kubectl. None is there at first, whoever used the control plane before, nor in the end."""
    named = [f"--filename={file}" for file in sorted(gateway_api_crds().glob("*.yaml"))]
    gone = ("delete", "--wait", "--ignore-not-found", *named)
    plane.kubectl()(*gone)
    yield named
    plane.kubectl()(*gone)


def test_it_ends_in_peace_when_the_gateway_api_comes_and_starts_again_with_it(
    plane: Plane, namespace: str, gateway_api: list[str]
) -> None:
    with OperatorProcess(plane, namespaces=[namespace]) as operator:
        until("everything is listed", operator.leads, 60)
        plane.add_crds(gateway_api_crds())
        until("it has ended", lambda: operator.ended() is not None, 90)
        assert operator.ended() == 0
        assert operator.log().count("the operator ends, to be started again") == 1
        assert "Traceback" not in operator.log()

        operator.start()
        until("everything is listed again", operator.leads, 60)
        assert operator.log().count("The cluster knows no httproutes") == 1  # in its first life


def test_it_ends_in_peace_when_the_gateway_api_goes_and_starts_again_without_it(
    plane: Plane, namespace: str, gateway_api: list[str]
) -> None:
    plane.add_crds(gateway_api_crds())
    mark = plane.audit.mark()
    with OperatorProcess(plane, namespaces=[namespace, "default"]) as operator:
        kinds = {kind.plural for kind in WATCHED if kind.group == GATEWAY.group}
        until("its kinds are watched", lambda: kinds <= _watched(plane, mark), 60)
        plane.kubectl()("delete", "--wait", *gateway_api)
        until("it has ended", lambda: operator.ended() is not None, 120)
        assert operator.ended() == 0
        assert operator.log().count(" any more: the operator ends, to be started again") == 1
        assert "Traceback" not in operator.log()

        operator.start()
        until("everything is listed again", operator.leads, 60)
        assert operator.log().count("The cluster knows no httproutes: nothing is done") == 1  # in its second life


def _watched(plane: Plane, mark: int) -> set[str]:
    """The kinds that an operator has watched since."""
    calls = plane.audit.calls(mark, user=plane.user("operator"))
    return {call.resource for call in calls if call.verb == "watch"}


def _grant_everything(plane: Plane, namespace: str) -> None:
    """As the chart's Role and RoleBinding in a namespace."""
    plane.kubectl().apply(_role_over_everything(namespace))
    _bind(plane, namespace)


def _bind(plane: Plane, namespace: str) -> None:
    bind = ("create", "rolebinding", "slipway", "--role=slipway", f"--user={plane.user('tenant')}")
    plane.kubectl().within(namespace)(*bind)


def _role_over_everything(namespace: str) -> dict[str, object]:
    everything = {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": "slipway", "namespace": namespace},
        "rules": [everything],
    }


def test_every_log_line_of_a_pass_names_its_object(plane: Plane, namespace: str) -> None:
    plane.kubectl().apply(a_model_deployment(namespace))
    with OperatorProcess(plane, namespaces=[namespace]) as operator:
        until("it has applied a Job", lambda: "Applied Job" in operator.log(), 30)
        lines = [json.loads(line) for line in operator.log().splitlines()]

    (applied,) = (line for line in lines if line["message"].startswith("Applied Job"))
    assert applied | {"namespace": namespace, "model_deployment": "churn", "attempt": 1, "level": "INFO"} == applied
    assert {"time", "logger"} <= set(applied)


@pytest.mark.parametrize("depth", [300, 1100])
def test_one_object_that_no_parser_reads_costs_itself_alone_also_at_the_start(
    cluster_plane: Plane, cluster_namespace: str, depth: int
) -> None:
    kubectl = cluster_plane.kubectl().within(cluster_namespace)
    deep = a_model_deployment(cluster_namespace, "deep")
    affinity = f'{{"x": {"[" * depth}1{"]" * depth}}}'
    text = json.dumps({**deep, "spec": deep["spec"] | {"scheduling": {"affinity": "HERE"}}}).replace('"HERE"', affinity)

    def says_what_is_wrong() -> bool:
        message = kubectl("get", "md", "deep", "-o", "jsonpath={.status.conditions[?(@.type=='Ready')].message}")
        return "spec.scheduling.affinity" in message and "nested deeper" in message

    with OperatorProcess(cluster_plane, namespaces=[cluster_namespace]) as operator:
        _until_leads(operator)
        kubectl("create", "-f", "-", stdin=text)
        until("the deep one says what is wrong", says_what_is_wrong, 30)
        kubectl.apply(a_model_deployment(cluster_namespace))
        _until_seen(cluster_plane, cluster_namespace)
        assert operator.stop() == 0
    kubectl.apply(a_model_deployment(cluster_namespace, "late"))
    with OperatorProcess(cluster_plane, namespaces=[cluster_namespace]) as operator:
        _until_seen(cluster_plane, cluster_namespace, "late")
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
        _until_ready(cluster_plane, cluster_namespace)
        assert operator.stop() == 0
