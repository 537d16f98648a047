"""The operator as a process where nobody else acts: faults of the API server, two replicas, aliases, its log."""

import json
from typing import Any

import pytest

from slipway.api.v1alpha1 import API_VERSION
from testbed.api import Api
from testbed.operating import OperatorProcess, until
from testbed.plane import Plane
from tests.controller.come_to import until_leads, until_seen
from tests.controller.conftest import a_model_deployment

pytestmark = pytest.mark.plane


def test_the_operator_outlives_a_restart_of_the_api_server_and_goes_on(plane: Plane, namespace: str) -> None:
    with OperatorProcess(plane, namespaces=[namespace]) as operator:
        until_leads(operator)
        plane.kubectl().apply(a_model_deployment(namespace, "before"))
        until_seen(plane, namespace, "before")

        plane.restart("kube-apiserver", kill=True)

        plane.kubectl().apply(a_model_deployment(namespace, "after"))
        until_seen(plane, namespace, "after", 60)
        assert operator.ended() is None
        assert operator.says("/healthz") == (200, "ok")


def test_an_operator_outlives_an_api_server_that_is_away_for_longer_than_its_lease_may_be_vouched_for(
    plane: Plane, namespace: str
) -> None:
    with OperatorProcess(plane, namespaces=[namespace]) as operator:
        until_leads(operator)
        plane.stop("kube-apiserver", kill=True)
        until("it writes nothing any more", lambda: "nothing is written until it is" in operator.log(), 60)
        assert operator.total("slipway_leading") == 0
        assert operator.says("/healthz") == (200, "ok")

        plane.restart("kube-apiserver")

        until_leads(operator, 60)
        plane.kubectl().apply(a_model_deployment(namespace))
        until_seen(plane, namespace, seconds=60)
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
    with Api(plane) as api, OperatorProcess(plane, namespaces=[namespace], resync_seconds=3600) as operator:

        def read() -> dict[str, Any]:
            return api.get("modeldeployments", namespace, "churn") or {}

        def asked_for() -> list[str | None]:
            status = read()["status"]
            return [status["follow"].get("version"), (status.get("candidate") or {}).get("version")]

        until("it says that there is none", lambda: "NothingToFollow" in str(read().get("status")), 60)
        for version in ("1", "2", "1"):
            kubectl.apply(an_object("RegisteredModel", namespace, "churn", {"aliases": {"champion": version}}))
            until(f"{version} is asked for", lambda: asked_for() == [version] * 2, 15)  # noqa: B023
        kubectl("delete", "registeredmodel", "churn")
        until("it says that it is gone", lambda: "NothingToFollow" in str(read()["status"]), 15)
        assert asked_for() == ["1", "1"]
        assert read()["metadata"]["generation"] == 1
        assert operator.ended() is None


def an_object(kind: str, namespace: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": name, "namespace": namespace}, "spec": spec}


def test_a_standby_is_ready_and_takes_over_when_the_leader_is_told_to_end(plane: Plane, namespace: str) -> None:
    with OperatorProcess(plane, namespaces=[namespace], lease=namespace) as leader:
        until_leads(leader)
        with OperatorProcess(plane, namespaces=[namespace], lease=namespace, user="operator-2") as standby:
            until("the second is ready", standby.ready, 30)
            assert standby.total("slipway_leading") == 0

            assert leader.stop() == 0

            until_leads(standby, 15)  # at once, not after the 30 s of the Lease
            plane.kubectl().apply(a_model_deployment(namespace))
            until_seen(plane, namespace)


def test_an_operator_that_loses_its_lease_ends_with_an_error_and_leaves_the_lease_alone(
    plane: Plane, namespace: str
) -> None:
    kubectl = plane.kubectl().within(namespace)
    with OperatorProcess(plane, namespaces=[namespace], lease="slipway", lease_namespace=namespace) as operator:
        until_leads(operator)
        kubectl("patch", "lease", "slipway", "-p", '{"spec": {"holderIdentity": "thief"}}')

        until("it has ended", lambda: operator.ended() is not None, 30)

        assert operator.ended() == 1
        assert "Somebody else holds the Lease" in operator.log()
    assert kubectl("get", "lease", "slipway", "-o", "jsonpath={.spec.holderIdentity}") == "thief"


def test_every_log_line_of_a_pass_names_its_object(plane: Plane, namespace: str) -> None:
    plane.kubectl().apply(a_model_deployment(namespace))
    with OperatorProcess(plane, namespaces=[namespace]) as operator:
        until("it has applied a Job", lambda: "Applied Job" in operator.log(), 30)
        lines = [json.loads(line) for line in operator.log().splitlines()]

    (applied,) = (line for line in lines if line["message"].startswith("Applied Job"))
    assert applied | {"namespace": namespace, "model_deployment": "churn", "attempt": 1, "level": "INFO"} == applied
    assert {"time", "logger"} <= set(applied)
