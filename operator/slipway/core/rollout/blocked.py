"""Blocked: why what the rollout wants cannot be made.

A write does not pass, somebody holds an object back that is being deleted, or this operator cannot read a revision.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

from slipway.api.v1alpha1.status import RevisionRef
from slipway.core.body import instant, within
from slipway.core.children.autoscaler import AUTOSCALER
from slipway.core.children.device_claim import RESOURCE_API, RESOURCE_CLAIM_TEMPLATE
from slipway.core.children.route import ROUTES
from slipway.core.names import of_revision
from slipway.core.observed import history
from slipway.core.observed.blocked_writes import REPORTED_AFTER, BlockedWrite, blocked_write, news_at
from slipway.core.observed.objects import Child, NameTaken
from slipway.core.reasons import NOT_GRANTED, Reason, finding
from slipway.core.rollout.state import State
from slipway.core.snapshot import Snapshot

_OF_REVISION: Final = ("Deployment", "Service", "ConfigMap", RESOURCE_CLAIM_TEMPLATE)


def blocked(snapshot: Snapshot, state: State, conflicts: Sequence[NameTaken] = ()) -> BlockedWrite | None:
    """The first of all that is in the way."""
    write = blocked_write(snapshot.observed, snapshot.now, conflicts)
    return write or _held(snapshot, state) or _unreadable(snapshot, state) or _unclaimable(snapshot, state)


def changes_at(snapshot: Snapshot, state: State) -> Iterator[datetime]:
    """When there is something new to say of what is in the way."""
    deadline = snapshot.policy.progress_deadline
    yield from news_at(snapshot.observed, snapshot.now, deadline)
    times = (since + after for _, since in _lingering(snapshot, state) for after in (REPORTED_AFTER, deadline))
    yield from (at for at in times if at > snapshot.now)


def _held(snapshot: Snapshot, state: State) -> BlockedWrite | None:
    """An object that is being deleted and does not go. One of its name cannot be made before."""
    lingering = (
        (child, since) for child, since in _lingering(snapshot, state) if snapshot.now >= since + REPORTED_AFTER
    )
    child, since = next(lingering, (None, None))
    if child is None:
        return None
    finalizers = within(child.body, "metadata").get("finalizers")
    names = ", ".join(map(str, finalizers)) if isinstance(finalizers, list) else ""
    held = f"held by {names} (metadata.finalizers)" if names else "not gone yet"
    then = "Slipway sets the number of pods" if child.kind == AUTOSCALER else "it is made again"
    message = (
        f"{child.kind} {child.name} is being deleted since {since:%H:%M:%S} UTC and {held}: {then} once it is gone; "
        "find who set the finalizer, and let them finish"
    )
    return BlockedWrite(finding=finding(Reason.WRITE_FAILED, message), since=since)


def _lingering(snapshot: Snapshot, state: State) -> Iterator[tuple[Child, datetime]]:
    """Objects on their way out that the rollout goes on needing, or needs to be gone, and since when."""
    owner, traffic, scaling = snapshot.owner, snapshot.spec.traffic, snapshot.spec.autoscaling
    kinds = (*_OF_REVISION, *((AUTOSCALER,) if scaling and scaling.load else ()))
    names = [of_revision(owner.name, ref.revision) for ref in (state.stable, state.candidate) if ref and ref.revision]
    places = [("Service", owner.name), *((kind, owner.name) for kind in ROUTES if traffic and traffic.gateway)]
    for place in (*places, *((kind, name) for name in names for kind in kinds)):
        child = snapshot.observed.child(*place)
        if child and child.deleting and child.owner_uid == owner.uid:
            since = instant(within(child.body, "metadata").get("deletionTimestamp"))
            yield child, min(since or snapshot.now, snapshot.now)


def _unreadable(snapshot: Snapshot, state: State) -> BlockedWrite | None:
    """The revision that should get pods next is stored in words that this operator can make none of."""
    ref = state.candidate or state.stable
    if snapshot.suspended or ref is None or ref.revision is None or ref.revision in snapshot.deployed:
        return None
    why = history.why_unreadable(snapshot.observed, snapshot.owner, ref.revision)
    message = f"{ref.version}: no pods can be made of revision {ref.revision}: {why}, or ask for another version"
    return BlockedWrite(finding=finding(Reason.REVISION_UNREADABLE, message)) if why else None


def _unclaimable(snapshot: Snapshot, state: State) -> BlockedWrite | None:
    """Pods should come that claim devices, and no claim can be made: without, they would start with none."""
    if snapshot.suspended or snapshot.observed.knows(RESOURCE_CLAIM_TEMPLATE):
        return None
    refs = [ref for ref in (state.candidate, state.stable) if ref and ref.revision and not _has_pods(snapshot, ref)]
    ref = next((ref for ref in refs if (record := snapshot.record(ref.revision or "")) and record.claims_devices), None)
    if ref is None:
        return None
    since = state.rollout.phase_started_at if state.rollout else snapshot.before.outage_since
    if RESOURCE_CLAIM_TEMPLATE in snapshot.observed.unknown:
        message = (
            f"{ref.version}: spec.accelerator asks for devices by class, and the cluster serves no {RESOURCE_API}: "
            "take Kubernetes 1.34 or later, or ask with resourceName"
        )
        return BlockedWrite(finding=finding(Reason.DRA_MISSING, message), since=since or snapshot.now)
    message = (
        f"{ref.version}: the operator may not list resourceclaimtemplates.resource.k8s.io, so no device is claimed; "
        f"{NOT_GRANTED}"
    )
    return BlockedWrite(finding=finding(Reason.FORBIDDEN, message), since=since or snapshot.now)


def _has_pods(snapshot: Snapshot, ref: RevisionRef) -> bool:
    return ref.revision in snapshot.deployed
