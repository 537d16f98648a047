"""The bundle check: a Job looks at a source, again and again, until it has an answer; and, before capacity is taken
away, proof that both bundles can be had: one to go on with, one to go back to.

Resolving costs no GPU, so it is tried for ever, ever slower: a bundle that is put right in the store is picked up
without an edit.
"""

from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from slipway.api.v1alpha1.status import ResolveStatus, RolloutStatus
from slipway.core.body import one_more
from slipway.core.children.resolved import Resolved
from slipway.core.observed.not_started import has_no_pod
from slipway.core.observed.objects import JobQueued
from slipway.core.observed.revision import ResolveFacts, RevisionFacts
from slipway.core.observed.termination_message import answer, verdict
from slipway.core.policy import Policy
from slipway.core.reasons import About, Finding, Reason, finding, stored_finding
from slipway.core.rollout.gates import first_finding
from slipway.core.rollout.state import Allocation, Outcome, Proof, State
from slipway.core.wait import NO_WAIT, Wait

RETRY_FIRST: Final = timedelta(seconds=10)
RETRY_CAP: Final = timedelta(minutes=5)
STALLED_AFTER: Final = timedelta(minutes=5)
"""How long the world may be in the way before `Reconciling` becomes `Stalled`; the trying goes on."""


class ResolveJob(StrEnum):
    """What should become of the resolve Job of an ask."""

    RUNS = "Runs"
    """It should exist."""
    GOES = "Goes"
    """It is of a failed try."""


@dataclass(frozen=True, kw_only=True)
class BundleCheck:
    """Whether the bundle of an ask can be had."""

    rollout: RolloutStatus
    job: ResolveJob | None = None
    resolved: Resolved | None = None
    """It can."""
    wait: Wait = NO_WAIT

    def outcome(self, state: State, ask: str, allocation: Allocation) -> Outcome:
        """What the machine answers while it is not known that it can be had, or at the moment when it is."""
        return Outcome(
            state=replace(state, rollout=self.rollout),
            allocation=allocation,
            jobs=frozenset({ask} if self.job is ResolveJob.RUNS else ()),
            discard=frozenset({ask} if self.job is ResolveJob.GOES else ()),
            wait=self.wait,
        )


def check_bundle(rollout: RolloutStatus, facts: ResolveFacts, *, version: str, now: datetime) -> BundleCheck:
    """The next thing to do about one ask; `version` is the user's name for it, for messages."""
    if facts.outdated:
        return BundleCheck(rollout=rollout, job=ResolveJob.GOES)
    if rollout.resolve.retry_at:
        return _wait_to_retry(rollout, facts, now)
    if resolved := answered(facts):
        return BundleCheck(rollout=rollout, resolved=resolved)
    if facts.ended and not (facts.job is None or facts.job.deleting):
        return _failed(rollout, facts, version, now)
    last, waits = _last_failure(rollout), _waits(facts, version)
    certain = last if last and last.about is About.REVISION else None  # that the next try has to wait is no answer
    return _blocked(BundleCheck(rollout=rollout, job=ResolveJob.RUNS), certain or waits or last, now)


def settled(rollout: RolloutStatus) -> RolloutStatus:
    """The rollout without the marks of failed tries."""
    return rollout.evolve(resolve=ResolveStatus())


def retry_due(rollout: RolloutStatus, now: datetime) -> RolloutStatus:
    """The next try is due at once."""
    return rollout.evolve(resolve=rollout.resolve.evolve(retry_at=now))


def _blocked(check: BundleCheck, problem: Finding | None, now: datetime) -> BundleCheck:
    """With what is in its way, stalled at once where only an edit helps, and after a while otherwise."""
    if problem is None:
        return check
    patience = check.rollout.phase_started_at + STALLED_AFTER
    queued = problem.reason is Reason.QUEUED
    stalled = problem.about is About.REVISION or (now >= patience and not queued)
    blocked = Wait(finding=problem, stalled=stalled, until=None if stalled or queued else patience)
    return replace(check, wait=blocked | check.wait)


def _last_failure(rollout: RolloutStatus) -> Finding | None:
    """What the try before this one found; it stands until there is a better answer."""
    failed = rollout.resolve
    return stored_finding(failed.reason, failed.message or "") if failed.reason else None


def answered(facts: ResolveFacts) -> Resolved | None:
    """What the Job found, if it has."""
    reply = answer(facts.pod.fetch.termination_message) if facts.pod and facts.pod.fetch.finished else None
    with suppress(ValueError):
        return Resolved.parse(reply["resolved"]) if reply and "resolved" in reply else None
    return None


def _waits(facts: ResolveFacts, version: str) -> Finding | None:
    """What keeps the Job's pod from running, in the same words as for a model's pods."""
    if facts.job is None and facts.queued:
        return finding(Reason.RESOLVE_QUEUED, _queued(version, facts.queued))
    if facts.pod is None:
        return has_no_pod(facts.job, facts.events, version) if facts.job else None
    alive, over = ((), (facts.pod,)) if facts.pod.over else ((facts.pod,), ())
    waiting = RevisionFacts(revision="", version=version, wanted=1, count=1, pods=alive, over=over, events=facts.events)
    return first_finding(waiting, Policy(fetch_timeout=STALLED_AFTER, progress_deadline=STALLED_AFTER))


def _queued(version: str, queued: JobQueued) -> str:
    return (
        f"{version}: its resolve Job waits for its turn: {queued.limit} may run at a time, shared out among namespaces "
        "(the chart's resolveJobs)"
    )


def _failed(rollout: RolloutStatus, facts: ResolveFacts, version: str, now: datetime) -> BundleCheck:
    problem = (facts.pod and verdict(facts.pod.fetch.termination_message)) or _without_verdict(facts)
    failure = finding(problem.reason, f"{version}: {problem.message}")
    attempts = one_more(rollout.resolve.attempts)
    delay: timedelta = min(RETRY_FIRST * 2 ** min(attempts - 1, 10), RETRY_CAP)
    failed = ResolveStatus(attempts=attempts, retry_at=now + delay, reason=str(failure.reason), message=failure.message)
    return _wait_to_retry(rollout.evolve(resolve=failed), facts, now)


def _without_verdict(facts: ResolveFacts) -> Finding:
    """Nothing is to be read of the resolver: how its pod ended, where that is told."""
    pod = facts.pod
    if pod and pod.over and pod.failure:
        return finding(Reason.POD_LOST, f"{pod.name} on {pod.node}: {pod.failure}")
    message = "the resolve Job ended without an answer: it took longer than rollout.fetchTimeout, or crashed"
    return finding(Reason.FETCH_FAILED, message)


def _wait_to_retry(rollout: RolloutStatus, facts: ResolveFacts, now: datetime) -> BundleCheck:
    """A failed try is shown until the next one's answer."""
    retry_at = rollout.resolve.retry_at or now
    again = BundleCheck(rollout=rollout.evolve(resolve=rollout.resolve.evolve(retry_at=None)), job=ResolveJob.RUNS)
    if now < retry_at:
        again = BundleCheck(rollout=rollout, wait=Wait(until=retry_at))
    elif facts.job is not None:
        again = BundleCheck(rollout=rollout, job=ResolveJob.GOES)
    return _blocked(again, _last_failure(rollout), now)


# -- before capacity is taken away


def unproved(
    state: State, rollout: RolloutStatus, proofs: tuple[Proof, ...], held: Allocation, now: datetime
) -> Outcome | None:
    """What is done, with the pods and traffic of `held`, while a bundle is not proved to be there; None once both are.
    One bundle is looked at after the other: what failed, and when it is tried again, is about the first without an
    answer."""
    for proof in proofs:
        resolved = answered(proof.resolve)
        if resolved is None:
            check = check_bundle(rollout, proof.resolve, version=proof.version, now=now)
            outcome = check.outcome(state, proof.ask, held)
            looking = f"{proof.version}: its bundle has to be there before capacity is taken away; looking"
            return replace(outcome, wait=outcome.wait | Wait(finding=finding(Reason.PROVING, looking)))
        if resolved.digest != proof.digest:
            wait = Wait(finding=_changed(proof, resolved.digest), stalled=True)
            return Outcome(state=replace(state, rollout=rollout), allocation=held, wait=wait)
    return None


def _changed(proof: Proof, digest: str) -> Finding:
    """Its address holds other bytes now: a pod of that revision would never start again."""
    message = (
        f"{proof.version}: its source now holds {digest}, not {proof.digest}: no capacity is taken away from what "
        "serves; put the bundle back"
    )
    return finding(Reason.SOURCE_CHANGED, message)
