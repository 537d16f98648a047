"""Blocked writes: why a child cannot be written, in words.

Its name is taken, the API server refuses it, a write fails, or what was written does not stay. What may pass by itself
is told once it has lasted for some seconds, and stalls once it has lasted for as long as any progress may take.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from slipway.core.names import MANAGED_BY, MODEL_DEPLOYMENT, REVISION
from slipway.core.observed.objects import JobQueued, NameTaken, Observed, WriteDenied, WriteFailed, WriteNotKept
from slipway.core.reasons import NOT_GRANTED, QUOTA_WORDS, Finding, Reason, finding

REPORTED_AFTER: Final = timedelta(seconds=10)
"""How long a write may fail before it is told: an API server or a webhook that restarts is back by then."""

_DENIED: Final = re.compile(r"denied (the )?request")
"""How a policy's webhook, or a ValidatingAdmissionPolicy, says that it does not like the manifest."""
_UNDECLARED: Final = re.compile(r"field not declared in schema|unknown field")
"""How an API server says that a CRD is older than what is written (structured-merge-diff; apimachinery's decoder)."""
_TOO_LARGE: Final = re.compile(r"[Rr]equest( entity)? is too large|Request entity too large|Too long: may not be more")
"""How it, or etcd behind it, says that an object is larger than may be."""
_NAMED: Final = 5
"""Objects that a message names; of more it says how many."""


@dataclass(frozen=True, kw_only=True)
class BlockedWrite:
    """Why children cannot be written."""

    finding: Finding
    since: datetime | None = None
    """Since when, for what may pass by itself."""

    def stalls(self, now: datetime, deadline: timedelta) -> bool:
        """Whether nobody should wait any longer."""
        return self.since is None or now >= self.since + deadline


def blocked_write(observed: Observed, now: datetime, conflicts: Sequence[NameTaken] = ()) -> BlockedWrite | None:
    """What stands in the way of the writes; names that are taken come first."""
    taken = {(each.kind, each.name): each for each in (*observed.foreign, *conflicts)}
    if taken:
        return BlockedWrite(finding=_conflict(tuple(taken.values())))
    if observed.rejected:
        return BlockedWrite(finding=_rejection(observed.rejected[0]))
    if unkept := next(filter(matters, observed.unkept), None):
        return BlockedWrite(finding=finding(Reason.WRITE_NOT_KEPT, not_kept(unkept)))
    failed = min((each for each in observed.failed if now >= each.since + REPORTED_AFTER), key=_since, default=None)
    return BlockedWrite(finding=finding(Reason.WRITE_FAILED, _failure(failed)), since=failed.since) if failed else None


def news_at(observed: Observed, now: datetime, deadline: timedelta) -> Iterator[datetime]:
    """When there is something new to say of writes that fail."""
    times = (each.since + after for each in observed.failed for after in (REPORTED_AFTER, deadline))
    return (at for at in times if at > now)


def blocked_children(observed: Observed) -> set[tuple[str, str]]:
    """Kind and name of all children that something stands in the way of, told or not."""
    every: Iterable[JobQueued | NameTaken | WriteDenied | WriteFailed | WriteNotKept] = (
        *observed.foreign,
        *observed.rejected,
        *observed.failed,
        *observed.unkept,
        *observed.queued,
    )
    return {(each.kind, each.name) for each in every}


def matters(unkept: WriteNotKept) -> bool:
    """Whether more hangs on it than how an object is labelled, or how its pods look: those prove themselves."""
    if unkept.field.startswith("metadata."):
        ours = (f"metadata.labels[{label}]" for label in (MANAGED_BY, MODEL_DEPLOYMENT, REVISION))
        return unkept.field in ours or unkept.field.startswith(("metadata.ownerReferences", "metadata.labels ("))
    return not unkept.field.startswith("spec.template")


def not_kept(unkept: WriteNotKept) -> str:
    """The sentence for a write that did not stay."""
    what = f"{unkept.kind} {unkept.name}"
    if not unkept.field:
        return f"{what} is deleted again each time that it is made: find what deletes it, and let it leave this one out"
    who = _SCALED if unkept.field == _REPLICAS else _CHANGED
    there = f"{unkept.field} is {unkept.got} where {unkept.asked} was asked for"
    return f"{what} does not keep what is written: {there}; {who}"


_REPLICAS: Final = "spec.replicas"
_SCALED: Final = (
    "an autoscaler that is not Slipway's, or another controller, scales it: find it with kubectl get hpa,scaledobject "
    "and delete it, or let it leave this object out"
)
_CHANGED: Final = "a webhook, a policy, an older CRD or another controller changes it: let it leave this object out"


def _since(failed: WriteFailed) -> datetime:
    return failed.since


def _conflict(taken: Sequence[NameTaken]) -> Finding:
    first, others = taken[0], taken[1:]
    message = f"{first.kind} {first.name} exists and is not ours (owner: {first.owned_by})"
    if not others:
        return finding(Reason.NAME_CONFLICT, f"{message}: rename it or this ModelDeployment")
    names = [f"{each.kind} {each.name}" for each in others[: _NAMED - 1]]
    more = len(others) - len(names)
    listed = ", ".join(names) + (f" and {more} more" if more else "")
    return finding(
        Reason.NAME_CONFLICT,
        f"{message}, nor are {listed}; {len(taken)} names are taken: rename or delete these objects, or give this "
        "ModelDeployment another name",
    )


def _rejection(first: WriteDenied) -> Finding:
    message = f"the API server refuses {first.kind} {first.name}: {first.message}"
    if QUOTA_WORDS in first.message:
        return finding(Reason.QUOTA_EXCEEDED, f"{message}; raise that quota, or free what it counts")
    if _TOO_LARGE.search(first.message):
        return finding(Reason.SPEC_INVALID, f"{message}; {_SMALLER}")
    field = _comes_from(first)
    if _DENIED.search(first.message):
        return finding(Reason.SPEC_INVALID, f"{message}; change {field}, or let that policy leave this object out")
    if _UNDECLARED.search(first.message):
        return finding(Reason.SPEC_INVALID, f"{message}; correct {field}: no field of this Kubernetes is called that")
    if not first.forbidden:
        return finding(Reason.SPEC_INVALID, f"{message}; correct {field}")
    remedy = NOT_GRANTED if " cannot " in first.message else f"change {field}, or have whoever forbids it allow it"
    return finding(Reason.FORBIDDEN, f"{message}; {remedy}")


def _comes_from(first: WriteDenied) -> str:
    """The field of the ModelDeployment that a refused field of a child is made from, as far as it can be told."""
    by_field = (field for words, field in _BY_FIELD.items() if re.search(words, first.message))
    field = _BY_KIND.get(first.kind) or next(by_field, None)
    return f"spec.{field}" if field else "the field of the spec that this is made from"


_BY_KIND: Final = {
    "HorizontalPodAutoscaler": "autoscaling",
    "ResourceClaimTemplate": "accelerator",
    "ScaledObject": "autoscaling",
    "NetworkPolicy": "traffic.allowFrom or allowTo",
    "HTTPRoute": "traffic",
    "GRPCRoute": "traffic",
    "SecurityPolicy": "traffic.authentication",
    "BackendTrafficPolicy": "traffic",
}
_BY_FIELD: Final = {
    r"\bnvidia\.com/|\bresourceClaims\b|\bclaims\b": "accelerator",
    r"\benv\b": "server.env",
    r"\bimage\b": "server.image",
    r"\bserviceAccountName\b": "scheduling.serviceAccountName",
    r"\bresources\b|\blimits\b|\brequests\b": "server.resources",
    r"\bnodeSelector\b|\btolerations\b|\baffinity\b|\bpriorityClassName\b|\btopologySpread": "scheduling",
    r"\btemplate\.(metadata|labels|annotations)\b": "podMetadata",
    r"\breplicas\b": "replicas",
}


_SMALLER: Final = "put large golden requests into the bundle, not into model.verification.requests"


def _failure(first: WriteFailed) -> str:
    message = f"{first.kind} {first.name} cannot be written: {first.message}"
    if _UNDECLARED.search(first.message):
        return f"{message}; the CRD of {first.kind} in this cluster is older than what is written: upgrade it"
    if _TOO_LARGE.search(first.message):
        return f"{message}; {_SMALLER}"
    if _WEBHOOK.search(first.message):
        return f"{message}; bring back what answers for that webhook, or let it leave this object out; {_AGAIN}"
    return f"{message}; {_AGAIN}"


_WEBHOOK: Final = re.compile(r"failed calling webhook")
_AGAIN: Final = "it is tried again until it passes"
