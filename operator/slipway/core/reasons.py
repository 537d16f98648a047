"""Every reason that can stand in a condition, an Event, a metric or a termination message, and what each one means."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

LONGEST: Final = 8192
"""Characters of a message in status: a whole verdict fits, and what an API server says at length is cut."""

NOT_GRANTED: Final = "the chart's roles grant it; upgrade the chart, or add it to your own"
"""What to do about a right that the operator lacks."""
QUOTA_WORDS: Final = "exceeded quota"
"""How an API server says that a ResourceQuota is used up (plugin/pkg/admission/resourcequota/controller.go)."""


class About(StrEnum):
    """What a finding speaks of, which decides what follows from it."""

    WORLD = "World"
    """Heals without an edit: keep trying, keep saying why."""
    REVISION = "Revision"
    """Seen twice, the revision is refused until the ask changes."""


class Reason(StrEnum):
    """The machine's words. docs/operations.md says for each what to do."""

    # Going well
    READY = "Ready"
    RESOLVING = "Resolving"
    STARTING = "Starting"
    VERIFYING = "Verifying"
    SHIFTING = "Shifting"
    PROVING = "Proving"
    DRAINING = "Draining"
    PAUSED = "Paused"
    ANALYSIS_RUNNING = "AnalysisRunning"
    ANALYSIS_PASSED = "AnalysisPassed"
    ANALYSIS_INCONCLUSIVE = "AnalysisInconclusive"
    SOAKING = "Soaking"
    ROLLING_BACK = "RollingBack"
    ROLLOUT_STARTED = "RolloutStarted"
    MAKING_ROOM = "MakingRoom"
    PROMOTED = "Promoted"
    REQUEST_DONE = "RequestDone"
    REQUEST_IGNORED = "RequestIgnored"
    SUSPENDED = "Suspended"
    AVAILABLE = "Available"
    UNAVAILABLE = "Unavailable"
    # About the world
    SOURCE_UNAVAILABLE = "SourceUnavailable"
    SOURCE_DENIED = "SourceDenied"
    SOURCE_NOT_FOUND = "SourceNotFound"
    FETCH_STALLED = "FetchStalled"
    FETCH_FAILED = "FetchFailed"
    BUNDLE_TRUNCATED = "BundleTruncated"
    BUNDLE_CORRUPT = "BundleCorrupt"
    SOURCE_CHANGED = "SourceChanged"
    STORAGE_FULL = "StorageFull"
    IMAGE_PULL_FAILED = "ImagePullFailed"
    INSUFFICIENT_CAPACITY = "InsufficientCapacity"
    QUOTA_EXCEEDED = "QuotaExceeded"
    POD_REFUSED = "PodRefused"
    POD_NOT_STARTED = "PodNotStarted"
    POD_NOT_READY = "PodNotReady"
    SIDECAR_FAILED = "SidecarFailed"
    POD_LOST = "PodLost"
    CONFIGURATION_MISSING = "ConfigurationMissing"
    NAME_CONFLICT = "NameConflict"
    FORBIDDEN = "Forbidden"
    WRITE_FAILED = "WriteFailed"
    WRITE_NOT_KEPT = "WriteNotKept"
    STATUS_NOT_WRITTEN = "StatusNotWritten"
    GATEWAY_API_MISSING = "GatewayApiMissing"
    ENVOY_GATEWAY_MISSING = "EnvoyGatewayMissing"
    GATEWAY_NOT_FOUND = "GatewayNotFound"
    GATEWAY_NOT_READY = "GatewayNotReady"
    ROUTE_NOT_ACCEPTED = "RouteNotAccepted"
    ROUTE_UNRESOLVED = "RouteUnresolved"
    HOSTNAME_TAKEN = "HostnameTaken"
    POLICY_NOT_ACCEPTED = "PolicyNotAccepted"
    # About the revision
    SPEC_INVALID = "SpecInvalid"
    BUNDLE_INVALID = "BundleInvalid"
    DIGEST_MISMATCH = "DigestMismatch"
    LOAD_FAILED = "LoadFailed"
    WRONG_ANSWER = "WrongAnswer"
    BACKEND_DEAD = "BackendDead"
    CRASH_LOOP = "CrashLoop"
    OUT_OF_MEMORY = "OutOfMemory"
    DEADLINE_EXCEEDED = "DeadlineExceeded"
    ANALYSIS_FAILED = "AnalysisFailed"
    ABORTED = "Aborted"
    ROLLED_BACK = "RolledBack"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What a gate has against a revision, with the evidence quoted."""

    reason: Reason
    message: str
    about: About


ABOUT_REVISION = frozenset(
    {
        Reason.SPEC_INVALID,
        Reason.BUNDLE_INVALID,
        Reason.DIGEST_MISMATCH,
        Reason.LOAD_FAILED,
        Reason.WRONG_ANSWER,
        Reason.BACKEND_DEAD,
        Reason.CRASH_LOOP,
        Reason.OUT_OF_MEMORY,
        Reason.DEADLINE_EXCEEDED,
        Reason.ANALYSIS_FAILED,
        Reason.ABORTED,
        Reason.ROLLED_BACK,
    }
)


def fit(words: str, longest: int = LONGEST) -> str:
    """Words as status takes them: cut where they are too long, in characters, and without the lone surrogates that JSON
    lets through and UTF-8 does not."""
    written = words.encode(errors="replace").decode()
    return written if len(written) <= longest else written[: longest - 1] + "…"


def finding(reason: Reason, message: str) -> Finding:
    """A finding about whatever its reason speaks of. Its message is fit for status, whoever wrote it."""
    return Finding(
        reason=reason, message=fit(message), about=About.REVISION if reason in ABOUT_REVISION else About.WORLD
    )


def found_before(reason: str, message: str) -> Finding:
    """A finding out of status. An operator of another version may have known reasons that this one does not."""
    known = Reason(reason) if reason in Reason.__members__.values() else Reason.UNAVAILABLE
    return finding(known, message)
