"""What the cluster looks like now, as far as decisions need it.

Projections turn an object of the API into a fact; they are the only code that knows where Kubernetes keeps what.
"""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final, Self

import orjson

from slipway.core.analysis.samples import Evidence
from slipway.core.body import conditions, instant, mapping, mappings
from slipway.core.gateways import Gateways
from slipway.core.names import (
    APPLIED,
    FETCH_CONTAINER,
    FIELD_MANAGER,
    MANAGED_BY,
    MODEL_DEPLOYMENT,
    RESOLVE_CONTAINER,
    REVISION,
    SERVER_CONTAINER,
    Manifest,
)


@dataclass(frozen=True, kw_only=True)
class Owner:
    """The ModelDeployment that children belong to."""

    namespace: str
    name: str
    uid: str
    generation: int = 1
    request: str | None = None
    """What somebody asks for by annotation, as it stands there: VERB/REVISION[@nonce]."""

    def reference(self, api_version: str, kind: str) -> Manifest:
        """The controller owner reference that makes Kubernetes clean up behind us."""
        return {
            "apiVersion": api_version,
            "kind": kind,
            "name": self.name,
            "uid": self.uid,
            "controller": True,
            "blockOwnerDeletion": True,
        }


PACKED: Final = "ControllerRevision"
"""Kind of which there are most, up to a whole history for each object, and which never changes once it is packed."""


@dataclass(frozen=True, kw_only=True, slots=True, weakref_slot=True)
class Child:
    """One object that we made. Its body is kept as text: there are thousands, and objects take ten times that."""

    kind: str
    name: str
    uid: str
    resource_version: str
    owner_uid: str | None
    applied: str | None
    written: datetime | None
    """When somebody last changed more of it than its status, or made it."""
    deleting: bool
    text: bytes = field(repr=False)

    @classmethod
    def of(cls, manifest: Mapping[str, Any]) -> Self:
        """Project a live object."""
        meta = manifest["metadata"]
        controller = next((o for o in mappings(meta.get("ownerReferences")) if o.get("controller")), None)
        text = orjson.dumps({**manifest, "metadata": {k: v for k, v in meta.items() if k != "managedFields"}})
        return cls(
            kind=manifest["kind"],
            name=meta["name"],
            uid=meta["uid"],
            resource_version=meta["resourceVersion"],
            owner_uid=controller.get("uid") if controller else None,
            applied=mapping(meta.get("annotations")).get(APPLIED),
            written=_written(meta),
            deleting="deletionTimestamp" in meta,
            text=zlib.compress(text, 1) if manifest["kind"] == PACKED else text,
        )

    @property
    def body(self) -> Manifest:
        """The object as it was last seen, without managedFields."""
        found: Manifest = orjson.loads(zlib.decompress(self.text) if self.kind == PACKED else self.text)
        return found


def is_orphan(meta: Mapping[str, Any], model_deployment: str) -> bool:
    """Whether an object carries all that marks a child of this ModelDeployment but a controller: its labels, and the
    annotation that only we write."""
    marks = mapping(meta.get("labels"))
    ours = (marks.get(MANAGED_BY), marks.get(MODEL_DEPLOYMENT)) == (FIELD_MANAGER, model_deployment)
    controlled = any(o.get("controller") for o in mappings(meta.get("ownerReferences")))
    return ours and not controlled and APPLIED in mapping(meta.get("annotations"))


def _written(meta: Mapping[str, Any]) -> datetime | None:
    changed = (instant(each.get("time")) for each in mappings(meta.get("managedFields")) if not each.get("subresource"))
    return max((at for at in changed if at), default=instant(meta.get("creationTimestamp")))


@dataclass(frozen=True, kw_only=True, slots=True)
class ContainerFacts:
    """A container as the kubelet tells it."""

    name: str = ""
    running: bool = False
    started: bool = False
    """Its startup probe has succeeded since it last started: a server has answered its golden requests."""
    ready: bool = False
    waiting_reason: str | None = None
    waiting_message: str | None = None
    exit_code: int | None = None
    """Of the current termination, else of the last one."""
    exit_reason: str | None = None
    """The kubelet's word: Completed, Error, OOMKilled."""
    termination_message: str | None = None
    began_at: datetime | None = None
    """When the life began that ended last."""
    ended_at: datetime | None = None
    finished: bool = False
    """Terminated now, not only in an earlier life."""
    restarts: int = 0

    @property
    def endings(self) -> int:
        """How often it has ended so far."""
        ended = self.exit_code is not None
        return max(self.restarts + (ended and not self.running), int(ended))

    @property
    def begun(self) -> bool:
        """It has run, or does."""
        return self.running or self.exit_code is not None


OVER: Final = frozenset({"Failed", "Succeeded"})
"""Phases that a pod never leaves: it is an object that is left over, and no container of it runs again."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PodFacts:
    """A pod of ours, slim."""

    name: str
    uid: str
    resource_version: str
    revision: str | None
    job: str | None
    """Name of the Job that it belongs to, for a resolve pod."""
    job_uid: str | None
    phase: str
    node: str | None
    ip: str | None
    ready: bool
    """Never of a pod that is over, whatever its conditions still say."""
    deleting: bool
    unschedulable: str | None
    """The scheduler's message while no node fits, or while it may not look for one."""
    failure: str | None
    """`status.reason: status.message` of a failed pod: Evicted, NodeLost, UnexpectedAdmissionError."""
    fetch: ContainerFacts
    server: ContainerFacts
    created: datetime
    scheduled_at: datetime | None
    fetched_at: datetime | None
    """When the init container was done."""
    ready_at: datetime | None
    unready_at: datetime | None
    """When its Ready condition last became False, or was written as False for the first time."""
    held: str | None = None
    """What its Ready condition says although all its containers are ready: a readiness gate."""
    others: tuple[ContainerFacts, ...] = ()
    """Containers that are not ours: somebody else's webhook put them in."""
    lacks: tuple[str, ...] = ()
    """The Secrets and claims that it names, for as long as the kubelet says that something of its start is missing."""

    @property
    def over(self) -> bool:
        """Whether it has come to its end for good. A ReplicaSet leaves such a pod where it is, for days."""
        return self.phase in OVER

    @property
    def ended_at(self) -> datetime:
        """When a pod that is over ended, as far as its status tells."""
        return max(filter(None, (self.created, self.server.ended_at, self.fetch.ended_at, self.unready_at)))

    @property
    def unstarted_since(self) -> datetime | None:
        """Since when it has had a node; None once a container of it has run."""
        begun = self.phase != "Pending" or self.fetch.begun or self.server.begun
        return None if begun else self.scheduled_at

    @property
    def progressed_at(self) -> datetime:
        """The last time that this pod got further than it ever was."""
        return max(filter(None, (self.created, self.scheduled_at, self.fetched_at, self.ready_at)))


@dataclass(frozen=True, kw_only=True)
class NodeFacts:
    """What a node offers, for the sentence beside a wait."""

    name: str
    labels: Mapping[str, str]
    allocatable: Mapping[str, str]
    """Extended resources only."""
    schedulable: bool
    ready: bool = True
    """Its kubelet was heard of lately."""


@dataclass(frozen=True, kw_only=True)
class Foreign:
    """An object that has a child's name and is not ours."""

    kind: str
    name: str
    owned_by: str
    """Its controller, or its managing tool, or `nobody`."""


@dataclass(frozen=True, kw_only=True)
class Rejected:
    """A child that the API server refuses as it is: a piece of the spec that is handed through is malformed, or more
    than may be there."""

    kind: str
    name: str
    message: str
    """The API server's words."""
    forbidden: bool = False
    """RBAC, a policy or a quota is against it (403)."""


@dataclass(frozen=True, kw_only=True)
class Failed:
    """A child that could not be written for a reason that may pass: 5xx, a webhook that is down, no answer."""

    kind: str
    name: str
    message: str
    """The API server's words."""
    since: datetime


@dataclass(frozen=True, kw_only=True)
class Unkept:
    """A write that was taken and did not stay: a webhook, the schema or another controller changed it."""

    kind: str
    name: str
    field: str
    """Path of the first field that differs; empty where the whole object is deleted each time."""
    asked: str
    got: str


@dataclass(frozen=True, kw_only=True)
class Observed:
    """Everything that one pass looks at."""

    children: Mapping[tuple[str, str], Child] = field(default_factory=dict)
    """By (kind, name)."""
    pods: tuple[PodFacts, ...] = ()
    nodes: tuple[NodeFacts, ...] = ()
    foreign: tuple[Foreign, ...] = ()
    rejected: tuple[Rejected, ...] = ()
    failed: tuple[Failed, ...] = ()
    unkept: tuple[Unkept, ...] = ()
    orphans: frozenset[tuple[str, str]] = frozenset()
    """Children, by (kind, name), that carry our marks and have no controller."""
    unknown: frozenset[str] = frozenset()
    """Kinds that the cluster does not know."""
    unlisted: frozenset[str] = frozenset()
    """Kinds that the operator may not list."""
    gateways: Gateways = field(default_factory=Gateways)
    evidence: Mapping[str, Evidence] = field(default_factory=dict)
    """What looks at pods and Prometheus have brought, by topic."""
    watched_since: datetime | None = None
    """Since when looks can have brought anything: those of an earlier operator are not remembered."""

    def adopted(self, owner: Owner) -> Self:
        """The same with orphans as the owner's own. Backups and `--cascade=orphan` leave children without their owner
        reference; writing one again gives it back."""
        orphans = {
            place: replace(child, owner_uid=owner.uid)
            for place, child in self.children.items()
            if child.owner_uid is None and child.applied and is_orphan(child.body["metadata"], owner.name)
        }
        if not orphans:
            return self
        return replace(self, children={**self.children, **orphans}, orphans=frozenset(orphans))

    def knows(self, *kinds: str) -> bool:
        """Whether objects of these kinds can be seen, if there are any."""
        return (self.unknown | self.unlisted).isdisjoint(kinds)

    def child(self, kind: str, name: str) -> Child | None:
        """The child of that kind and name, if it is there."""
        return self.children.get((kind, name))

    def pods_of(self, revision: str) -> tuple[PodFacts, ...]:
        """Pods of one revision, without those that are over: these serve nobody, and are in nobody's way."""
        return tuple(pod for pod in self.pods if pod.revision == revision and not pod.over)

    def over_of(self, revision: str) -> tuple[PodFacts, ...]:
        """Pods of one revision that have come to their end and are left over."""
        return tuple(pod for pod in self.pods if pod.revision == revision and pod.over)


def pod_facts(manifest: Mapping[str, Any]) -> PodFacts:
    """Project a live Pod."""
    meta, status = manifest["metadata"], manifest.get("status") or {}
    labels = meta.get("labels") or {}
    conditions = {c["type"]: c for c in status.get("conditions") or ()}
    scheduled, phase = conditions.get("PodScheduled") or {}, status.get("phase", "Pending")
    statuses = {c["name"]: c for key in ("initContainerStatuses", "containerStatuses") for c in status.get(key) or ()}
    failure = f"{status['reason']}: {status.get('message', '')}".rstrip(": ") if status.get("reason") else None
    starts = (conditions.get("PodReadyToStartContainers") or {}).get("status")
    return PodFacts(
        name=meta["name"],
        uid=meta["uid"],
        resource_version=meta["resourceVersion"],
        revision=labels.get(REVISION),
        job=labels.get("batch.kubernetes.io/job-name"),
        job_uid=labels.get("batch.kubernetes.io/controller-uid"),
        phase=phase,
        node=(manifest.get("spec") or {}).get("nodeName"),
        ip=status.get("podIP"),
        ready=(conditions.get("Ready") or {}).get("status") == "True" and phase not in OVER,
        deleting="deletionTimestamp" in meta,
        unschedulable=scheduled.get("message", "") if scheduled.get("reason") in _WITHOUT_NODE else None,
        failure=failure,
        fetch=_container(statuses.get(FETCH_CONTAINER) or statuses.get(RESOLVE_CONTAINER) or {}),
        server=_container(statuses.get(SERVER_CONTAINER) or {}),
        created=datetime.fromisoformat(meta["creationTimestamp"]),
        scheduled_at=_turned(conditions, "PodScheduled"),
        fetched_at=_turned(conditions, "Initialized"),
        ready_at=_turned(conditions, "Ready"),
        unready_at=_turned(conditions, "Ready", to="False"),
        held=_held(conditions),
        others=tuple(_container(each) for name, each in statuses.items() if name not in _OURS),
        lacks=_named(manifest.get("spec") or {}) if starts == "False" else (),
    )


_WITHOUT_NODE: Final = frozenset({"Unschedulable", "SchedulingGated"})
"""The scheduler finds none, or a queue such as Kueue does not let it look."""


_OURS: Final = frozenset({FETCH_CONTAINER, RESOLVE_CONTAINER, SERVER_CONTAINER})


def _held(conditions: Mapping[str, Mapping[str, Any]]) -> str | None:
    """What keeps a pod from being Ready when no container does."""
    ready, containers = conditions.get("Ready") or {}, conditions.get("ContainersReady") or {}
    if ready.get("status") != "False":
        return None
    if containers.get("status") != "True" and ready.get("reason") != "ReadinessGatesNotReady":
        return None
    return f"{ready.get('reason', '')}: {ready.get('message', '')}".strip(": ") or "its Ready condition is False"


def _named(spec: Mapping[str, Any]) -> tuple[str, ...]:
    """What people have to provide for its volumes."""
    volumes = spec.get("volumes") or ()
    secrets = [f"Secret {v['secret']['secretName']}" for v in volumes if "secret" in v]
    claims = [f"claim {v['persistentVolumeClaim']['claimName']}" for v in volumes if "persistentVolumeClaim" in v]
    return (*secrets, *claims)


def _turned(conditions: Mapping[str, Mapping[str, Any]], kind: str, to: str = "True") -> datetime | None:
    condition = conditions.get(kind) or {}
    return _time(condition.get("lastTransitionTime")) if condition.get("status") == to else None


def _time(at: str | None) -> datetime | None:
    return datetime.fromisoformat(at) if at else None


def _container(status: Mapping[str, Any]) -> ContainerFacts:
    state, last = status.get("state") or {}, status.get("lastState") or {}
    waiting = state.get("waiting") or {}
    ended = state.get("terminated") or last.get("terminated") or {}
    return ContainerFacts(
        name=status.get("name", ""),
        running="running" in state,
        started=bool(status.get("started")),
        ready=bool(status.get("ready")),
        waiting_reason=waiting.get("reason"),
        waiting_message=waiting.get("message"),
        exit_code=ended.get("exitCode"),
        exit_reason=ended.get("reason"),
        termination_message=ended.get("message"),
        began_at=_time(ended.get("startedAt")),
        ended_at=_time(ended.get("finishedAt")),
        finished="terminated" in state,
        restarts=status.get("restartCount", 0),
    )


def node_facts(manifest: Mapping[str, Any]) -> NodeFacts:
    """Project a live Node; only what GPU messages speak of is kept."""
    meta, status = manifest["metadata"], manifest.get("status") or {}
    spec = manifest.get("spec") or {}
    return NodeFacts(
        name=meta["name"],
        labels={k: v for k, v in mapping(meta.get("labels")).items() if k.startswith("nvidia.com/")},
        allocatable={k: str(v) for k, v in mapping(status.get("allocatable")).items() if "/" in k},
        schedulable=not spec.get("unschedulable"),
        ready=all(c["status"] == "True" for c in conditions(status.get("conditions")) if c["type"] == "Ready"),
    )
