"""Progress: how far a candidate has got, and how long it may go on without getting further.

Progress is a new maximum of pods that are scheduled, fetched, started or available in this attempt. A pod that is made
anew or starts again after a crash only gets back to where one was, and does not move the deadline.

What was reached is remembered once something went wrong, or once the candidate has had the time for one whole attempt.
Until then the pods' own times tell it: a status write for each step of each pod is saved, and a pod that was evicted
once has its time in the place of the one before.

`status.rollout.clock` is written here and nowhere else:

    the candidate enters a phase           the deadline counts from the phase's start
    its pods may come only from now on     the same, and earlier progress counts for nothing
    something outside is in the way        the time stands still, and starts again once that is over
    a queue holds its pods back            the same, and what is waited for next has its whole time
    somebody pauses                        the time stands still, and starts again on resume
    a canary moves to its next step, or    the time starts again
    has steps no more, or both bundles
    have been verified
    a canary had all pods for its step,    the time starts again
    and loses one, or is to have more
"""

from datetime import datetime, timedelta

from slipway.api.v1alpha1.status import Progress, RolloutStatus
from slipway.core.observed.revision import RevisionFacts
from slipway.core.policy import Policy
from slipway.core.reasons import Finding, Reason, finding


def phase_entered(rollout: RolloutStatus) -> RolloutStatus:
    """The deadline of a new phase counts from the start of that phase."""
    return rollout.evolve(clock=rollout.clock.evolve(deadline_from=None))


def attempt_begun(rollout: RolloutStatus) -> RolloutStatus:
    """Earlier progress counts for nothing: the candidate may have pods only from the start of this phase."""
    clock = rollout.clock.evolve(deadline_from=None, progress=None, waiting_since=None, queued=None)
    return rollout.evolve(clock=clock)


def time_restarted(rollout: RolloutStatus, now: datetime) -> RolloutStatus:
    """The candidate has its whole time again."""
    return rollout.evolve(clock=rollout.clock.evolve(deadline_from=now))


def time_for_more(rollout: RolloutStatus, facts: RevisionFacts, policy: Policy, now: datetime) -> RolloutStatus:
    """The candidate had all the pods that it was to have, and is to have more: it has its whole time for them. Where
    most of it is left nothing is written, so that a pass which dies at its first write gets further the next time."""
    late = now >= deadline(rollout, facts, policy) - _limit(facts, policy) / 2
    return time_restarted(rollout, now) if late else rollout


def waits(rollout: RolloutStatus, now: datetime, *, queued: bool = False) -> RolloutStatus:
    """Something outside is in the way: the time stands still. Of a queue, nobody says how long it may take."""
    clock = rollout.clock
    return rollout.evolve(clock=clock.evolve(waiting_since=clock.waiting_since or now, queued=queued or None))


def wait_ended(rollout: RolloutStatus, now: datetime) -> RolloutStatus:
    """Nothing outside is in the way any more: the time starts again."""
    return rollout.evolve(clock=rollout.clock.evolve(waiting_since=None, queued=None, deadline_from=now))


def paused(rollout: RolloutStatus, now: datetime) -> RolloutStatus:
    """Somebody has paused the rollout: the time stands still."""
    return rollout.evolve(clock=rollout.clock.evolve(paused_at=now))


def resumed(rollout: RolloutStatus, now: datetime) -> RolloutStatus:
    """The rollout goes on, and the time starts again; that of something outside that is in the way as well."""
    since = now if rollout.clock.waiting_since else None
    return rollout.evolve(clock=rollout.clock.evolve(paused_at=None, deadline_from=now, waiting_since=since))


def unpaused(rollout: RolloutStatus) -> RolloutStatus:
    """A pause of the candidate holds back no way back from it."""
    return rollout.evolve(clock=rollout.clock.evolve(paused_at=None))


def noted(
    rollout: RolloutStatus, facts: RevisionFacts, policy: Policy, now: datetime, *, trouble: bool
) -> RolloutStatus:
    """The rollout with the progress remembered, where it has to be."""
    before, whole_attempt = rollout.clock.progress, policy.fetch_timeout + policy.progress_deadline
    if before is None and not trouble and now < _from(rollout) + whole_attempt:
        return rollout
    counts = _counts(facts)
    if before is None:
        at = min(_last_progress(rollout, facts), now)  # a node's clock may be ahead
        return _with_progress(rollout, Progress(**counts, at=at))
    if rollout.canary and before.available >= facts.count > facts.available:
        return _with_progress(rollout, Progress(**counts, at=now))  # it had all pods for its step, and has lost some
    best = {name: max(count, getattr(before, name)) for name, count in counts.items()}
    grown = any(count > getattr(before, name) for name, count in best.items())
    return _with_progress(rollout, Progress(**best, at=now)) if grown else rollout


def _last_progress(rollout: RolloutStatus, facts: RevisionFacts) -> datetime:
    """By the pods' own times. One that stood in a step of a canary has its whole time again from when it was lost."""
    lost = [pod.unready_at for pod in facts.pods if pod.unready_at and not pod.ready] if rollout.canary else []
    return max([facts.progressed_at(_from(rollout)), *lost])


def _with_progress(rollout: RolloutStatus, progress: Progress) -> RolloutStatus:
    return rollout.evolve(clock=rollout.clock.evolve(progress=progress))


def deadline(rollout: RolloutStatus, facts: RevisionFacts, policy: Policy) -> datetime:
    """When waiting for the candidate ends: fetching has its own limit, and progress moves the other one on."""
    last = rollout.clock.progress.at if rollout.clock.progress else _last_progress(rollout, facts)
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
    return rollout.clock.deadline_from or rollout.phase_started_at


def _counts(facts: RevisionFacts) -> dict[str, int]:
    return {
        "scheduled": sum(pod.scheduled_at is not None for pod in facts.pods),
        "fetched": sum(pod.fetched_at is not None for pod in facts.pods),
        "started": sum(pod.server.started for pod in facts.pods),
        "available": facts.available,
    }
