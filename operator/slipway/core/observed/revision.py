"""What the rollout machine looks at: one revision's pods and counts, and what became of resolving an ask."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, Self

from slipway.core.body import integer, within
from slipway.core.names import SIGNATURE, of_resolve_job
from slipway.core.observed.devices import NO_DEVICES, Devices
from slipway.core.observed.evidence import EventFacts
from slipway.core.observed.nodes import NodeFacts
from slipway.core.observed.not_started import is_of, newest_events
from slipway.core.observed.objects import Child, JobQueued, Observed
from slipway.core.observed.pods import PodFacts
from slipway.core.owner import Owner


@dataclass(frozen=True, kw_only=True)
class RevisionFacts:
    """One revision as the cluster has it now."""

    revision: str
    version: str
    """The user's name for it."""
    wanted: int
    count: int = 0
    """Pods that its Deployment is set to."""
    available: int = 0
    replica_failure: str | None = None
    """Why the API server refused its pods."""
    pods: tuple[PodFacts, ...] = ()
    """Those that are there to stay. Only they are evidence about the version."""
    ending: tuple[PodFacts, ...] = ()
    """Pods that were told to end and have not ended."""
    over: tuple[PodFacts, ...] = ()
    """Pods that have come to their end and are left over: no evidence, and in nobody's way."""
    addressable: bool = True
    """Its own Service is there and ours: a gateway that sends requests to it reaches its pods and nobody else's."""
    usurped: bool = False
    """Its own Service's name is that of a stranger's, who would answer its requests."""
    nodes: tuple[NodeFacts, ...] = ()
    devices: Devices = NO_DEVICES
    events: Mapping[str, EventFacts] = field(default_factory=dict)
    """What Kubernetes tells of pods that do not start, by uid."""

    @property
    def carries(self) -> int:
        """Available pods that stay: right after a scale-down more are counted."""
        return min(self.available, self.count)

    @property
    def whole(self) -> bool:
        """Every pod that it should have is available, and it should have some."""
        return self.available >= self.wanted > 0

    @property
    def lacks_pods(self) -> bool:
        """Fewer pods are available than its Deployment is set to."""
        return self.available < self.count

    def lost_node(self, pod: PodFacts) -> str | None:
        """What is the matter with a pod's node, in words, while nobody hears of its pods. A pod whose containers have
        begun is on a node that was there; of one that has just been placed the node may be new, and not be seen yet."""
        if pod.node in self._silent:
            return f"its node {pod.node} is not ready"
        begun = pod.fetch.begun or pod.server.begun or pod.deleting
        return f"its node {pod.node} is gone" if self.has_no_node(pod) and begun else None

    def has_no_node(self, pod: PodFacts) -> bool:
        """Whether the Node of a pod that was placed is not there any more: it cannot run."""
        return bool(self.nodes) and pod.node is not None and pod.node not in self._named

    @cached_property
    def _silent(self) -> frozenset[str]:
        return frozenset(node.name for node in self.nodes if not node.ready)

    @cached_property
    def _named(self) -> frozenset[str]:
        return frozenset(node.name for node in self.nodes)

    @property
    def fetched(self) -> bool:
        """Some pod has its bundle: from then on it is the progress deadline that counts."""
        return any(pod.fetched_at for pod in self.pods)

    def progressed_at(self, since: datetime) -> datetime:
        """When a pod last got further than it ever was; `since` when none did."""
        return max([since, *(pod.progressed_at for pod in self.pods)])

    @classmethod
    def gather(
        cls,
        observed: Observed,
        *,
        deployment: Mapping[str, Any],
        revision: str,
        version: str,
        wanted: int,
        now: datetime,
        addressable: bool = True,
        usurped: bool = False,
    ) -> Self:
        """Read a revision's facts out of what was observed. `deployment` is empty when there is none."""
        status, pods = deployment.get("status") or {}, observed.pods_of(revision)
        return cls(
            revision=revision,
            version=version,
            wanted=wanted,
            count=integer(within(deployment, "spec").get("replicas"), 1) if deployment else 0,
            available=available(deployment, pods, now),
            replica_failure=_replica_failure(status),
            pods=tuple(pod for pod in pods if not pod.deleting),
            ending=tuple(pod for pod in pods if pod.deleting),
            over=observed.over_of(revision),
            addressable=addressable,
            usurped=usurped,
            nodes=observed.nodes,
            devices=observed.devices,
            events=newest_events(observed),
        )


def available(deployment: Mapping[str, Any], pods: Iterable[PodFacts], now: datetime) -> int:
    """Pods that are available and stay. A Deployment's own count goes on counting one that was told to end: while one
    ends, those that are ready count for it only once they have been so for minReadySeconds."""
    reported = int((deployment.get("status") or {}).get("availableReplicas", 0))
    if not reported:
        return 0
    pods = tuple(pods)
    ready = [pod for pod in pods if pod.ready and not pod.deleting]
    ending = sum(pod.deleting for pod in pods)
    if not ending:
        return min(reported, len(ready))
    since = now - timedelta(seconds=integer(within(deployment, "spec").get("minReadySeconds"), 0))
    sure = sum(pod.ready_at is None or pod.ready_at <= since for pod in ready)
    return min(reported, len(ready), max(sure, reported - ending))


def _replica_failure(status: Mapping[str, Any]) -> str | None:
    failures = (c for c in status.get("conditions") or () if c["type"] == "ReplicaFailure" and c["status"] == "True")
    return next((str(c.get("message", "")) for c in failures), None)


@dataclass(frozen=True, kw_only=True)
class ResolveFacts:
    """The resolve Job of an ask, and its pod."""

    job: Child | None = None
    failed: bool = False
    complete: bool = False
    pod: PodFacts | None = None
    events: Mapping[str, EventFacts] = field(default_factory=dict)
    """What Kubernetes tells of the Job and its pod, by uid."""
    outdated: bool = False
    """The Job was made for another demand for a signature: what it says counts for nothing."""
    queued: JobQueued | None = None
    """The Job waits for its turn to be made."""

    @property
    def ended(self) -> bool:
        """There will be no more of this try."""
        return self.failed or self.complete or bool(self.pod and self.pod.fetch.finished)

    @classmethod
    def gather(cls, observed: Observed, *, owner: Owner, ask: str, demand: str | None = None) -> Self:
        """Read what became of resolving an ask with this demand for a signature. A Job on its way out counts as one
        that is still there; that of a predecessor of our name says nothing of us, and the pod of an earlier Job of this
        name nothing of this one."""
        name = of_resolve_job(owner.name, ask)
        job = observed.child("Job", name)
        if job and job.owner_uid != owner.uid:
            return cls()
        true = _endings(job) if job else frozenset()
        pods = [pod for pod in observed.pods if job and is_of(pod, job) and not pod.deleting]
        return cls(
            job=job,
            failed="Failed" in true,
            complete="Complete" in true,
            pod=max(pods, key=lambda pod: pod.created, default=None),
            events=newest_events(observed),
            outdated=job is not None and _demand(job) != demand,
            queued=next((each for each in observed.queued if each.name == name), None),
        )


def is_running(job: Child) -> bool:
    """Whether a Job has or may get a pod."""
    return not job.deleting and _endings(job).isdisjoint({"Complete", "Failed"})


def _endings(job: Child) -> frozenset[str]:
    conditions = (job.body.get("status") or {}).get("conditions") or ()
    return frozenset(c["type"] for c in conditions if c["status"] == "True")


def _demand(job: Child) -> str | None:
    demand = within(job.body, "metadata", "annotations").get(SIGNATURE)
    return str(demand) if demand else None
