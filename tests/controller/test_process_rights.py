"""The operator as a process that may not do everything, or not everywhere."""

import pytest

from testbed.api import Api
from testbed.operating import OperatorProcess, until
from testbed.plane import Plane
from tests.conftest import fresh_namespace
from tests.controller.come_to import phase, until_leads, until_phase, until_seen
from tests.controller.conftest import a_model_deployment

pytestmark = pytest.mark.plane


def test_an_operator_for_one_namespace_needs_no_rights_outside_it(plane: Plane, namespace: str) -> None:
    _grant_everything(plane, namespace)
    with (
        Api(plane) as api,
        OperatorProcess(plane, namespaces=[namespace], lease_namespace=namespace, user="tenant") as operator,
    ):
        until_leads(operator)
        plane.kubectl().apply(a_model_deployment(namespace))
        until_seen(plane, namespace)
        until("there is a Job", lambda: api.list("jobs", namespace), 30)

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
        until_leads(operator)
        kubectl.within(forbidden)("delete", "rolebinding", "slipway")
        plane.kubectl().apply(a_model_deployment(namespace, "before"))
        until_seen(plane, namespace, "before")
        operator.stop()

        operator.start()

        until_leads(operator)
        kubectl.apply(a_model_deployment(namespace, "after"), a_model_deployment(forbidden, "theirs"))
        until_seen(plane, namespace, "after")
        assert operator.total("slipway_unlisted", kind="Deployment", namespace=forbidden, reason="Forbidden") == 1
        assert operator.total("slipway_unlisted", namespace=namespace) == 0
        with Api(plane) as api:
            assert phase(api, forbidden, "theirs") == ""

        _bind(plane, forbidden)
        until_phase(plane, forbidden, "it is looked after", _is_looked_after, 90, "theirs")
        until("all of it is listed again", lambda: operator.total("slipway_unlisted", namespace=forbidden) == 0, 90)
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
        until_leads(operator)
        until_seen(plane, half)
        until_seen(plane, namespace)
        status = kubectl.json("get", "md", "churn")["status"]
        ready = next(each for each in status["conditions"] if each["type"] == "Ready")
        assert (status["phase"], ready["status"], ready["reason"]) == ("Stalled", "False", "Forbidden")
        assert ready["message"].startswith("the operator may not list ")
        assert f" in namespace {half}: nothing is done here until it may; the chart's roles" in ready["message"]
        assert (
            kubectl("get", "deployments,jobs,services,configmaps", "-l", "app.kubernetes.io/managed-by=slipway") == ""
        )

        _grant_everything(plane, half)
        until_phase(plane, half, "it is looked after", _is_looked_after, 90)


def _grant_everything(plane: Plane, namespace: str) -> None:
    """As the chart's Role and RoleBinding in a namespace."""
    plane.kubectl().apply(_role_over_everything(namespace))
    _bind(plane, namespace)


def _bind(plane: Plane, namespace: str) -> None:
    bind = ("create", "rolebinding", "slipway", "--role=slipway", f"--user={plane.user('tenant')}")
    plane.kubectl().within(namespace)(*bind)


def _is_looked_after(phase: str) -> bool:
    return phase not in ("", "Stalled")


def _role_over_everything(namespace: str) -> dict[str, object]:
    everything = {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": "slipway", "namespace": namespace},
        "rules": [everything],
    }
