"""Pods that have come to their end and are left over, as kubelets, the scheduler and controllers leave them; and a
cluster in which they lie about."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from typing import Any

from slipway.core.names import REVISION, Manifest
from slipway.core.observed.objects import Observed
from slipway.core.observed.pods import PodFacts, pod_facts
from slipway.core.plan import Plan
from slipway.core.reasons import Reason
from tests.core.cluster.disturbed import Disturbed
from tests.core.cluster.kubelet import says
from tests.core.pods import manifest, true

LONG_AGO = "2026-01-05T11:00:00Z"
LATER = "2030-01-01T00:00:00Z"
"""In the middle of whatever a test is about, or after it: no clock may go by it."""
KUBELET_LOST_IT: dict[str, Any] = {  # as a real kubelet leaves an evicted pod: one eviction, two endings
    "restartCount": 1,
    "state": {"waiting": {"reason": "PodInitializing"}},
    "lastState": {"terminated": {"exitCode": 137, "reason": "ContainerStatusUnknown"}},
}


def _ended(code: int, reason: str, message: str = "", restarts: int = 3) -> dict[str, Any]:
    terminated = {"exitCode": code, "reason": reason, "message": message}
    return {"restartCount": restarts, "started": True, "ready": True, "state": {"terminated": terminated}}


ENDS: tuple[tuple[str, str | None, dict[str, Any] | None], ...] = (
    ("Failed", "Evicted", None),
    ("Failed", "Evicted", KUBELET_LOST_IT),
    ("Failed", "UnexpectedAdmissionError", None),
    ("Failed", "NodeShutdown", _ended(137, "Error")),
    ("Failed", "Terminated", _ended(137, "OOMKilled")),
    ("Failed", "NodeLost", _ended(255, "Unknown")),
    ("Failed", None, _ended(1, "Error", says("WrongAnswer", "y[0] is 5"))),
    ("Failed", None, {"restartCount": 0, "state": {"running": {}}, "started": True, "ready": True}),
    ("Failed", None, {"restartCount": 0, "state": {"waiting": {"reason": "ImagePullBackOff"}}}),
    ("Succeeded", "Terminated", _ended(0, "Completed")),
    ("Succeeded", None, _ended(0, "Completed")),
)


def leftover(name: str, revision: str, *, node: str | None = "node-1", end: int = 0, at: str = LONG_AGO) -> Manifest:
    """One that ended in one of the ways of ENDS, with conditions that nobody has put right since."""
    phase, reason, server = ENDS[end]
    conditions = true("PodScheduled", "Initialized", "Ready", "ContainersReady", at=at)
    status: dict[str, Any] = {"phase": phase, "conditions": conditions, "podIP": "10.0.0.9"}
    if reason:
        status |= {"reason": reason, "message": "the node was low on resource: ephemeral-storage"}
    if server:
        status["containerStatuses"] = [{"name": name, **_at(server, at)} for name in ("triton", "istio-proxy")]
    return manifest(name, labels={REVISION: revision}, node=node, created=at, status=status)


def _at(server: dict[str, Any], at: str) -> dict[str, Any]:
    """With the time at which it ended."""
    ended = server["state"].get("terminated")
    return {**server, "state": {"terminated": {**ended, "finishedAt": at}}} if ended else server


def leftovers(revision: str) -> Iterator[PodFacts]:
    """All ways, on nodes that are there and that are not, long over and in the middle of things; some told to end."""
    serial = count()
    for end in range(len(ENDS)):
        for node, at in (("node-1", LONG_AGO), ("node-2", LATER), ("gone", LATER), (None, LONG_AGO)):
            pod = leftover(f"over-{revision}-{next(serial)}", revision, node=node, end=end, at=at)
            if end % 3 == 0 and node == "gone":
                pod["metadata"]["deletionTimestamp"] = at
            yield pod_facts(pod)


def decided(plan: Plan) -> dict[str, Any]:
    """All that a pass does and remembers; what it tells of a lost pod is left out."""
    status = plan.status.to_dict()
    rollout = {name: value for name, value in status.pop("rollout", {}).items() if name != "reportedReasons"}
    for word in ("conditions", "phase"):
        status.pop(word)
    notes = [note for note in plan.notes if note.reason is not Reason.POD_LOST]
    return {
        "status": status,
        "rollout": rollout,
        "actions": plan.actions,
        "relies_on": plan.relies_on,
        "looks": plan.looks,
        "wake_at": plan.wake_at,
        "notes": notes,
    }


class Littered(Disturbed):
    """A cluster in which each decision is made twice: as things are, and with leftovers of every revision about."""

    def decided(self, observed: Observed) -> Plan:
        plan = super().decided(observed)
        revisions = {name.removeprefix("churn-") for name in self.deployments()}
        litter = tuple(pod for revision in sorted(revisions) for pod in leftovers(revision))
        there = decided(super().decided(replace(observed, pods=(*litter, *observed.pods))))
        here = decided(plan)
        differs = {word: (here[word], there[word]) for word in here if here[word] != there[word]}
        assert not differs, f"leftovers change what is decided: {differs}"
        return plan
