"""What is believed of an object is what its owner reference says, and no more than it can be: anybody writes labels."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from slipway.controller.kinds import DEPLOYMENT, MODEL_DEPLOYMENT, POD, SERVICE
from slipway.controller.store import Store
from slipway.core.children.revision import RevisionRecord, controller_revision, render
from slipway.core.names import REVISION
from slipway.core.observed.pods import PodFacts
from tests.controller.stored import CHURN, an_object, controlled
from tests.core.gen import md_spec, owner, platform, resolved

JOB = {"batch.kubernetes.io/job-name": "churn-resolve-1", "batch.kubernetes.io/controller-uid": "uid-job"}


def kept(labels: dict[str, str], **controller: str) -> PodFacts:
    store = Store()
    store.put(MODEL_DEPLOYMENT, an_object(MODEL_DEPLOYMENT, "churn", 1))
    pod = an_object(POD, "p", 2, status={"podIP": "10.0.0.1"})
    pod["metadata"]["labels"] |= labels
    store.put(POD, controlled(pod, **controller) if controller else pod)
    (facts,) = store.observed(CHURN).pods
    return facts


@pytest.mark.parametrize(
    ("controller", "is_believed"),
    [
        ({"kind": "ReplicaSet", "name": "churn-90be11d2-6b7f"}, True),
        ({"kind": "ReplicaSet", "name": "other-90be11d2-6b7f"}, False),
        ({"kind": "ReplicaSet", "name": "churn-3f2a91bc-6b7f"}, False),
        ({"kind": "Job", "name": "churn-90be11d2-6b7f"}, False),
        ({}, False),
    ],
)
def test_a_pod_is_one_of_a_revision_where_its_replica_set_is(controller: dict[str, str], *, is_believed: bool) -> None:
    assert kept({REVISION: "90be11d2"}, **controller).revision == ("90be11d2" if is_believed else None)


@pytest.mark.parametrize(
    ("controller", "is_believed"),
    [
        ({"kind": "Job", "name": "churn-resolve-1", "uid": "uid-job"}, True),
        ({"kind": "Job", "name": "churn-resolve-1", "uid": "another"}, False),
        ({"kind": "Job", "name": "another", "uid": "uid-job"}, False),
        ({"kind": "ReplicaSet", "name": "churn-resolve-1", "uid": "uid-job"}, False),
        ({}, False),
    ],
)
def test_a_pod_answers_for_a_job_where_the_job_controls_it(controller: dict[str, str], *, is_believed: bool) -> None:
    facts = kept(JOB, **controller)
    assert (facts.job, facts.job_uid) == (("churn-resolve-1", "uid-job") if is_believed else (None, None))


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("churn", "/api/v1/namespaces/shop/services/churn"),
        ("../../kube-system/services/x", "/api/v1/namespaces/shop/services/..%2F..%2Fkube-system%2Fservices%2Fx"),
        ("..", "/api/v1/namespaces/shop/services/%2E%2E"),
        ("x?watch=1", "/api/v1/namespaces/shop/services/x%3Fwatch%3D1"),
        ("x/status", "/api/v1/namespaces/shop/services/x%2Fstatus"),
    ],
)
def test_no_name_leads_out_of_its_place(name: str, path: str) -> None:
    assert SERVICE.path("shop", name) == path
    assert DEPLOYMENT.path("shop", "d", "scale").endswith("/deployments/d/scale")


def stored() -> dict[str, Any]:
    record = render(owner=owner(), spec=md_spec(), ask="a" * 64, resolved=resolved(), platform=platform())
    return copy.deepcopy(controller_revision(record, owner=owner(), number=1))


def child(body: dict[str, Any], kind: str) -> dict[str, Any]:
    found: dict[str, Any] = next(each for each in body["data"]["children"] if each["kind"] == kind)
    return found


def _another_job(body: dict[str, Any]) -> None:
    body["data"]["children"].append({"kind": "Job", "metadata": {"name": body["metadata"]["name"]}})


def _another_kind(body: dict[str, Any]) -> None:
    child(body, "ConfigMap")["kind"] = "NetworkPolicy"


def _twice(body: dict[str, Any]) -> None:
    body["data"]["children"].append(child(body, "Service"))


def _one_less(body: dict[str, Any]) -> None:
    body["data"]["children"].remove(child(body, "Service"))


def _elsewhere(body: dict[str, Any]) -> None:
    child(body, "Service")["metadata"]["name"] = "../../../namespaces/kube-system/services/x"


def _anothers_name(body: dict[str, Any]) -> None:
    child(body, "ConfigMap")["metadata"]["name"] = "somebodys"


def _load_balancer(body: dict[str, Any]) -> None:
    child(body, "Service")["spec"] |= {"type": "LoadBalancer"}


def _external_ips(body: dict[str, Any]) -> None:
    child(body, "Service")["spec"] |= {"externalIPs": ["192.0.2.1"]}


def test_a_stored_revision_is_read_back_as_it_was_made() -> None:
    body = stored()
    assert RevisionRecord.from_controller_revision(body).revision == body["metadata"]["name"].rpartition("-")[2]


@pytest.mark.parametrize(
    "forge",
    [_another_job, _another_kind, _twice, _one_less, _elsewhere, _anothers_name, _load_balancer, _external_ips],
)
def test_a_stored_revision_has_its_own_three_children_or_is_not_believed(
    forge: Callable[[dict[str, Any]], None],
) -> None:
    body = stored()
    forge(body)
    with pytest.raises(ValueError, match="somebody else wrote it; delete it"):
        RevisionRecord.from_controller_revision(body)
