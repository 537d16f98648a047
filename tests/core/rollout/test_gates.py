"""What each gate finds, in a table: one pod's status in, a reason and a quoted sentence out."""

from dataclasses import replace
from typing import Any

import pytest

from slipway.api.v1alpha1.spec import Accelerator
from slipway.core.observed.nodes import NodeFacts
from slipway.core.observed.pods import PodFacts
from slipway.core.policy import Policy
from slipway.core.reasons import About, Reason
from slipway.core.rollout.gates import at_fault, first_finding, is_certain
from tests.core.cluster.kubelet import says
from tests.core.gen import POLICY, revision_facts
from tests.core.pods import ended, fetcher, pod, server, true, unschedulable

GATED = {  # as the API server writes it
    "type": "PodScheduled",
    "status": "False",
    "reason": "SchedulingGated",
    "message": "Scheduling is blocked due to non-empty scheduling gates",
}


def beside(proxy: dict[str, Any], **server_is: Any) -> dict[str, Any]:
    """A pod into which a mesh has put its proxy."""
    last = {"lastState": server_is.pop("lastState")} if "lastState" in server_is else {}
    status = server(**{"state": {"running": {}}} | server_is)
    other = {"name": "istio-proxy", "ready": False, "restartCount": 4, "state": proxy, **last}
    return {**status, "containerStatuses": [*status["containerStatuses"], other]}


def held_by(**ready: str) -> dict[str, Any]:
    """A pod of which all containers are ready."""
    status = server(state={"running": {}}, started=True, ready=True)
    conditions = [
        *true("PodScheduled", "Initialized", "ContainersReady"),
        {"type": "Ready", "status": "False", **ready},
    ]
    return {**status, "conditions": conditions}


CASES: list[tuple[str, dict[str, Any], Reason | None, str]] = [
    ("starting", server(state={"running": {}}), None, ""),
    ("fetching", fetcher(state={"running": {}}), None, ""),
    (
        "no image",
        server(state={"waiting": {"reason": "ImagePullBackOff", "message": "no such tag"}}),
        Reason.IMAGE_PULL_FAILED,
        "no such tag",
    ),
    (
        "no secret",
        fetcher(state={"waiting": {"reason": "CreateContainerConfigError", "message": 'secret "keys" not found'}}),
        Reason.CONFIGURATION_MISSING,
        'secret "keys" not found',
    ),
    (
        "store refuses",
        fetcher(state=ended(says("SourceDenied", "403 for s3://m/1"))),
        Reason.SOURCE_DENIED,
        "403 for s3://m/1",
    ),
    ("fetcher crashed", fetcher(state=ended(code=139)), Reason.FETCH_FAILED, "139"),
    (
        "cannot load",
        server(state=ended(says("LoadFailed", "no such op"))),
        Reason.LOAD_FAILED,
        "no such op",
    ),
    (
        "answers wrongly, in its last life",
        server(state={"running": {}}, lastState=ended(says("WrongAnswer", "y[0] is 5"))),
        Reason.WRONG_ANSWER,
        "y[0] is 5",
    ),
    ("out of memory", server(state=ended(reason="OOMKilled", code=137)), Reason.OUT_OF_MEMORY, "limits.memory"),
    ("crashes without a word", server(state=ended("segfault", code=139)), Reason.CRASH_LOOP, "139"),
    (
        "nowhere to run",
        unschedulable("0/3 nodes"),
        Reason.INSUFFICIENT_CAPACITY,
        "0/3 nodes",
    ),
    (
        "no image for a mesh's proxy",
        beside({"waiting": {"reason": "ImagePullBackOff", "message": "no such tag"}}),
        Reason.IMAGE_PULL_FAILED,
        "churn-1: container istio-proxy, which is not Slipway's: no such tag",
    ),
    (
        "no ConfigMap for a mesh's proxy",
        beside({"waiting": {"reason": "CreateContainerConfigError", "message": 'configmap "ca" not found'}}),
        Reason.CONFIGURATION_MISSING,
        "container istio-proxy, which is not Slipway's: configmap",
    ),
    (
        "a mesh's proxy keeps crashing",
        beside({"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 5m0s"}}, lastState=ended(code=2)),
        Reason.SIDECAR_FAILED,
        "container istio-proxy, which is not Slipway's: back-off 5m0s (its last exit code: 2)",
    ),
    (
        "a mesh's proxy crashes, and the server says what is wrong with the model",
        beside({"waiting": {"reason": "CrashLoopBackOff"}}, state=ended(says("LoadFailed", "no such op"))),
        Reason.LOAD_FAILED,
        "no such op",
    ),
    ("a mesh's proxy starts", beside({"waiting": {"reason": "PodInitializing"}}, state={"running": {}}), None, ""),
    ("a mesh's proxy starts beside the server", beside({"running": {}}, state={"running": {}}), None, ""),
    (
        "the server is ready and a mesh's proxy is not",
        beside({"running": {}}, state={"running": {}}, ready=True, started=True),
        Reason.POD_NOT_READY,
        "container istio-proxy, which is not Slipway's, is not ready",
    ),
    (
        "a readiness gate that nobody sets",
        held_by(reason="ReadinessGatesNotReady", message='condition "lb" does not exist'),
        Reason.POD_NOT_READY,
        'the server is ready and the pod is not: ReadinessGatesNotReady: condition "lb" does not exist',
    ),
    (
        "its node is marked, and its kubelet writes again",
        held_by(),
        Reason.POD_NOT_READY,
        "its Ready condition is False",
    ),
    ("held back by a queue", {"conditions": [GATED]}, Reason.QUEUED, "is held back (scheduling gate"),
]


@pytest.mark.parametrize(("status", "reason", "quoted"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_a_gate_names_its_finding_and_quotes_the_evidence(
    status: dict[str, Any], reason: Reason | None, quoted: str
) -> None:
    found = first_finding(revision_facts(pod(**status)), POLICY)
    assert (found and found.reason) == reason
    assert found is None or quoted in found.message


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ('pods "x" is forbidden: exceeded quota: gpus, requested: 1', Reason.QUOTA_EXCEEDED),
        ('pods "x" is forbidden: violates PodSecurity "restricted"', Reason.POD_REFUSED),
    ],
)
def test_what_keeps_pods_from_being_made_is_told_by_the_deployment(message: str, reason: Reason) -> None:
    found = first_finding(revision_facts(replica_failure=message), POLICY)
    assert found
    assert found.reason is reason
    assert message in found.message


def test_a_wait_for_gpus_says_what_the_nodes_have() -> None:
    waiting = pod(**unschedulable("0/1 nodes"))
    node = NodeFacts(
        name="n1",
        labels={"nvidia.com/gpu.product": "Tesla-T4"},
        allocatable={"nvidia.com/gpu": "4"},
        schedulable=True,
    )
    policy = Policy(
        fetch_timeout=POLICY.fetch_timeout,
        progress_deadline=POLICY.progress_deadline,
        accelerator=Accelerator(products=["NVIDIA-H100-80GB-HBM3"]),
    )
    found = first_finding(revision_facts(waiting, nodes=(node,)), policy)
    assert found
    assert "Tesla-T4" in found.message


@pytest.mark.parametrize(
    ("restarts", "state", "certain"),
    [(0, ended(says("LoadFailed", "x")), False), (1, ended(says("LoadFailed", "x")), True)],
)
def test_a_revision_is_refused_for_what_was_seen_twice(restarts: int, state: dict[str, Any], certain: bool) -> None:
    seen = revision_facts(
        pod(
            **server(state=state)
            | {"containerStatuses": [{"name": "triton", "restartCount": restarts, "state": state}]}
        )
    )
    found = first_finding(seen, POLICY)
    assert found
    assert found.about is About.REVISION
    assert is_certain(found, seen) is certain


def test_two_pods_that_fail_once_each_make_it_certain() -> None:
    failed = pod(**server(state=ended(says("LoadFailed", "x"))))
    seen = revision_facts(failed, failed)
    found = first_finding(seen, POLICY)
    assert found
    assert is_certain(found, seen)


def test_the_worlds_fault_is_never_refused() -> None:
    seen = revision_facts(pod(**fetcher(restartCount=9, state=ended(says("FetchStalled", "x")))))
    found = first_finding(seen, POLICY)
    assert found
    assert not is_certain(found, seen)


# Whose fault it is


def failing(name: str, node: str, endings: int, reason: str = "WrongAnswer") -> PodFacts:
    status = server(state=ended(says(reason, "y[0] is 5")), restartCount=endings - 1)
    return pod(name, node=node, **status)


def answering(name: str = "well", node: str = "node-1") -> PodFacts:
    return replace(pod(name, node=node, **server(started=True, state={"running": {}})), ready=True)


def judged(*pods: PodFacts) -> bool:
    seen = revision_facts(*pods)
    found = first_finding(seen, POLICY)
    assert found
    return is_certain(found, seen)


@pytest.mark.parametrize(
    ("pods", "certain"),
    [
        ((failing("a", "node-1", 1),), False),
        ((failing("a", "node-1", 2),), True),
        ((failing("a", "node-1", 5), pod(node="node-2", **server(state={"running": {}}))), False),
        ((failing("a", "node-1", 1), failing("b", "node-2", 1)), True),
        ((failing("a", "node-1", 2), pod(node=None)), True),
        ((failing("a", "node-1", 2), answering()), False),
        ((failing("a", "node-1", 2, "BackendDead"), answering()), True),
    ],
    ids=[
        "seen once",
        "seen twice, where there is one node",
        "seen often, on one of two nodes",
        "seen once on each of two nodes",
        "seen twice, and another pod has no node yet",
        "another pod answers correctly",
        "another pod answers correctly, which says nothing of this",
    ],
)
def test_a_finding_is_the_revisions_own_when_no_pod_or_node_explains_it(
    pods: tuple[PodFacts, ...], certain: bool
) -> None:
    assert judged(*pods) is certain


def test_a_pod_that_goes_wrong_beside_others_that_do_not_has_to_go() -> None:
    wrong = failing("wrong", "node-1", 2)
    assert at_fault(revision_facts(wrong, answering())) == (wrong,)
    assert at_fault(revision_facts(failing("wrong", "node-1", 1), answering())) == ()
    assert at_fault(revision_facts(failing("dead", "node-1", 2, "BackendDead"), answering())) == ()
    assert at_fault(revision_facts(wrong, failing("too", "node-2", 2))) == ()


def test_a_pod_on_a_silent_node_is_lost_whatever_it_said_before() -> None:
    silent = NodeFacts(name="node-2", labels={}, allocatable={}, schedulable=True, ready=False)
    nodes = (silent, replace(silent, name="node-1", ready=True))
    found = first_finding(revision_facts(failing("a", "node-2", 3), nodes=nodes), POLICY)
    assert found
    assert (found.reason, found.about) == (Reason.POD_LOST, About.WORLD)
    assert "node-2" in found.message
    elsewhere = first_finding(revision_facts(failing("a", "node-1", 3), nodes=nodes), POLICY)
    assert elsewhere
    assert elsewhere.reason is Reason.WRONG_ANSWER


def test_what_a_silent_or_lost_node_last_wrote_is_no_evidence() -> None:
    here = NodeFacts(name="node-1", labels={}, allocatable={}, schedulable=True)
    for nodes in ((here, replace(here, name="node-2", ready=False)), (here,)):
        seen = revision_facts(failing("a", "node-1", 1), failing("b", "node-2", 3), nodes=nodes)
        wrong = first_finding(revision_facts(failing("a", "node-1", 1), nodes=nodes), POLICY)
        assert wrong
        assert wrong.reason is Reason.WRONG_ANSWER
        assert not is_certain(wrong, seen)
        assert at_fault(revision_facts(answering(), failing("b", "node-2", 3), nodes=nodes)) == ()


def test_a_pod_that_has_just_been_placed_is_on_a_node_that_may_not_be_seen_yet() -> None:
    here = NodeFacts(name="node-1", labels={}, allocatable={}, schedulable=True)
    placed = pod(node="node-new", conditions=true("PodScheduled"))
    assert first_finding(revision_facts(placed, nodes=(here,)), POLICY) is None


@pytest.mark.parametrize("why", [beside({"waiting": {"reason": "CrashLoopBackOff"}}), held_by(reason="x")])
def test_what_others_put_into_a_pod_is_never_held_against_the_version(why: dict[str, Any]) -> None:
    seen = revision_facts(pod(**why), pod(**why))
    found = first_finding(seen, POLICY)
    assert found
    assert found.about is About.WORLD
    assert not is_certain(found, seen)
