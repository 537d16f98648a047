"""Proving: capacity is taken away only when both bundles are there, with the bytes that they had."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from slipway.api.v1alpha1.status import RolloutPhase, RolloutStatus
from slipway.core.observed.objects import Child
from slipway.core.observed.revision import ResolveFacts
from slipway.core.reasons import Reason
from slipway.core.rollout.bundle_check import unproved
from slipway.core.rollout.state import Allocation, Outcome, Proof, State
from slipway.core.shares import all_to
from tests.core.cluster.kubelet import says
from tests.core.gen import DIGEST, resolved
from tests.core.pods import pod

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
ROLLOUT = RolloutStatus(phase=RolloutPhase.STARTING, started_at=NOON, phase_started_at=NOON)
ANSWER = json.dumps({"resolved": resolved().to_dict()})
JOB = Child(
    kind="Job",
    name="churn-aaaa",
    uid="u",
    resource_version="1",
    owner_uid="o",
    applied=None,
    written=None,
    deleting=False,
    text=b"{}",
)


def ended(message: str, code: int = 0) -> ResolveFacts:
    terminated = {"exitCode": code, "reason": "Completed", "message": message}
    resolver = pod("p", containerStatuses=[{"name": "resolve", "state": {"terminated": terminated}}])
    return ResolveFacts(job=JOB, complete=not code, failed=bool(code), pod=resolver)


NEW = Proof(ask="b" * 64, version="4", digest=DIGEST, resolve=ended(ANSWER))
OLD = Proof(ask="a" * 64, version="3", digest=DIGEST, resolve=ended(ANSWER))
NOT_YET = ResolveFacts()


HELD = Allocation(counts={"aaaaaaaa": 4}, traffic=all_to("aaaaaaaa"))


def looked(
    new: Proof = NEW, old: Proof = OLD, *, rollout: RolloutStatus = ROLLOUT, now: datetime = NOON
) -> Outcome | None:
    return unproved(State(rollout=rollout), rollout, (new, old), HELD, now)


def unfinished(new: Proof = NEW, old: Proof = OLD, **more: Any) -> Outcome:
    outcome = looked(new, old, **more)
    assert outcome is not None
    assert outcome.allocation == HELD, "pods and traffic stay as they are meanwhile"
    return outcome


def reason(outcome: Outcome) -> Reason | None:
    return outcome.wait.finding.reason if outcome.wait.finding else None


def test_both_bundles_with_the_bytes_that_they_had_are_proof() -> None:
    assert looked() is None


def test_one_is_looked_for_after_the_other() -> None:
    assert unfinished(replace(NEW, resolve=NOT_YET), replace(OLD, resolve=NOT_YET)).jobs == {NEW.ask}
    then = unfinished(NEW, replace(OLD, resolve=NOT_YET))
    assert then.jobs == {OLD.ask}
    assert then.wait.finding
    assert reason(then) is Reason.PROVING
    assert then.wait.finding.message.startswith("3: ")


def test_other_bytes_under_the_same_address_are_no_way_back() -> None:
    outcome = unfinished(NEW, replace(OLD, digest="sha256:" + "cd" * 32))
    assert outcome.wait.stalled
    assert outcome.wait.finding
    assert reason(outcome) is Reason.SOURCE_CHANGED
    assert "put the bundle back" in outcome.wait.finding.message


def test_a_try_that_failed_is_made_again_ever_slower() -> None:
    failed = replace(NEW, resolve=ended(says("SourceUnavailable", "no route"), code=1))
    first = unfinished(failed)
    assert first.wait.until == NOON + timedelta(seconds=10)
    assert reason(first) is Reason.SOURCE_UNAVAILABLE
    rollout = first.state.rollout
    assert rollout
    later = NOON + timedelta(seconds=10)
    assert unfinished(failed, rollout=rollout, now=later).discard == {NEW.ask}
    assert unfinished(replace(NEW, resolve=NOT_YET), rollout=rollout, now=later).jobs == {NEW.ask}
