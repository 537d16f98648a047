"""Which revisions should exist, with how many pods, and the objects that they are made of."""

from collections.abc import Iterator, Mapping, Set

from slipway.api.v1alpha1.spec import Scaler
from slipway.api.v1alpha1.status import RevisionRef, RevisionStatus, RolloutPhase
from slipway.core import autoscaling
from slipway.core.children.budget import budget
from slipway.core.children.device_claim import RESOURCE_CLAIM_TEMPLATE
from slipway.core.children.record import with_record
from slipway.core.children.revision import RevisionRecord, controller_revision
from slipway.core.children.service import revision_service, with_load_port
from slipway.core.desired.objects import LEFTOVERS_GO, DesiredObject, DesiredRevision, Replicas, left_alone, written
from slipway.core.desired.scalers import scaler
from slipway.core.names import of_revision
from slipway.core.observed import history
from slipway.core.rollout import refusals
from slipway.core.rollout.roles import RevisionRoles
from slipway.core.rollout.state import Outcome
from slipway.core.snapshot import Snapshot


def revisions(
    snapshot: Snapshot, outcome: Outcome, roles: RevisionRoles, reached: frozenset[str]
) -> Iterator[DesiredRevision]:
    """Every revision that keeps pods. `reached`: those that clients reach from now on."""
    yield from _aside(snapshot, roles, refusals.revisions(outcome.state))
    counts: Mapping[str, int] = outcome.allocation.counts if outcome.allocation else {}
    named = ((ref, ref.revision) for ref in (outcome.state.stable, outcome.state.candidate, *roles.superseded) if ref)
    # One that was not looked at yet keeps what it has.
    planned = [(ref, name, counts.get(name, snapshot.count(name))) for ref, name in named if name]
    # What gives up pods is written first: at no moment between two writes are there more than the surge allows.
    for ref, revision, count in sorted(planned, key=lambda plan: plan[2] >= snapshot.count(plan[1])):
        limits = _limits(snapshot, outcome, revision, count, reached)
        yield _desired(snapshot, ref, Replicas(count=count, bounds=limits), serves=revision in reached)


def _aside(snapshot: Snapshot, roles: RevisionRoles, home: Set[str]) -> Iterator[DesiredRevision]:
    """Those without traffic that keep their pods for a while. What stands by is the way back, and has as many as are
    needed; what was sent `home` gets no more."""
    if roles.standby:
        count = snapshot.count(roles.standby.revision)
        count = count if roles.standby.revision in home else max(count, snapshot.needed)
        count = count if snapshot.needed else 0
        yield _desired(snapshot, roles.standby, Replicas(count=count), serves=False)
    for entry in roles.retiring:
        yield _desired(snapshot, entry, Replicas(count=snapshot.count(entry.revision)), serves=False)


def _desired(
    snapshot: Snapshot, ref: RevisionRef | RevisionStatus, replicas: Replicas, *, serves: bool
) -> DesiredRevision:
    revision = ref.revision or ""
    most = replicas.bounds[1] if replicas.bounds else replicas.count
    return DesiredRevision(
        revision=revision,
        number=ref.number or 1,
        record=snapshot.record(revision),
        replicas=replicas,
        guarded=serves and not snapshot.suspended and most > 1,
    )


def _limits(
    snapshot: Snapshot, outcome: Outcome, revision: str, count: int, reached: frozenset[str]
) -> tuple[int, int] | None:
    """Between what a scaler beside us may move a revision's count; None where it has none."""
    state, rollout, scaling = outcome.state, outcome.state.rollout, snapshot.spec.autoscaling
    if scaling is None or autoscaling.scaler_of(scaling) is Scaler.SLIPWAY or state.stable is None:
        return None
    if not count or revision not in reached:
        return None
    moving = rollout is not None and rollout.phase not in (RolloutPhase.SOAKING, RolloutPhase.RESOLVING)
    back = rollout is not None and rollout.phase is RolloutPhase.ROLLING_BACK
    makes_room = revision == state.stable.revision and not back and count < snapshot.needed
    grows = revision == _grows(snapshot, outcome, reached, back=back) and not makes_room
    part = autoscaling.ScaledRevision(count=count, alone=not moving and reached == {revision}, carries_growth=grows)
    return autoscaling.bounds(scaling, part)


def _grows(snapshot: Snapshot, outcome: Outcome, reached: frozenset[str], *, back: bool) -> str | None:
    """The revision that more load goes to while versions change: the candidate, as soon as it has traffic that no step
    and no exact share limits."""
    state = outcome.state
    exact = outcome.allocation is not None and outcome.allocation.traffic.shares
    candidate = state.candidate.revision if state.candidate else None
    limited = back or exact or snapshot.policy.canary_steps
    if candidate in reached and not limited:
        return candidate
    return state.stable.revision if state.stable else None


# -- their objects


def objects(snapshot: Snapshot, desired: DesiredRevision) -> Iterator[DesiredObject]:
    """What one revision is made of, and what stands beside its pods."""
    if desired.record is None:
        yield from _lost(snapshot, desired)
    else:
        yield from _of_record(snapshot, desired, desired.record)
    if desired.guarded:
        yield DesiredObject(manifest=budget(owner=snapshot.owner, revision=desired.revision))
    yield from written(scaler(snapshot, desired))


def _of_record(snapshot: Snapshot, desired: DesiredRevision, record: RevisionRecord) -> Iterator[DesiredObject]:
    yield DesiredObject(manifest=controller_revision(record, owner=snapshot.owner, number=desired.number))
    claimable = not record.claims_devices or snapshot.observed.knows(RESOURCE_CLAIM_TEMPLATE)
    for child in record.children:
        match child["kind"]:
            case "Deployment" if not claimable:  # pods without their claim would start without a device
                yield left_alone("Deployment", child["metadata"]["name"], desired.replicas)
            case kind if kind == RESOURCE_CLAIM_TEMPLATE and not claimable:
                yield left_alone(kind, child["metadata"]["name"])
            case "ConfigMap":
                before = history.packed_record(snapshot.observed, child["metadata"]["name"])
                yield DesiredObject(manifest=with_record(child, record, snapshot.owner, before))
            case "Deployment":
                yield DesiredObject(manifest=child, replicas=desired.replicas)
            case "Service" if snapshot.scaled_by is Scaler.KEDA:
                yield DesiredObject(manifest=with_load_port(child))
            case _:
                yield DesiredObject(manifest=child)


def _lost(snapshot: Snapshot, desired: DesiredRevision) -> Iterator[DesiredObject]:
    """All that is there of a revision whose making nobody knows any more. Its Service, by which a gateway reaches its
    pods, is made of its name alone."""
    name, owner = of_revision(snapshot.owner.name, desired.revision), snapshot.owner
    if desired.revision in snapshot.deployed and snapshot.observed.child("Service", name) is None:
        yield DesiredObject(manifest=revision_service(owner=owner, revision=desired.revision))
    for kind in LEFTOVERS_GO:
        yield left_alone(kind, name, desired.replicas if kind == "Deployment" else None)
