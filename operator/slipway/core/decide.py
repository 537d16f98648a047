"""One decision: from what is asked, what is there and what happened before, to what should be done now.

Pure and replayable: the same facts give the same plan, and a plan that was carried out leads to an empty one.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from pydantic import ValidationError

from slipway.api.v1alpha1 import ModelDeploymentSpec, ModelDeploymentStatus
from slipway.api.v1alpha1.status import RevisionState
from slipway.core.body import place_deeper_than
from slipway.core.catalogue.follow import Following
from slipway.core.desired.rendered import rendered
from slipway.core.desired.routing import traffic_of
from slipway.core.desired.state import desired_state
from slipway.core.diff import diff
from slipway.core.identity import ask as ask_of
from slipway.core.looks.due import looks_of
from slipway.core.next_pass import wake_at
from slipway.core.observed.objects import Observed
from slipway.core.owner import Owner
from slipway.core.plan import Plan
from slipway.core.platform import Platform
from slipway.core.preconditions import guards_relied_on, pods_relied_on
from slipway.core.reasons import NOT_GRANTED, Finding, Reason, finding
from slipway.core.rollout.blocked import blocked
from slipway.core.rollout.clocks import bounded
from slipway.core.rollout.draining import cut_off
from slipway.core.rollout.following import as_followed, nothing_asked, unfollowable
from slipway.core.rollout.roles import roles_of
from slipway.core.rollout.turn import outcome_of
from slipway.core.snapshot import Snapshot
from slipway.core.status.compose import status_of
from slipway.core.status.conditions import conditions, phase
from slipway.core.status.events import (
    covering_notes,
    cut_off_note,
    following_notes,
    news,
    remembering,
    signature_note,
    withdrawal_notes,
)
from slipway.core.status.scaling import scaling_notes
from slipway.core.status.summary import Summary, summary_of


def decide(
    *,
    owner: Owner,
    spec: Mapping[str, Any],
    status: Mapping[str, Any] | None,
    observed: Observed,
    platform: Platform,
    now: datetime,
) -> Plan:
    """Decide what to do for one ModelDeployment. Never raises for what a user wrote or an older version stored."""
    now = now.replace(microsecond=0)
    before = ModelDeploymentStatus.of_readable(
        status or {}
    )  # for the rest: rollout/recovery.py, and what the cluster holds
    if observed.blind:
        return _left_as_is(before, finding(Reason.FORBIDDEN, f"{observed.blind}; {NOT_GRANTED}"), owner, now)
    if observed.too_much:
        return _left_as_is(before, _too_much(observed), owner, now)
    parsed = _parsed(spec)
    if isinstance(parsed, Finding):
        return _left_as_is(before, parsed, owner, now)
    adopted, stored = observed.adopted(owner), bounded(before, parsed, now)
    snapshot = as_followed(
        Snapshot(
            owner=owner, spec=parsed, ask=ask_of(parsed), observed=adopted, before=stored, platform=platform, now=now
        )
    )
    if problem := nothing_asked(snapshot):
        return _left_as_is(stored, problem, owner, now, snapshot.following)
    return _decide(snapshot)


DEEPEST: Final = 100
"""Levels of a spec. Kubernetes' own objects have a dozen; what is rendered from it has a few more, and JSON is written
254 deep."""


def _parsed(spec: Mapping[str, Any]) -> ModelDeploymentSpec | Finding:
    """The spec, or what is wrong with it."""
    if path := place_deeper_than(spec, DEEPEST):
        return _too_deep(path)
    try:
        parsed = ModelDeploymentSpec.model_validate(spec)
    except ValidationError as error:
        return _invalid(error)
    return unfollowable(parsed.model) or parsed


def _invalid(error: ValidationError) -> Finding:
    first = error.errors(include_url=False)[0]
    path = ".".join(("spec", *(str(part) for part in first["loc"])))
    return finding(Reason.SPEC_INVALID, f"{path}: {first['msg']}; correct the field and apply again")


def _too_deep(path: str) -> Finding:
    message = f"spec.{path}: is nested deeper than {DEEPEST} levels; correct the field and apply again"
    return finding(Reason.SPEC_INVALID, message)


def _too_much(observed: Observed) -> Finding:
    message = f"{observed.too_much}: nothing is done here until some of them are deleted"
    return finding(Reason.TOO_MUCH_STORED, message)


def _left_as_is(
    before: ModelDeploymentStatus, problem: Finding, owner: Owner, now: datetime, follows: Following | None = None
) -> Plan:
    """What cannot be read, or not whole, is nothing to decide from. What serves is left exactly as it is."""
    serving = next((r for r in before.revisions if r.state is RevisionState.STABLE), None)
    summary = Summary(
        serving=serving.version if serving else None,
        available=serving.available if serving else 0,
        wanted=serving.replicas if serving else 0,
        finding=problem,
        following=follows.says if follows else None,
        stalled=True,
    )
    status = before.evolve(
        observed_generation=owner.generation,
        phase=phase(summary),
        follow=follows.status if follows else before.follow,
        conditions=conditions(summary, before.conditions, generation=owner.generation, now=now),
    )
    return Plan(status=status, notes=news(before, summary))


def _decide(snapshot: Snapshot) -> Plan:
    outcome, record = rendered(snapshot, outcome_of(snapshot))
    state, traffic = outcome.state, traffic_of(snapshot, outcome)
    roles = roles_of(snapshot, state, traffic=traffic, ends_standby=outcome.ends_standby)
    desired = desired_state(snapshot, outcome, roles, traffic, record)
    changes = diff(desired, snapshot.observed, snapshot.owner)
    blocks = blocked(snapshot, state, changes.conflicts)
    summary = summary_of(snapshot, outcome, roles, desired, blocks)
    events = news(snapshot.before, summary) if not outcome.notes else ()
    outcome = replace(outcome, state=remembering(state, events))
    looks, signature = looks_of(snapshot, outcome.state, roles), signature_note(snapshot, outcome.state)
    status = status_of(snapshot=snapshot, outcome=outcome, roles=roles, desired=desired, summary=summary)
    return Plan(
        status=status,
        actions=tuple(changes.actions),
        notes=(
            *outcome.notes,
            *((signature,) if signature else ()),
            *events,
            *withdrawal_notes(snapshot.before, summary),
            *following_notes(snapshot.before, snapshot.following),
            *scaling_notes(snapshot.before, status.autoscaling, summary.load_unknown, summary.scaler_fault),
            *covering_notes(snapshot, roles, traffic),
            *(cut_off_note(snapshot, entry) for entry in cut_off(snapshot, roles.revisions)),
        ),
        relies_on=pods_relied_on(snapshot, desired, changes) if state.stable else {},
        relies_on_guards=guards_relied_on(snapshot, changes),
        looks=looks,
        wake_at=wake_at(snapshot, outcome=outcome, roles=roles, desired=desired, changes=changes, looks=looks),
    )
