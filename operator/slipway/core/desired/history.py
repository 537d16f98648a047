"""Resolve Jobs and stored revisions: which should be there, and which should go."""

from collections.abc import Iterator, Sequence

from pydantic import ValidationError

from slipway.api.v1alpha1 import ModelDeploymentSpec
from slipway.api.v1alpha1.spec import Rollout
from slipway.core.body import one_more
from slipway.core.children.resolve_job import resolve_job
from slipway.core.children.revision import RevisionRecord, controller_revision
from slipway.core.desired.objects import DesiredRevision
from slipway.core.identity import ASKED
from slipway.core.names import Manifest, of_resolve_job, of_revision
from slipway.core.observed import history
from slipway.core.observed.objects import Child
from slipway.core.rollout import refusals
from slipway.core.rollout.state import Outcome, State
from slipway.core.snapshot import Snapshot


def spec_of(snapshot: Snapshot, ask: str) -> ModelDeploymentSpec | None:
    """The spec as it was when that was asked for, as far as its pods go; None where nothing says so any more, or it
    was asked for in words that this version does not know."""
    if ask == snapshot.ask:
        return snapshot.spec
    entry = history.newest_of(snapshot.past, ask)
    record = snapshot.record(entry.revision) if entry else None
    if record is None:
        return None
    rest = {name: value for name, value in snapshot.spec.to_dict().items() if name not in ASKED}
    try:
        return ModelDeploymentSpec.model_validate({**rest, **record.asked})
    except ValidationError:
        return None


def jobs(snapshot: Snapshot, outcome: Outcome) -> Iterator[Manifest]:
    """The resolve Jobs that should be there."""
    for ask in sorted(outcome.jobs):
        spec = spec_of(snapshot, ask)
        if spec is not None:
            yield resolve_job(
                owner=snapshot.owner,
                spec=spec,
                ask=ask,
                platform=snapshot.platform,
                deadline=snapshot.policy.fetch_timeout,
            )


def made(
    snapshot: Snapshot, state: State, revisions: Sequence[DesiredRevision], record: RevisionRecord | None
) -> Iterator[Manifest]:
    """The ControllerRevision of what was just resolved; none where its pods are still there, and bring it along."""
    if record and not any(each.revision == record.revision and each.record for each in revisions):
        yield controller_revision(record, owner=snapshot.owner, number=one_more(state.last_number))


def surplus(snapshot: Snapshot, outcome: Outcome, revisions: Sequence[DesiredRevision]) -> Iterator[Child]:
    """Jobs and stored revisions that should go."""
    yield from _surplus_jobs(snapshot, outcome)
    yield from _surplus_revisions(snapshot, outcome.state, {each.revision for each in revisions})


def _surplus_jobs(snapshot: Snapshot, outcome: Outcome) -> Iterator[Child]:
    """The Job of a failed try, and those of asks that nobody asks any more. One that succeeded goes by its own TTL."""
    state = outcome.state
    asks = {snapshot.ask, *outcome.jobs, *(ref.ask for ref in (state.stable, state.candidate) if ref and state.rollout)}
    kept = {of_resolve_job(snapshot.owner.name, ask) for ask in asks - outcome.discard}
    for (kind, name), child in snapshot.observed.children.items():
        if kind == "Job" and child.owner_uid == snapshot.owner.uid and name not in kept:
            yield child


def _surplus_revisions(snapshot: Snapshot, state: State, in_use: set[str]) -> Iterator[Child]:
    """History beyond its limit, and what was sent home so long ago that it is about to be forgotten."""
    limit = (snapshot.spec.rollout or Rollout()).history_limit
    forgotten = refusals.to_forget(state.also_refused) & {entry.revision for entry in snapshot.past} - in_use
    beyond = history.surplus(snapshot.past, in_use=in_use, aside=refusals.revisions(state), limit=limit)
    for revision in (*beyond, *sorted(forgotten)):
        if child := snapshot.observed.child("ControllerRevision", of_revision(snapshot.owner.name, revision)):
            yield child
