"""The look at Kubernetes' Events of Jobs and pods that take unusually long to start."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from slipway.core.analysis.look import Look
from slipway.core.body import conditions, instant, within
from slipway.core.observed.not_started import TOPIC, is_of
from slipway.core.observed.objects import Observed
from slipway.core.owner import Owner

UNSTARTED_AFTER: Final = timedelta(seconds=30)
"""Volumes are mounted and networks set up in seconds, and attaching a disk takes tens of them. By then kubelet and
controllers have tried more than once, and told of it."""


LOOK_AGAIN: Final = timedelta(minutes=1)


MOST: Final = 3
"""Objects that are looked at; the others wait for the same, as a rule."""


_ENDED: Final = frozenset({"Failed", "Complete"})


def wanted(observed: Observed, owner: Owner, now: datetime, *, rolls: bool) -> Look | None:
    """The look at what Kubernetes tells of those that do not start; None where everything has. While nothing `rolls` no
    Job is waited for."""
    waiting = sorted((*(_jobs(observed, owner) if rolls else ()), *_pods(observed)))
    if not waiting:
        return None
    evidence = observed.evidence.get(TOPIC)
    due = waiting[0][0] + UNSTARTED_AFTER
    at = max(due, evidence.after.at + LOOK_AGAIN) if evidence else due
    late = [uid for since, uid in waiting if since + UNSTARTED_AFTER <= max(at, now)]
    return Look(topic=TOPIC, at=at, events_of=tuple(late[:MOST]))


def _jobs(observed: Observed, owner: Owner) -> Iterator[tuple[datetime, str]]:
    """Jobs of ours without a pod, and since when they have waited for it."""
    for (kind, _), job in observed.children.items():
        awaited = kind == "Job" and job.owner_uid == owner.uid and not job.deleting
        if awaited and not any(is_of(pod, job) for pod in observed.pods):
            ends = conditions(within(job.body, "status").get("conditions"))
            since = instant(within(job.body, "metadata").get("creationTimestamp"))
            if since and not any(c["type"] in _ENDED and c["status"] == "True" for c in ends):
                yield since, job.uid


def _pods(observed: Observed) -> Iterator[tuple[datetime, str]]:
    for pod in observed.pods:
        if pod.unstarted_since and not pod.deleting:
            yield pod.unstarted_since, pod.uid
