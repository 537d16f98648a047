"""Failure: a version that failed for certain where `automaticRollback` is off, until somebody decides.

`status.rollout.failure` keeps it, whatever becomes of its pods: nothing moves, and a pod that answers rightly now and
then promotes nobody. `promote` accepts the version in spite of it; `retry` has it tried anew, with other pods in the
place of those that are not ready; `abort` sends it home.
"""

from dataclasses import replace
from datetime import datetime

from slipway.api.v1alpha1.status import FailureStatus, RolloutStatus
from slipway.core.observed.pods import PodFacts
from slipway.core.observed.revision import RevisionFacts
from slipway.core.reasons import Finding, fit, stored_finding
from slipway.core.rollout.state import Facts, State


def standing(rollout: RolloutStatus) -> Finding | None:
    """The failure that nobody has decided about yet."""
    failure = rollout.failure
    if failure is None or failure.accepted or failure.retry_pods_until:
        return None
    return stored_finding(failure.reason, failure.message)


def noted(rollout: RolloutStatus, problem: Finding, revision: str, now: datetime) -> RolloutStatus:
    """The rollout with a failure; the first one stays, and one that somebody has accepted is no news."""
    if standing(rollout) or (rollout.failure and rollout.failure.accepted):
        return rollout
    ways = f"promote/{revision} accepts it, retry/{revision} tries it anew, abort/{revision} sends it home"
    message = fit(f"{problem.message}; {ways}")
    return rollout.evolve(failure=FailureStatus(reason=problem.reason, message=message, at=now))


def accepted(rollout: RolloutStatus) -> RolloutStatus:
    """The rollout that goes on in spite of its failure, and of any other."""
    failure = rollout.failure
    return rollout.evolve(failure=failure.evolve(accepted=True, retry_pods_until=None)) if failure else rollout


def tried_anew(rollout: RolloutStatus, candidate: RevisionFacts | None) -> RolloutStatus:
    """The rollout without its failure, once the pods that are not ready have gone."""
    failure = rollout.failure
    made = [pod.created for pod in candidate.pods if not pod.ready] if candidate else []
    if failure is None or not made:
        return forgotten(rollout)
    # By the API server's clock, as the pods that come instead will have it.
    return rollout.evolve(failure=failure.evolve(accepted=None, retry_pods_until=max(made)))


def forgotten(rollout: RolloutStatus) -> RolloutStatus:
    """The rollout as if it had not failed."""
    return rollout.evolve(failure=None) if rollout.failure else rollout


def without_retried(state: State, facts: Facts) -> tuple[State, Facts, tuple[PodFacts, ...]]:
    """While a version is tried anew: its pods from before are no evidence, and have to go."""
    rollout, candidate = state.rollout, facts.of(state.candidate)
    if rollout is None or candidate is None or rollout.failure is None or rollout.failure.retry_pods_until is None:
        return state, facts, ()
    until = rollout.failure.retry_pods_until
    old = tuple(pod for pod in candidate.pods if not pod.ready and pod.created <= until)
    if not old:
        return replace(state, rollout=forgotten(rollout)), facts, ()
    rest = replace(candidate, pods=tuple(pod for pod in candidate.pods if pod not in old))
    return state, replace(facts, revisions={**facts.revisions, candidate.revision: rest}), old
