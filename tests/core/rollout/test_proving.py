"""Proving: both bundles can be had before capacity is taken away; what failed is tried again, and no other."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from slipway.api.v1alpha1.status import RolloutStatus, Step
from slipway.core.facts import Child, pod_facts
from slipway.core.reasons import Reason
from slipway.core.rollout.facts import ResolveFacts
from slipway.core.rollout.proving import prove
from slipway.core.rollout.state import Proof
from tests.core.gen import resolved

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
ROLLOUT = RolloutStatus(step=Step.STARTING, started_at=NOON, step_started_at=NOON)
FOUND = {"resolved": resolved().to_dict()}
GONE = {"reason": "SourceNotFound", "message": "s3://models/churn/3: nothing is there"}


def proof(ask: str, said: dict[str, Any] | None, digest: str = resolved().digest) -> Proof:
    """One bundle, and how its resolve Job ended; None: there is no Job."""
    return Proof(ask=ask * 64, version=ask, digest=digest, resolve=_job(said) if said else ResolveFacts())


def _job(said: dict[str, Any]) -> ResolveFacts:
    meta = {"name": "job", "uid": "u", "resourceVersion": "1", "creationTimestamp": NOON.isoformat()}
    ended = {"exitCode": 0 if "resolved" in said else 1, "message": json.dumps(said)}
    container = {"name": "resolve", "state": {"terminated": ended}}
    pod = pod_facts({"metadata": meta, "status": {"containerStatuses": [container]}})
    return ResolveFacts(job=Child.of({"kind": "Job", "metadata": meta}), failed="reason" in said, pod=pod)


def test_both_answers_are_the_proof() -> None:
    assert prove(ROLLOUT, (proof("b", FOUND), proof("a", FOUND)), NOON).proved


def test_one_bundle_is_looked_for_after_the_other() -> None:
    assert prove(ROLLOUT, (proof("b", None), proof("a", None)), NOON).job == "b" * 64
    assert prove(ROLLOUT, (proof("b", FOUND), proof("a", None)), NOON).job == "a" * 64


def test_the_bundle_that_failed_is_tried_again_and_the_other_is_left_alone() -> None:
    proofs = (proof("b", FOUND), proof("a", GONE))
    failed = prove(ROLLOUT, proofs, NOON)
    assert failed.finding is not None
    assert (failed.finding.reason, failed.wake_at) == (Reason.SOURCE_NOT_FOUND, NOON + timedelta(seconds=10))
    due = prove(failed.rollout, proofs, NOON + timedelta(seconds=10))
    assert (due.discard, due.job) == ("a" * 64, None)
    again = prove(due.rollout, (proofs[0], proof("a", None)), NOON + timedelta(seconds=10))
    assert (again.discard, again.job, again.rollout.attempts) == (None, "a" * 64, 1)
    assert prove(again.rollout, (proofs[0], proof("a", FOUND)), NOON + timedelta(seconds=12)).proved


def test_other_bytes_under_the_same_address_are_no_proof() -> None:
    changed = prove(ROLLOUT, (proof("b", FOUND), proof("a", FOUND, digest="sha256:other")), NOON)
    assert changed.finding is not None
    assert (changed.proved, changed.finding.reason, changed.stalled) == (False, Reason.SOURCE_CHANGED, True)
