"""Outage: nobody answers, or no gateway takes the route, while nothing is on its way. That too has a deadline."""

from dataclasses import replace
from datetime import datetime

from slipway.api.v1alpha1.status import RolloutPhase, RolloutStatus
from slipway.core.reasons import Reason
from slipway.core.rollout.gates import objection
from slipway.core.rollout.state import Outcome
from slipway.core.rollout.stopping import unanswered_since
from slipway.core.rollout.target import under_way_since
from slipway.core.snapshot import Snapshot
from slipway.core.wait import Wait


def with_outage(snapshot: Snapshot, outcome: Outcome) -> Outcome:
    """No pod of what serves is available and nothing is on its way: that too is waited for with a deadline."""
    stable, rollout = outcome.state.stable, outcome.state.rollout
    moving = rollout is not None and rollout.phase is not RolloutPhase.SOAKING
    if moving and rollout is not None and snapshot.before.rollout is None:
        return replace(outcome, state=replace(outcome.state, rollout=_continued(snapshot, rollout)))
    if moving or stable is None or snapshot.suspended:
        return outcome
    serving = snapshot.facts(stable)
    if serving.available:
        return _unroutable(snapshot, outcome)
    problem = objection(serving, snapshot.policy)
    if problem and problem.reason is Reason.QUEUED:  # it has as long as its queue takes
        return replace(outcome, outage_since=None)
    since = snapshot.before.outage_since if snapshot.before.outage_since and not snapshot.slept else snapshot.now
    return _patient(snapshot, replace(outcome, outage_since=since), since)


def _continued(snapshot: Snapshot, rollout: RolloutStatus) -> RolloutStatus:
    """A rollout that begins while what was stopped for the one before is on its way back: versions have been changing
    since then. What has not come back within its deadline counts as broken, and not as stopped."""
    stopped, back = unanswered_since(snapshot.before), snapshot.before.outage_since
    if stopped is None or back is None or not stopped < back <= snapshot.now < back + snapshot.policy.progress_deadline:
        return rollout
    return under_way_since(rollout, stopped)


def _unroutable(snapshot: Snapshot, outcome: Outcome) -> Outcome:
    """It serves, and no gateway takes its route."""
    if snapshot.route is None or snapshot.route.wait.finding is None:
        return outcome
    ready = next((c for c in snapshot.before.conditions if c.type == "Ready"), None)
    since = ready.last_transition_time if ready and ready.status == "False" and not snapshot.slept else snapshot.now
    return _patient(snapshot, outcome, since)


def _patient(snapshot: Snapshot, outcome: Outcome, since: datetime) -> Outcome:
    deadline = since + snapshot.policy.progress_deadline
    patience = Wait(until=deadline) if snapshot.now < deadline else Wait(stalled=True)
    return replace(outcome, wait=outcome.wait | patience)
