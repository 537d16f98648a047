"""Pods and their containers, slim."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from slipway.core.names import FETCH_CONTAINER, RESOLVE_CONTAINER, REVISION, SERVER_CONTAINER


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
    gates: tuple[str, ...]
    """Scheduling gates, for as long as the scheduler may not look for a node."""
    queue: str | None
    """The queue of Kueue's that it is in."""
    claims: bool
    """It claims devices."""
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
        gates=_gates(manifest.get("spec") or {}) if scheduled.get("reason") == _GATED else (),
        queue=labels.get(KUEUE_QUEUE),
        claims=bool((manifest.get("spec") or {}).get("resourceClaims")),
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


KUEUE_QUEUE: Final = "kueue.x-k8s.io/queue-name"
"""Label by which Kueue takes a pod: its LocalQueue."""
_GATED: Final = "SchedulingGated"
_WITHOUT_NODE: Final = frozenset({"Unschedulable", _GATED})
"""The scheduler finds none, or a queue such as Kueue does not let it look."""


_OURS: Final = frozenset({FETCH_CONTAINER, RESOLVE_CONTAINER, SERVER_CONTAINER})


def _gates(spec: Mapping[str, Any]) -> tuple[str, ...]:
    """Their names; one that nobody gave a name still gates."""
    return tuple(str(gate.get("name", "")) for gate in spec.get("schedulingGates") or ()) or ("",)


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
    secrets = [v["secret"] for v in volumes if "secret" in v]
    named = [f"Secret {secret['secretName']}" for secret in secrets if not secret.get("optional")]
    claims = [f"claim {v['persistentVolumeClaim']['claimName']}" for v in volumes if "persistentVolumeClaim" in v]
    return (*named, *claims)


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
