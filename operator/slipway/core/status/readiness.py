"""Readiness: of all that stands in the way, what people are told. One chain; the first finding wins.

What keeps an object from being written comes before what the rollout waits for, since that may wait for the object. A
version that was sent home is told until it is tried again or another one is asked for; then what is wrong with the pods
that serve, what a gateway says of the route, and last how a pod was lost. While a candidate is on its way back, the
first two alone count.
"""

from collections.abc import Callable, Iterator
from typing import Final

from slipway.api.v1alpha1.status import RolloutPhase
from slipway.core.observed.blocked_writes import BlockedWrite
from slipway.core.observed.revision import RevisionFacts
from slipway.core.policy import Policy
from slipway.core.reasons import Finding, stored_finding
from slipway.core.rollout.gates import first_finding, objection, pod_was_lost
from slipway.core.rollout.state import Outcome, State
from slipway.core.snapshot import Snapshot

_NAMED: Final = 3
"""Pods that a message names."""

_Check = Callable[[Snapshot, State], Finding | None]


def readiness(snapshot: Snapshot, outcome: Outcome, blocked: BlockedWrite | None) -> Finding | None:
    """Why the version that the spec asks for does not serve, or not as it should. `blocked`: what keeps a child from
    being written."""
    return next((finding for finding in _findings(snapshot, outcome, blocked) if finding), None)


def _findings(snapshot: Snapshot, outcome: Outcome, blocked: BlockedWrite | None) -> Iterator[Finding | None]:
    yield blocked.finding if blocked else None
    yield outcome.wait.finding
    rollout = outcome.state.rollout
    if rollout is None or rollout.phase is not RolloutPhase.ROLLING_BACK:
        yield from (check(snapshot, outcome.state) for check in _CHECKS)


def _refused(snapshot: Snapshot, state: State) -> Finding | None:
    """What the manifest asks for was sent home, and no earlier version is being brought back by request."""
    by_request = state.rollout is not None and state.rollout.command.rollback
    return stored_finding(state.refused.reason, state.refused.message) if state.refused and not by_request else None


def _lacking(snapshot: Snapshot, state: State) -> RevisionFacts | None:
    """What serves, where some of its pods are not available, and no candidate is on its way."""
    if state.candidate or state.stable is None or snapshot.suspended:
        return None
    serving = snapshot.facts(state.stable)
    return None if serving.whole else serving


def _serving_pods(snapshot: Snapshot, state: State) -> Finding | None:
    serving = _lacking(snapshot, state)
    return objection(serving, snapshot.policy) if serving else None


def _lost_pod(snapshot: Snapshot, state: State) -> Finding | None:
    serving = _lacking(snapshot, state)
    return pod_was_lost(serving) if serving else None


def stable_lacks(facts: RevisionFacts, planned: int, policy: Policy) -> str | None:
    """Which of the planned pods of the stable version are missing, in words."""
    if facts.available >= planned:
        return None
    count = f"{facts.version}: {facts.available} of {planned} pods available"
    if problem := first_finding(facts, policy):
        return f"{count}: {problem.message.removeprefix(f'{facts.version}: ')}"
    waiting = [pod.name for pod in facts.pods if not pod.ready]
    more = f" and {len(waiting) - _NAMED} more" if len(waiting) > _NAMED else ""
    return f"{count}: {', '.join(waiting[:_NAMED])}{more} not ready" if waiting else count


def _route(snapshot: Snapshot, state: State) -> Finding | None:
    return snapshot.route.wait.finding if snapshot.route else None


_CHECKS: Final[tuple[_Check, ...]] = (_refused, _serving_pods, _route, _lost_pod)
