"""Which endings of a server count against its version: a table of pods as kubelets describe them."""

from typing import Any

import pytest

from slipway.core.observed.endings import of_server
from slipway.core.observed.pods import PodFacts
from slipway.core.reasons import Reason
from slipway.core.rollout.gates import first_finding, is_certain
from tests.core.cluster.kubelet import says
from tests.core.gen import POLICY, revision_facts
from tests.core.pods import pod

DAY, CRASHED = "2026-01-08", {"exitCode": 139, "reason": "Error"}
BACK_OFF = {"waiting": {"reason": "CrashLoopBackOff"}}


def at(clock: str) -> str:
    return f"{DAY}T{clock}Z"


def ran(begun: str, ended: str, **how: Any) -> dict[str, Any]:
    """A life that is over."""
    return {"terminated": {**CRASHED, "startedAt": at(begun), "finishedAt": at(ended), **how}}


def was(initialized: str | None, unready: str, *, fetches: int = 1, **server: Any) -> PodFacts:
    """A pod that is not ready, since `unready`; its init container ran so often."""
    conditions = [{"type": "Ready", "status": "False", "lastTransitionTime": at(unready)}]
    if initialized:
        conditions.append({"type": "Initialized", "status": "True", "lastTransitionTime": at(initialized)})
    statuses = [{"name": "triton", "restartCount": 0, **server}]
    fetcher = {"name": "fetch", "restartCount": fetches - 1, "state": {"terminated": {"exitCode": 0}}}
    return pod(phase="Running", conditions=conditions, initContainerStatuses=[fetcher], containerStatuses=statuses)


CASES: list[tuple[str, PodFacts, int]] = [
    ("its first life", was("08:00:00", "07:59:00", state=ran("08:00:01", "08:00:30")), 1),
    (
        "it starts again and again",
        was("08:00:00", "07:59:00", restartCount=1, state=BACK_OFF, lastState=ran("08:00:31", "08:01:00")),
        2,
    ),
    (
        "ready for a minute only, each time",
        was("08:00:00", "08:05:00", restartCount=3, state=BACK_OFF, lastState=ran("08:04:00", "08:05:00")),
        4,
    ),
    (
        "it was ready for hours, and had ended before that",
        was("08:00:00", "12:00:01", restartCount=3, state=BACK_OFF, lastState=ran("08:04:00", "12:00:00")),
        1,
    ),
    (
        "it has answered since, and is not ready for another reason",
        was(
            "08:00:00",
            "12:00:01",
            restartCount=3,
            started=True,
            state={"running": {}},
            lastState=ran("08:00:31", "08:01:00"),
        ),
        0,
    ),
    (
        "its node was rebooted",
        was("08:00:00", "12:00:01", state=ran("08:04:00", "12:00:00", exitCode=255, reason="Unknown")),
        0,
    ),
    (
        "the kubelet lost it",
        was(
            "08:00:00",
            "12:00:01",
            restartCount=1,
            state=BACK_OFF,
            lastState=ran("08:04:00", "12:00:00", exitCode=137, reason="ContainerStatusUnknown"),
        ),
        0,
    ),
    (
        "the guard said why, whatever the code",
        was("08:00:00", "07:59:00", state=ran("08:04:00", "12:00:00", exitCode=255, message=says("LoadFailed", "x"))),
        1,
    ),
    (
        "it ended with the whole pod, whose init containers run anew",
        was(
            None,
            "12:00:01",
            fetches=2,
            restartCount=1,
            state=BACK_OFF,
            lastState=ran("08:04:00", "12:00:00", exitCode=143),
        ),
        0,
    ),
    (
        "it ended with the whole pod, and loads again",
        was(
            "12:01:00",
            "12:00:01",
            restartCount=1,
            state={"running": {}},
            lastState=ran("08:04:00", "12:00:00", exitCode=0, reason="Completed"),
        ),
        0,
    ),
    (
        "its first life after a reboot",
        was("12:01:00", "12:00:01", fetches=2, restartCount=1, state=ran("12:01:01", "12:02:00")),
        1,
    ),
    (
        "it fails at once, and at once again",
        was("08:00:00", "07:59:00", restartCount=1, state=BACK_OFF, lastState=ran("08:00:02", "08:00:03")),
        2,
    ),
]


@pytest.mark.parametrize(("case", "what", "count"), CASES, ids=[case[0] for case in CASES])
def test_endings_count_since_the_pod_was_last_well(case: str, what: PodFacts, count: int) -> None:
    assert of_server(what) == count


def test_a_pool_that_is_rebooted_refuses_no_version_and_the_sentence_names_pod_and_node() -> None:
    rebooted = was("08:00:00", "12:00:01", restartCount=1, state=ran("08:04:00", "12:00:00", exitCode=255))
    seen = revision_facts(rebooted, rebooted)
    found = first_finding(seen, POLICY)
    assert found
    assert found.reason is Reason.POD_LOST
    assert "churn-1: the kubelet of node-1" in found.message
    assert not is_certain(found, seen)
