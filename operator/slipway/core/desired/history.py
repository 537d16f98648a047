"""Resolve Jobs and stored revisions: which should be there, and which should go."""

from collections.abc import Iterator, Sequence

from pydantic import ValidationError

from slipway.api.v1alpha1 import ModelDeploymentSpec
from slipway.api.v1alpha1.spec import Rollout
from slipway.core import history
from slipway.core.children.resolve_job import resolve_job
from slipway.core.children.revision import RevisionRecord, controller_revision
from slipway.core.desired.objects import DesiredRevision
from slipway.core.facts import Child
from slipway.core.identity import ASKED
from slipway.core.names import Manifest, of_resolve_job, of_revision
from slipway.core.rollout import refusals
from slipway.core.rollout.state import Outcome, State
from slipway.core.scene import Scene


def spec_of(scene: Scene, ask: str) -> ModelDeploymentSpec | None:
    """The spec as it was when that was asked for, as far as its pods go; None where nothing says so any more, or it
    was asked for in words that this version does not know."""
    if ask == scene.ask:
        return scene.spec
    entry = history.newest_of(scene.past, ask)
    record = scene.record(entry.revision) if entry else None
    if record is None:
        return None
    rest = {name: value for name, value in scene.spec.to_dict().items() if name not in ASKED}
    try:
        return ModelDeploymentSpec.model_validate({**rest, **record.asked})
    except ValidationError:
        return None


def jobs(scene: Scene, outcome: Outcome) -> Iterator[Manifest]:
    """The resolve Jobs that should be there."""
    for ask in sorted(outcome.jobs):
        spec = spec_of(scene, ask)
        if spec is not None:
            yield resolve_job(
                owner=scene.owner,
                spec=spec,
                ask=ask,
                platform=scene.platform,
                deadline=scene.policy.fetch_timeout,
            )


def made(
    scene: Scene, state: State, revisions: Sequence[DesiredRevision], record: RevisionRecord | None
) -> Iterator[Manifest]:
    """The ControllerRevision of what was just resolved; none where its pods are still there, and bring it along."""
    if record and not any(each.revision == record.revision and each.record for each in revisions):
        yield controller_revision(record, owner=scene.owner, number=state.last_number + 1)


def surplus(scene: Scene, outcome: Outcome, revisions: Sequence[DesiredRevision]) -> Iterator[Child]:
    """Jobs and stored revisions that should go."""
    yield from _surplus_jobs(scene, outcome)
    yield from _surplus_revisions(scene, outcome.state, {each.revision for each in revisions})


def _surplus_jobs(scene: Scene, outcome: Outcome) -> Iterator[Child]:
    """The Job of a failed try, and those of asks that nobody asks any more. One that succeeded goes by its own TTL."""
    state = outcome.state
    asks = {scene.ask, *outcome.jobs, *(ref.ask for ref in (state.stable, state.candidate) if ref and state.rollout)}
    kept = {of_resolve_job(scene.owner.name, ask) for ask in asks - outcome.discard}
    for (kind, name), child in scene.observed.children.items():
        if kind == "Job" and child.owner_uid == scene.owner.uid and name not in kept:
            yield child


def _surplus_revisions(scene: Scene, state: State, in_use: set[str]) -> Iterator[Child]:
    """History beyond its limit, and what was sent home so long ago that it is about to be forgotten."""
    limit = (scene.spec.rollout or Rollout()).history_limit
    forgotten = refusals.to_forget(state.also_refused) & {entry.revision for entry in scene.past} - in_use
    beyond = history.surplus(scene.past, in_use=in_use, aside=refusals.revisions(state), limit=limit)
    for revision in (*beyond, *sorted(forgotten)):
        if child := scene.observed.child("ControllerRevision", of_revision(scene.owner.name, revision)):
            yield child
