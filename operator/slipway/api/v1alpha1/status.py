"""`ModelDeployment.status`: what happened, and where the rollout stands. All of the operator's memory is here."""

from enum import StrEnum
from typing import Annotated, Final

from pydantic import AwareDatetime, Field

from slipway.api.base import BY_ENTRY, StoredModel
from slipway.api.v1alpha1.analysis import AnalysisStatus
from slipway.api.v1alpha1.fields import keyed_by
from slipway.api.v1alpha1.follow import FollowStatus


class Phase(StrEnum):
    """One word for people and printer columns; computed from everything else."""

    PENDING = "Pending"
    RESOLVING = "Resolving"
    STARTING = "Starting"
    VERIFYING = "Verifying"
    SHIFTING = "Shifting"
    PAUSED = "Paused"
    SOAKING = "Soaking"
    ROLLING_BACK = "RollingBack"
    WAITING = "Waiting"
    READY = "Ready"
    DEGRADED = "Degraded"
    REFUSED = "Refused"
    STALLED = "Stalled"
    SUSPENDED = "Suspended"


class RolloutPhase(StrEnum):
    """Where a candidate is on its way to take over, or back."""

    RESOLVING = "Resolving"
    STARTING = "Starting"
    SHIFTING = "Shifting"
    SOAKING = "Soaking"
    """It has taken over; the version before it is still there for an instant way back."""
    ROLLING_BACK = "RollingBack"
    """It failed or was called off; what was there before takes its share back."""


class RevisionState(StrEnum):
    """What a revision is to its ModelDeployment."""

    STABLE = "Stable"
    CANDIDATE = "Candidate"
    SUPERSEDED = "Superseded"
    """A candidate that is no longer asked for and still carries traffic, until another can take it."""
    STANDBY = "Standby"
    """It served before, and keeps its pods for an instant way back."""
    RETIRING = "Retiring"
    """It has no traffic any more; its pods stay until connections to them have ended."""


class Condition(StoredModel):
    """As metav1.Condition."""

    type: Annotated[str, Field(max_length=316)]
    status: Annotated[str, Field(pattern=r"^(True|False|Unknown)$", max_length=7)]
    reason: Annotated[str, Field(max_length=1024)]
    message: Annotated[str, Field(max_length=32768)] = ""
    last_transition_time: AwareDatetime
    observed_generation: Annotated[int, Field(ge=0)] | None = None


class RevisionRef(StoredModel):
    """A revision by its name, with what a person knows it by."""

    revision: Annotated[str, Field(max_length=8)] | None = Field(
        None, description="First 8 hex digits over ask, digest and rendered children; absent until resolved."
    )
    ask: Annotated[str, Field(max_length=64)] = Field(description="SHA-256 of what the spec asks for.")
    number: Annotated[int, Field(ge=1)] | None = Field(None, description="Only grows.")
    version: Annotated[str, Field(max_length=64)] = Field(description="spec.model.version of that revision.")


class Refused(StoredModel):
    """An ask that was tried and sent home. What failed is tried again when the ask changes, what a person sent home
    with another version or source."""

    ask: Annotated[str, Field(max_length=64)]
    revision: Annotated[str, Field(max_length=8)] | None = None
    version: Annotated[str, Field(max_length=64)]
    source: Annotated[str, Field(max_length=1024)] | None = Field(
        None, description="Where a person sent it home: its spec.model.source.uri, of which no edit brings it back."
    )
    digest: Annotated[str, Field(max_length=80)] | None = Field(None, description="Of its bundle, if it was known.")
    reason: Annotated[str, Field(max_length=64)]
    message: Annotated[str, Field(max_length=8192)]
    at: AwareDatetime


class Progress(StoredModel):
    """The most pods that ever got so far in this attempt. A pod that starts again makes no progress."""

    scheduled: Annotated[int, Field(ge=0)] = 0
    fetched: Annotated[int, Field(ge=0)] = 0
    started: Annotated[int, Field(ge=0)] = 0
    available: Annotated[int, Field(ge=0)] = 0
    at: AwareDatetime = Field(description="When one of these last grew.")


class CanaryStatus(StoredModel):
    """How far a canary has come."""

    steps: Annotated[str, Field(max_length=16)] = Field(description="Names the steps: when they change, they restart.")
    step: Annotated[int, Field(ge=0)] = Field(0, description="The step that is being made, counted from 0.")
    since: AwareDatetime = Field(description="When it began to hold.")
    weight: Annotated[int, Field(ge=0, le=100)] = Field(0, description="Percent that is asked for by now.")
    shadow: Annotated[int, Field(ge=0, le=100)] = Field(0, description="Percent that is mirrored.")
    mirrored: Annotated[str, Field(max_length=1024)] | None = Field(
        None, description="What became of the new version's requests meanwhile, while no analysis runs."
    )
    analysis: AnalysisStatus | None = Field(None, description="The last one that was begun.")


class ClockStatus(StoredModel):
    """The candidate's time. It does not count while somebody has paused or something outside is in the way."""

    deadline_from: AwareDatetime | None = Field(
        None, description="The progress deadline counts from here; absent: from phaseStartedAt."
    )
    progress: Progress | None = None
    waiting_since: AwareDatetime | None = Field(None, description="Since when something outside is in the way.")
    queued: bool | None = Field(None, description="What is in the way is a queue: nothing is Stalled for it.")
    paused_at: AwareDatetime | None = None


class StrategyStatus(StoredModel):
    """How versions change this time."""

    type: Annotated[str, Field(max_length=32)] | None = None
    message: Annotated[str, Field(max_length=8192)] | None = Field(None, description="Why it goes that way.")
    making_room: bool | None = Field(None, description="Old pods make room, one at a time.")
    bundles_verified: bool | None = Field(
        None, description="Both bundles can be had, so capacity may be taken away for a while."
    )
    unschedulable_since: AwareDatetime | None = Field(
        None, description="Since when a pod finds no free accelerator or quota."
    )


class ResolveStatus(StoredModel):
    """Tries to resolve the source that failed."""

    attempts: Annotated[int, Field(ge=0)] = Field(0, description="Failed tries.")
    retry_at: AwareDatetime | None = Field(None, description="When the source is resolved again.")
    reason: Annotated[str, Field(max_length=64)] | None = Field(None, description="What the last failed try found.")
    message: Annotated[str, Field(max_length=8192)] | None = None


class FailureStatus(StoredModel):
    """A failure for which the candidate would have been sent home, had `automaticRollback` not been off."""

    reason: Annotated[str, Field(max_length=64)]
    message: Annotated[str, Field(max_length=8192)]
    at: AwareDatetime
    accepted: bool | None = Field(None, description="Somebody has it go on in spite of it.")
    retry_pods_until: AwareDatetime | None = Field(
        None, description="Somebody has it tried anew: pods made until then that are not ready are replaced first."
    )


class CommandStatus(StoredModel):
    """What somebody asked for that this rollout carries out."""

    rollback: bool | None = Field(None, description="On the way to an earlier version.")
    restart: Annotated[str, Field(max_length=128)] | None = Field(
        None, description="The request for new pods of the version that serves."
    )


def _is_nothing(entries: list[Refused]) -> bool:
    return not entries


def _is_empty(block: StoredModel) -> bool:
    return block == type(block)()


class RolloutStatus(StoredModel):
    """Where the candidate stands. One module of the operator writes one block; a block without content is left out."""

    phase: RolloutPhase
    started_at: AwareDatetime
    phase_started_at: AwareDatetime
    clock: ClockStatus = Field(ClockStatus(), exclude_if=_is_empty)
    strategy: StrategyStatus = Field(StrategyStatus(), exclude_if=_is_empty)
    resolve: ResolveStatus = Field(ResolveStatus(), exclude_if=_is_empty)
    canary: CanaryStatus | None = None
    failure: FailureStatus | None = Field(None, description="Nothing moves until somebody decides about it.")
    command: CommandStatus = Field(CommandStatus(), exclude_if=_is_empty)
    desired_replicas: Annotated[int, Field(ge=0)] | None = Field(
        None, description="Pods that carry the whole load: what capacity is held to while versions change."
    )
    reported_reasons: Annotated[list[Annotated[str, Field(max_length=64)]], Field(max_length=32)] = Field(
        [], description="Reasons that Events have reported in this rollout."
    )


class HandledRequest(StoredModel):
    """What somebody asked for by annotation, and what came of it."""

    request: Annotated[str, Field(max_length=128)] = Field(description="The annotation's value: VERB/REVISION[@nonce].")
    outcome: Annotated[str, Field(max_length=512)]
    at: AwareDatetime
    withdrawn: bool | None = Field(
        None, description="The annotation was taken away since: the same text is a new request."
    )


class AllocatedDevice(StoredModel):
    """A device that is claimed for a pod."""

    pod: Annotated[str, Field(max_length=253)]
    driver: Annotated[str, Field(max_length=63)]
    pool: Annotated[str, Field(max_length=253)]
    device: Annotated[str, Field(max_length=63)]
    product: Annotated[str, Field(max_length=64)] | None = Field(None, description="As its driver calls it.")
    profile: Annotated[str, Field(max_length=64)] | None = Field(None, description="Of a MIG slice.")
    shared: bool | None = Field(None, description="Other claims may have shares of it.")


def _claims_none(devices: list[AllocatedDevice]) -> bool:
    return not devices


class Measured(StoredModel):
    """What a start of its pods took on one kind of GPU: the middle one of the pods that said it first."""

    product: Annotated[str, Field(max_length=63)] = Field(description="As nodes are labelled; CPU without a GPU.")
    pods: Annotated[int, Field(ge=1)] = Field(description="That said it.")
    at: AwareDatetime
    load_milliseconds: Annotated[int, Field(ge=0)] = Field(description="From the server's start to its models ready.")
    first_answer_milliseconds: Annotated[int, Field(ge=0)] = Field(description="To its first golden answer.")
    memory_bytes: Annotated[int, Field(ge=0)] | None = Field(None, description="In use then, without files' cache.")
    gpu_memory_bytes: Annotated[int, Field(ge=0)] | None = Field(None, description="Of all GPUs of the pod.")
    shared_memory_bytes: Annotated[int, Field(ge=0)] | None = Field(None, description="The most in /dev/shm so far.")


def _has_no_facts(facts: list[Measured]) -> bool:
    return not facts


class RevisionStatus(StoredModel):
    """One revision that has pods."""

    revision: Annotated[str, Field(max_length=8)]
    number: Annotated[int, Field(ge=1)]
    version: Annotated[str, Field(max_length=64)]
    digest: Annotated[str, Field(max_length=80)]
    unverified: bool | None = Field(None, description="The source has no SHA256SUMS: digest is over its listing.")
    verification: Annotated[str, Field(max_length=64)] = Field(
        description="Where the golden requests come from: spec, bundle or none."
    )
    platform: Annotated[str, Field(max_length=64)] = Field(description="Version of the operator that rendered it.")
    signed: Annotated[str, Field(max_length=8192)] | None = Field(
        None, description="By which keys of source.signature, or what is wrong with the signature; as it was resolved."
    )
    encrypted: Annotated[int, Field(ge=0)] | None = Field(
        None, description="How many of its files are encrypted, and decrypted in its pods into memory."
    )
    state: RevisionState
    replicas: Annotated[int, Field(ge=0)]
    available: Annotated[int, Field(ge=0)]
    share: Annotated[int, Field(ge=0, le=100)] = Field(description="Percent of traffic.")
    devices: Annotated[list[AllocatedDevice], Field(max_length=64)] = Field(
        [], exclude_if=_claims_none, description="Claimed for its pods, where accelerator asks by class; the first 64."
    )
    sharing: Annotated[str, Field(max_length=1024)] | None = Field(
        None, description="What its pods really have of devices that a device plugin gives out, by their nodes' labels."
    )
    traffic_ended_at: AwareDatetime | None = Field(None, description="When it last lost all of its traffic.")
    retire_at: AwareDatetime | None = Field(None, description="When its pods go; later, if they still get requests.")
    retire_by: AwareDatetime | None = Field(None, description="Then at the latest.")
    measured: Annotated[list[Measured], Field(max_length=8, json_schema_extra=keyed_by("product"))] = Field(
        [], exclude_if=_has_no_facts, description="What starts took, by GPU; of models with autoscaling.load."
    )


class TrafficTarget(StoredModel):
    """A revision that clients reach, as it was decided."""

    revision: Annotated[str, Field(max_length=8)]
    selected: bool = Field(False, description="The root Service selects it.")
    share: Annotated[int, Field(ge=0, le=100)] | None = Field(
        None, description="Percent of the gateway's requests; absent: as its available pods have it."
    )


class Direction(StrEnum):
    """Where the number of pods went last."""

    UP = "Up"
    DOWN = "Down"


LONGEST_BECAUSE: Final = 1024
"""Characters that say why there are so many pods."""


class AutoscalingStatus(StoredModel):
    """Why there are so many pods, where Slipway sets their number."""

    by: Annotated[str, Field(max_length=16)]
    wanted: Annotated[int, Field(ge=0)] = Field(description="Pods.")
    at: AwareDatetime | None = Field(
        None, description="When the pods said so; rewritten once a minute, or with wanted."
    )
    because: Annotated[str, Field(max_length=LONGEST_BECAUSE)]
    direction: Direction | None = None


class Endpoint(StoredModel):
    """Where in-cluster clients find the model."""

    http: Annotated[str, Field(max_length=512)]
    grpc: Annotated[str, Field(max_length=512)]


class ServedTensor(StoredModel):
    """A tensor as clients send it, or as it is answered."""

    name: Annotated[str, Field(max_length=4096)]
    datatype: Annotated[str, Field(max_length=64)] = Field(description="As requests name it: FP32, INT64, BYTES.")
    shape: Annotated[list[int], Field(max_length=4096)] = Field(
        description="-1 is any number; where the model takes batches, the first is the number of rows."
    )


class ServedPart(StoredModel):
    """Another model of the bundle, which the one that clients ask may ask in its turn."""

    name: Annotated[str, Field(max_length=63)]
    backend: Annotated[str, Field(max_length=128)]


def _has_none(parts: list[ServedPart]) -> bool:
    return not parts


class ServedModel(StoredModel):
    """What the version that serves takes and answers, as its config.pbtxt declares it."""

    name: Annotated[str, Field(max_length=253)] = Field(description="In paths and requests: /v2/models/NAME/infer.")
    backend: Annotated[str, Field(max_length=4096)]
    max_batch_size: Annotated[int, Field(ge=0)] = Field(description="Rows in one request; 0: it takes no batches.")
    inputs: Annotated[list[ServedTensor], Field(max_length=4096)]
    outputs: Annotated[list[ServedTensor], Field(max_length=4096)]
    parts: Annotated[list[ServedPart], Field(max_length=16)] = Field(
        [], exclude_if=_has_none, description="The other models of its bundle, in the same server."
    )


class ModelDeploymentStatus(StoredModel):
    """What happened, for people, for `kubectl wait` and GitOps tools, and for the operator's next pass."""

    observed_generation: int = Field(
        -1, description="The generation that all this speaks of; -1 before the first look."
    )
    phase: Phase | None = None
    ready: Annotated[str, Field(max_length=32)] | None = Field(None, description="Available of wanted pods, as in 3/4.")
    conditions: Annotated[
        list[Condition],
        Field(max_length=8, json_schema_extra=keyed_by("type")),
        BY_ENTRY,
    ] = []
    stable: RevisionRef | None = None
    candidate: RevisionRef | None = None
    refused: Refused | None = Field(None, description="Why what the manifest asks for is not tried.")
    also_refused: Annotated[list[Refused], Field(max_length=8), BY_ENTRY] = Field(
        [],
        exclude_if=_is_nothing,
        description="The latest others that were sent home, newest last: no restart or rollback brings them back.",
    )
    follow: FollowStatus | None = Field(None, description="Where spec.model.follow has come to.")
    rollout: RolloutStatus | None = None
    analysis: AnalysisStatus | None = Field(None, description="The last one of a rollout that is over.")
    traffic: Annotated[
        list[TrafficTarget],
        Field(max_length=32, json_schema_extra=keyed_by("revision")),
    ] = []
    revisions: Annotated[
        list[RevisionStatus],
        Field(max_length=32, json_schema_extra=keyed_by("revision")),
    ] = []
    requests: Annotated[list[HandledRequest], Field(max_length=8)] | None = Field(
        None, description="The latest, newest last; absent where nobody can say any more what was asked for."
    )
    last_number: Annotated[int, Field(ge=0)] = Field(0, description="The highest revision number given so far.")
    outage_since: AwareDatetime | None = Field(
        None, description="Since when no pod of what serves is available although some are wanted."
    )
    autoscaling: AutoscalingStatus | None = None
    endpoint: Endpoint | None = None
    model: ServedModel | None = Field(None, description="Absent until a version serves.")
    replicas: Annotated[int, Field(ge=0)] | None = Field(None, description="Pods, for the scale subresource.")
    selector: Annotated[str, Field(max_length=512)] | None = Field(None, description="Label selector of those pods.")
