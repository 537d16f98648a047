"""Stopping: whether the old pods may be told to end, whether they have, and whether that was in vain.

With Recreate they have to be gone before new ones start. A pod on a node that nobody hears of may never be seen to end.
"""

from collections.abc import Iterator
from datetime import datetime

from slipway.api.v1alpha1 import ModelDeploymentStatus
from slipway.api.v1alpha1.spec import RolloutType
from slipway.api.v1alpha1.status import RolloutStatus
from slipway.core.observed.pods import PodFacts
from slipway.core.observed.revision import RevisionFacts
from slipway.core.policy import Policy
from slipway.core.reasons import Finding, Reason, finding
from slipway.core.rollout.state import Facts


def drains(rollout: RolloutStatus, facts: Facts, candidate: RevisionFacts, policy: Policy) -> Finding | None:
    """The candidate may not have pods before others' have ended; or it has all that there is room for, or that it may
    have before the traffic is shared, and others' pods are about, which a Service that spans would reach."""
    if waits_for := may_not_stop(facts, candidate, policy) or awaits_end(rollout, facts, candidate, policy):
        return waits_for
    if waits_for := _awaits_room(rollout, facts, candidate, policy):
        return waits_for
    done = 0 < candidate.count <= candidate.available and candidate.count < facts.needed
    if not (facts.bystanders and done) or candidate.revision in facts.traffic.reaches:
        return None
    message = f"{candidate.version}: answers correctly, and gets traffic once pods of an earlier version have gone"
    return finding(Reason.DRAINING, message)


def _awaits_room(rollout: RolloutStatus, facts: Facts, candidate: RevisionFacts, policy: Policy) -> Finding | None:
    """Pods that clients have just left are where its next ones would be: that is none of its own time."""
    if policy.type is RolloutType.BLUE_GREEN or rollout.canary or candidate.count >= facts.needed:
        return None
    others = {name: until for name, until in facts.draining.items() if name != candidate.revision}
    staying = [(facts.revisions[name], until) for name, until in others.items() if facts.revisions[name].carries]
    full = sum(revision.count for revision in facts.revisions.values()) >= facts.needed + facts.surge
    if not staying or not full or candidate.available < candidate.count:
        return None
    revision, until = staying[0]
    drained = f"once those of {revision.version} have drained, at {until:%H:%M:%S} UTC"
    message = f"{candidate.version}: gets more pods {drained}"
    return finding(Reason.DRAINING, message)


def may_not_stop(facts: Facts, candidate: RevisionFacts, policy: Policy) -> Finding | None:
    """With Recreate a pod that nobody hears of would keep the candidate from starting, for ever perhaps: as long as it
    is there, what serves is not stopped."""
    if policy.type is not RolloutType.RECREATE or candidate.count:
        return None
    for revision in facts.revisions.values():
        stuck = next((pod for pod in (*revision.ending, *revision.pods) if revision.lost_node(pod)), None)
        if stuck and revision.count and revision is not candidate:
            message = f"{candidate.version}: {revision.version} is not stopped while {_unheard(revision, stuck)}"
            return finding(Reason.POD_LOST, message)
    return None


def awaits_end(rollout: RolloutStatus, facts: Facts, leads: RevisionFacts, policy: Policy) -> Finding | None:
    """It may not have pods before others' have ended, which have been told to."""
    proved = rollout.strategy.bundles_verified
    stopped = proved or not any(revision.count for revision in facts.revisions.values())
    if leads.count or not stopped or not (proved or policy.type is RolloutType.RECREATE):
        return None
    lingering = list(_lingering(facts, leads))
    for revision, pod in lingering:
        if revision.lost_node(pod):
            return finding(Reason.POD_LOST, f"{leads.version}: starts no pod while {_unheard(revision, pod)}")
    if not lingering:
        return None
    pod = lingering[0][1]
    message = (
        f"{leads.version}: starts once the pods of the version before have ended; {pod.name} on {pod.node} has not"
    )
    return finding(Reason.DRAINING, message)


def unanswered_since(status: ModelDeploymentStatus) -> datetime | None:
    """Since when no pod answers clients; None while some does."""
    available = next((condition for condition in status.conditions if condition.type == "Available"), None)
    return available.last_transition_time if available and available.status == "False" else None


def comes_back_at(rollout: RolloutStatus, policy: Policy, *, unanswered_since: datetime | None) -> datetime | None:
    """When a version comes back that was stopped for the candidate, while nothing answers: what is in the candidate's
    way has progressDeadline from then on. Never where nothing answered before either, or somebody has to decide."""
    since = rollout.clock.waiting_since
    if since is None or unanswered_since is None or unanswered_since < rollout.started_at:
        return None
    if rollout.clock.paused_at or not policy.automatic_rollback:
        return None
    return max(since, unanswered_since) + policy.progress_deadline


def stopped_for_nothing(
    rollout: RolloutStatus, facts: Facts, stable: RevisionFacts | None, problem: Finding | None, policy: Policy
) -> datetime | None:
    """When `stable`, of which no pod is wanted any more, comes back because of a problem of the candidate's pods. That
    pods of it have not ended yet is none."""
    if stable is None or stable.count or not facts.needed or problem is None or problem.reason is Reason.DRAINING:
        return None
    if any(revision.available for revision in facts.revisions.values()):
        return None
    return comes_back_at(rollout, policy, unanswered_since=facts.unanswered_since)


def given_up(problem: Finding, stable: RevisionFacts, candidate: RevisionFacts, policy: Policy) -> Finding:
    """The problem, with what follows from it."""
    back = f"nothing has answered for {policy.progress_deadline} (rollout.progressDeadline) since {stable.version}"
    retry = f"retry/{candidate.revision} tries {candidate.version} again"
    return finding(problem.reason, f"{problem.message}; {back} was stopped, which comes back; {retry}")


def _unheard(revision: RevisionFacts, pod: PodFacts) -> str:
    """That a pod has ended nobody can tell, and what helps."""
    force = f"kubectl delete pod {pod.name} --grace-period=0 --force"
    remedy = f"delete Node {pod.node} if its machine is off, or the pod: {force}"
    return f"nobody can tell whether {pod.name} of {revision.version} has ended: {revision.lost_node(pod)}; {remedy}"


def lingers(facts: Facts, leads: RevisionFacts) -> bool:
    """Pods of another revision are still there, if only to end."""
    return any(_lingering(facts, leads))


def _lingering(facts: Facts, leads: RevisionFacts) -> Iterator[tuple[RevisionFacts, PodFacts]]:
    """Pods of other revisions that may still run. One whose Node is not there any more does not."""
    for revision in facts.revisions.values():
        for pod in (*revision.ending, *revision.pods):
            if revision is not leads and not revision.has_no_node(pod):
                yield revision, pod
