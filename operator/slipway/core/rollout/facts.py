"""What the rollout machine looks at: one revision's pods and counts, and what became of resolving an ask."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self

from slipway.core.analysis.samples import Told
from slipway.core.facts import Child, NodeFacts, Observed, Owner, PodFacts
from slipway.core.names import of_resolve_job
from slipway.core.rollout.unstarted import told


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
    ending: int = 0
    """Pods that were told to end and are still there."""
    nodes: tuple[NodeFacts, ...] = ()
    told: Mapping[str, Told] = field(default_factory=dict)
    """What Kubernetes tells of pods that do not start, by uid."""

    @property
    def whole(self) -> bool:
        """Every pod that it should have is available, and it should have some."""
        return self.available >= self.wanted > 0

    @property
    def fetched(self) -> bool:
        """Some pod has its bundle: from then on it is the progress deadline that counts."""
        return any(pod.fetched_at for pod in self.pods)

    def progressed_at(self, since: datetime) -> datetime:
        """When a pod last got further than it ever was; `since` when none did."""
        return max([since, *(pod.progressed_at for pod in self.pods)])

    @classmethod
    def gather(
        cls, observed: Observed, *, deployment: Mapping[str, Any], revision: str, version: str, wanted: int
    ) -> Self:
        """Read a revision's facts out of what was observed. `deployment` is empty when there is none."""
        status, pods = deployment.get("status") or {}, observed.pods_of(revision)
        return cls(
            revision=revision,
            version=version,
            wanted=wanted,
            count=int(deployment["spec"].get("replicas", 1)) if deployment else 0,
            available=available(deployment, pods),
            replica_failure=_replica_failure(status),
            pods=tuple(pod for pod in pods if not pod.deleting),
            ending=sum(pod.deleting for pod in pods),
            nodes=observed.nodes,
            told=told(observed),
        )


def available(deployment: Mapping[str, Any], pods: Iterable[PodFacts]) -> int:
    """Pods that are available and stay. A Deployment's own count goes on counting one that has been told to end."""
    said = int((deployment.get("status") or {}).get("availableReplicas", 0))
    return min(said, sum(pod.ready and not pod.deleting for pod in pods)) if said else 0


def _replica_failure(status: Mapping[str, Any]) -> str | None:
    found = (c for c in status.get("conditions") or () if c["type"] == "ReplicaFailure" and c["status"] == "True")
    return next((str(c.get("message", "")) for c in found), None)


@dataclass(frozen=True, kw_only=True)
class ResolveFacts:
    """The resolve Job of an ask, and its pod."""

    job: Child | None = None
    failed: bool = False
    complete: bool = False
    pod: PodFacts | None = None
    told: Mapping[str, Told] = field(default_factory=dict)
    """What Kubernetes tells of the Job and its pod, by uid."""

    @property
    def ended(self) -> bool:
        """There will be no more of this try."""
        return self.failed or self.complete or bool(self.pod and self.pod.fetch.finished)

    @classmethod
    def gather(cls, observed: Observed, *, owner: Owner, ask: str) -> Self:
        """Read what became of resolving an ask. A Job on its way out counts as one that is still there; that of a
        predecessor of our name says nothing of us."""
        name = of_resolve_job(owner.name, ask)
        job = observed.child("Job", name)
        if job and job.owner_uid != owner.uid:
            return cls()
        conditions = ((job.body.get("status") or {}).get("conditions") or ()) if job else ()
        true = {c["type"] for c in conditions if c["status"] == "True"}
        pods = [pod for pod in observed.pods if pod.job == name and not pod.deleting]
        return cls(
            job=job,
            failed="Failed" in true,
            complete="Complete" in true,
            pod=max(pods, key=lambda pod: pod.created, default=None),
            told=told(observed),
        )
