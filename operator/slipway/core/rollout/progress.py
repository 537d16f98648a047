"""Progress: how far a candidate has got, and how long it may go on without getting further.

Progress is a new maximum of pods that are scheduled, fetched, started or available in this attempt. A pod that is made
anew or starts again after a crash only gets back to where one was, and does not move the deadline.
"""

from datetime import datetime, timedelta

from slipway.api.v1alpha1.status import Progress, RolloutStatus
from slipway.core.reasons import Finding, Reason, finding
from slipway.core.rollout.facts import RevisionFacts
from slipway.core.rollout.gates import Policy


def noted(rollout: RolloutStatus, facts: RevisionFacts, now: datetime, *, trouble: bool) -> RolloutStatus:
    """The rollout with the progress remembered, once something went wrong: until then the pods' own times tell it, and
    a status write for each step of each pod is saved."""
    known = rollout.progress
    if known is None and not trouble:
        return rollout
    counts = _counts(facts)
    if known is None:
        first = Progress(**counts, at=facts.progressed_at(_from(rollout)))
        return rollout.model_copy(update={"progress": first})
    best = {name: max(count, getattr(known, name)) for name, count in counts.items()}
    grown = any(count > getattr(known, name) for name, count in best.items())
    return rollout.model_copy(update={"progress": Progress(**best, at=now)}) if grown else rollout


def deadline(rollout: RolloutStatus, facts: RevisionFacts, policy: Policy) -> datetime:
    """When waiting for the candidate ends: fetching has its own limit, and progress moves the other one on."""
    last = rollout.progress.at if rollout.progress else facts.progressed_at(_from(rollout))
    return max(last, _from(rollout)) + _limit(facts, policy)


def missed_deadline(rollout: RolloutStatus, facts: RevisionFacts, policy: Policy, now: datetime) -> Finding | None:
    """The time to make progress is up."""
    if now < deadline(rollout, facts, policy):
        return None
    field = "rollout.progressDeadline" if facts.fetched else "rollout.fetchTimeout"
    have = f"{facts.available} of {facts.wanted} pods available"
    message = f"{facts.version}: no progress for {_limit(facts, policy)} ({field}); {have}"
    return finding(Reason.DEADLINE_EXCEEDED, message)


def _limit(facts: RevisionFacts, policy: Policy) -> timedelta:
    return policy.progress_deadline if facts.fetched else policy.fetch_timeout


def _from(rollout: RolloutStatus) -> datetime:
    return rollout.deadline_from or rollout.step_started_at


def _counts(facts: RevisionFacts) -> dict[str, int]:
    return {
        "scheduled": sum(pod.scheduled_at is not None for pod in facts.pods),
        "fetched": sum(pod.fetched_at is not None for pod in facts.pods),
        "started": sum(pod.server.started for pod in facts.pods),
        "available": facts.available,
    }
