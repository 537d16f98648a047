"""Recovery: the machine's state out of status, as far as history and the cluster bear it out."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from slipway.api.v1alpha1.status import RevisionRef, RevisionState, RolloutPhase
from slipway.core.body import one_more
from slipway.core.observed import history
from slipway.core.rollout import refusals, requests
from slipway.core.rollout.analysis_gate import of_rollout
from slipway.core.rollout.refusals import Asked
from slipway.core.rollout.roles import UNKNOWN
from slipway.core.rollout.state import State
from slipway.core.rollout.target import at_phase, restored, retarget
from slipway.core.snapshot import Snapshot

HEARD_WITHIN: Final = timedelta(seconds=10)
"""Watches bring different kinds at different times; what was written this long ago has been told of."""


def remembered(snapshot: Snapshot) -> State:
    """The machine's state out of status; where status was lost, the revision that serves is taken as stable."""
    before, past = snapshot.before, snapshot.past
    # History may hold numbers that status never told: of a revision that was dropped before it started, or lost status.
    others = [entry.number for entry in past if entry.ask != snapshot.ask]
    refs = (before.stable, before.candidate, *before.revisions)
    state = State(
        stable=before.stable or _listed_as_stable(snapshot),
        candidate=before.candidate,
        refused=before.refused,
        also_refused=refusals.kept(before.also_refused, frozenset(entry.revision for entry in past)),
        rollout=before.rollout,
        analysis=before.analysis or of_rollout(before.rollout),
        last_number=max(before.last_number, *others, *((ref.number or 0) for ref in refs if ref), 0),
        requests=list(before.requests or ()),
    )
    state = restored(state, snapshot.traffic.reaches, snapshot.now)
    serving = _serving(snapshot)
    tried = {ref.revision for ref in (state.candidate, state.refused) if ref}
    if state.stable or serving is None or serving in tried or _is_first(snapshot, serving):
        return _repaired(state, snapshot.now)
    record = snapshot.record(serving)
    if record is None and snapshot.deployment(serving) is None:
        return _repaired(state, snapshot.now)
    number = next((e.number for e in past if e.revision == serving), one_more(state.last_number))
    # Of what cannot be read nothing is known but that it serves: it stays until what is asked can take over.
    ask, version = (record.ask, record.version) if record else ("", UNKNOWN)
    stable = RevisionRef(revision=serving, ask=ask, number=number, version=version)
    return _repaired(replace(state, stable=stable, last_number=max(state.last_number, number)), snapshot.now)


def _serving(snapshot: Snapshot) -> str | None:
    """The revision that clients reach. Where status was lost, the annotation tells which one it is not: what somebody
    holds back. What they sent home goes on its way home, also if that had not begun."""
    reached, request = snapshot.traffic.service, requests.holding(snapshot.owner.request)
    if request is None or snapshot.before.requests is not None:
        return snapshot.most_available(reached)
    held, enough = request.revision, max(1, snapshot.available(request.revision))
    full = (name for name in snapshot.deployed - {held} if snapshot.available(name) >= enough)
    stands_by = full if request.verb is not requests.Verb.PAUSE and held in reached else ()
    return snapshot.most_available(reached - {held} or frozenset(stands_by) or reached)


def _is_first(snapshot: Snapshot, serving: str) -> bool:
    """Whether it is a first version that never took over, and not one whose place in status was lost."""
    if snapshot.before.rollout is None and snapshot.before.candidate is None:
        return False
    return any(
        entry.revision == serving and entry.state is not RevisionState.STABLE for entry in snapshot.before.revisions
    )


def _repaired(state: State, now: datetime) -> State:
    """The state, where a part of it was lost that the rest speaks of."""
    candidate, rollout = state.candidate, state.rollout
    if rollout and rollout.phase is RolloutPhase.SOAKING and (candidate or state.stable is None):
        return replace(state, candidate=None, rollout=None)
    # One that is sent home unresolved goes back, too: what it has superseded may have a share of the traffic.
    unresolved = (RolloutPhase.RESOLVING, RolloutPhase.ROLLING_BACK)
    if rollout and candidate and candidate.revision is None and rollout.phase not in unresolved:
        return replace(state, rollout=at_phase(rollout, RolloutPhase.RESOLVING, now))
    if rollout and candidate is None and rollout.phase not in (RolloutPhase.SOAKING, RolloutPhase.ROLLING_BACK):
        return replace(state, rollout=None)
    return state


def _listed_as_stable(snapshot: Snapshot) -> RevisionRef | None:
    """The stable revision by the list of revisions, where the reference to it cannot be read."""
    listed = snapshot.listed_as_stable
    if listed is None:
        return None
    record = snapshot.record(listed.revision)
    ask = record.ask if record else ""
    return RevisionRef(revision=listed.revision, ask=ask, number=listed.number, version=listed.version)


def _is_gone(snapshot: Snapshot, revision: str) -> bool:
    """Whether nothing of a revision is there: no Deployment, and no pod but those that end."""
    stays = (pod for pod in snapshot.observed.pods_of(revision) if not pod.deleting)
    return revision not in snapshot.deployed and not any(stays)


def is_fresh(snapshot: Snapshot) -> bool:
    """Whether the candidate was started so lately that its ControllerRevision may not have been heard of yet."""
    rollout = snapshot.before.rollout
    if rollout is None or rollout.phase is not RolloutPhase.STARTING:
        return False
    return snapshot.now < rollout.phase_started_at + HEARD_WITHIN


def retargeted(snapshot: Snapshot, state: State) -> State:
    """The state aimed at what is asked for now; what nobody can say any more is lost."""
    held = {ref.revision for ref in (state.stable, state.candidate) if ref and ref.revision}
    lost = {revision for revision in held if history.is_lost(snapshot.observed, snapshot.owner, revision)}
    if is_fresh(snapshot):
        lost -= {state.candidate.revision if state.candidate else None}
    if state.stable and state.stable.revision in lost and _is_gone(snapshot, state.stable.revision):
        state = replace(state, stable=None)  # nobody waits for what can never be there again
    model = snapshot.spec.model
    asked = Asked(ask=snapshot.ask, version=model.version_name, source=model.source.uri)
    return retarget(state, asked=asked, root=snapshot.traffic.reaches, now=snapshot.now, lost=lost)
