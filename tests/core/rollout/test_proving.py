"""Proving: capacity is taken away only when both bundles are there, with the bytes that they had."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from slipway.api.v1alpha1.status import RolloutPhase, RolloutStatus
from slipway.core.facts import Child
from slipway.core.reasons import Reason
from slipway.core.rollout.facts import ResolveFacts
from slipway.core.rollout.proving import prove
from slipway.core.rollout.state import Proof
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


def test_both_bundles_with_the_bytes_that_they_had_are_proof() -> None:
    assert prove(ROLLOUT, (NEW, OLD), NOON).proved


def test_one_is_looked_for_after_the_other() -> None:
    first = prove(ROLLOUT, (replace(NEW, resolve=NOT_YET), replace(OLD, resolve=NOT_YET)), NOON)
    assert (first.proved, first.job) == (False, NEW.ask)
    then = prove(ROLLOUT, (NEW, replace(OLD, resolve=NOT_YET)), NOON)
    assert (then.proved, then.job) == (False, OLD.ask)
    assert then.finding
    assert then.finding.reason is Reason.PROVING
    assert then.finding.message.startswith("3: ")


def test_other_bytes_under_the_same_address_are_no_way_back() -> None:
    found = prove(ROLLOUT, (NEW, replace(OLD, digest="sha256:" + "cd" * 32)), NOON)
    assert not found.proved
    assert found.stalled
    assert found.finding
    assert found.finding.reason is Reason.SOURCE_CHANGED
    assert "put the bundle back" in found.finding.message


def test_a_try_that_failed_is_made_again_ever_slower() -> None:
    failed = ended(says("SourceUnavailable", "no route"), code=1)
    first = prove(ROLLOUT, (replace(NEW, resolve=failed), OLD), NOON)
    assert (first.proved, first.wake_at) == (False, NOON + timedelta(seconds=10))
    assert first.finding
    assert first.finding.reason is Reason.SOURCE_UNAVAILABLE
    due = prove(first.rollout, (replace(NEW, resolve=failed), OLD), NOON + timedelta(seconds=10))
    assert due.discard == NEW.ask
    gone = prove(first.rollout, (replace(NEW, resolve=NOT_YET), OLD), NOON + timedelta(seconds=10))
    assert gone.job == NEW.ask
