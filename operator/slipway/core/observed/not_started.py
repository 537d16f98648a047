"""Not started: a Job without its pod, and a pod without its first container.

Neither object says why: that a Secret cannot be mounted, or that the API server refuses a pod, is told by Kubernetes'
Events alone. They are read when something takes unusually long, and are not watched: a busy cluster has thousands.
"""

from collections.abc import Mapping
from typing import Final

from slipway.core.observed.evidence import EventFacts
from slipway.core.observed.objects import Child, Observed
from slipway.core.observed.pods import PodFacts
from slipway.core.reasons import QUOTA_WORDS, Finding, Reason, finding

TOPIC: Final = "unstarted"
"""What the looks are kept under."""

_MISSING: Final = ("not found", "non-existent")
_MADE: Final = "SuccessfulCreate"


def newest_events(observed: Observed) -> Mapping[str, EventFacts]:
    """What the last look has brought, by uid."""
    evidence = observed.evidence.get(TOPIC)
    return evidence.events if evidence else {}


def pods_refused(version: str, message: str) -> Finding:
    """A ResourceQuota or an admission rule keeps a controller from making pods."""
    reason = Reason.QUOTA_EXCEEDED if QUOTA_WORDS in message else Reason.POD_REFUSED
    return finding(reason, f"{version}: the API server refuses its pods: {message}")


def has_no_pod(job: Child, events: Mapping[str, EventFacts], version: str) -> Finding | None:
    """A Job that should have its pod by now."""
    if job.uid not in events:
        return None
    event, spec = events[job.uid], job.body["spec"]
    if spec.get("suspend"):
        message = f"{version}: Job {job.name} is suspended, by a queue or by hand: it goes on when it is let go"
        return finding(Reason.POD_REFUSED, message)
    if event.warning:
        return pods_refused(version, event.message)
    if event.reason == _MADE:
        return None
    account = spec["template"]["spec"].get("serviceAccountName") or "default"
    message = (
        f"{version}: Job {job.name} has no pod: look for a quota, an admission rule, or whether there is a service "
        f"account {account}, with: kubectl describe job {job.name}"
    )
    return finding(Reason.POD_REFUSED, message)


def has_not_started(pod: PodFacts, event: EventFacts, version: str) -> Finding | None:
    """A pod that should have a container by now. One that pulls an image is told of as well, and not as a warning."""
    if pod.unstarted_since is None:
        return None
    if event.warning and any(words in event.message for words in _MISSING):
        message = f"{version}: {pod.name}: {event.message}; create it, or correct source.secretName"
        return finding(Reason.CONFIGURATION_MISSING, message)
    if event.warning:
        return finding(Reason.POD_NOT_STARTED, f"{version}: {pod.name}: {event.reason}: {event.message}")
    if event.reason or not pod.lacks:
        return None
    message = f"{version}: {pod.name} has no container yet: see whether {' and '.join(pod.lacks)} can be mounted"
    return finding(Reason.POD_NOT_STARTED, f"{message}, with: kubectl describe pod {pod.name}")


def is_of(pod: PodFacts, job: Child) -> bool:
    """Whether a pod was made by this Job, and not by an earlier one of its name, which garbage collection has not
    reached yet."""
    return pod.job == job.name and pod.job_uid == job.uid
