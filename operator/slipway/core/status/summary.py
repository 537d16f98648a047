"""What people should be told, in plain data, before it is put into conditions."""

from dataclasses import dataclass

from slipway.api.v1alpha1.status import RolloutPhase, RolloutStatus
from slipway.core.autoscaling import shown_count
from slipway.core.children.revision import NO_GOLDEN
from slipway.core.desired.objects import DesiredRevision, DesiredState
from slipway.core.observed.blocked_writes import BlockedWrite
from slipway.core.reasons import Finding
from slipway.core.rollout import withdrawn
from slipway.core.rollout.covering import in_words
from slipway.core.rollout.roles import RevisionRoles
from slipway.core.rollout.state import Outcome, State
from slipway.core.shares import by_pods
from slipway.core.snapshot import Snapshot
from slipway.core.status.readiness import readiness, stable_lacks
from slipway.core.status.scaler_faults import scaler_fault
from slipway.core.status.scaling import autoscaling_status, load_unknown


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What people should be told, before it is put into conditions."""

    serving: str | None = None
    """Version that the root Service selects."""
    unproven: bool = False
    """It has no golden requests: that it answers is known, and not that it answers rightly."""
    beside: str | None = None
    """The candidate's version, where a Service or a gateway reaches its pods as well."""
    available: int = 0
    """Their available pods."""
    wanted: int = 0
    asked_serves: bool = False
    """The revision that the spec asks for has all the traffic."""
    suspended: bool = False
    refused: bool = False
    rollout: RolloutStatus | None = None
    verifying: bool = False
    """Some pod of the candidate that is not ready has its server running."""
    awaits: str | None = None
    """What a canary waits for whose pods for this step have all answered correctly, and that has no share yet."""
    candidate: str | None = None
    moving: str | None = None
    """How far the candidate has got, in pods and share."""
    finding: Finding | None = None
    withdrawn: str | None = None
    """What the catalogue has withdrawn of what is here."""
    following: Finding | None = None
    """What is asked for by following an alias, or why it is not what the alias means."""
    load_unknown: str | None = None
    """Why Slipway cannot say how many pods the load takes."""
    scaler_fault: Finding | None = None
    """Why a scaler beside Slipway cannot set the number of pods, or the wrong one does."""
    lacks: str | None = None
    """Which pods of the stable version are missing while a candidate is on its way."""
    covers: str | None = None
    """Which pods of a version that was given up stay, because others' are missing."""
    keeps: str | None = None
    """Which versions that are asked for no more still have a share of the traffic."""
    waits: str | None = None
    """What its gateway is about to do, while nothing is wrong."""
    stalled: bool = False

    @property
    def moving_back(self) -> bool:
        """An earlier version takes over again; it is too early to call that the end."""
        rollout = self.rollout
        return rollout is not None and bool(rollout.command.rollback or rollout.phase is RolloutPhase.ROLLING_BACK)


def summary_of(
    snapshot: Snapshot, outcome: Outcome, roles: RevisionRoles, desired: DesiredState, blocked: BlockedWrite | None
) -> Summary:
    """Put in words what was decided: what serves, what is on its way, and what is in the way. `blocked`: what keeps a
    child from being written."""
    state = outcome.state
    stable, candidate = state.stable, state.candidate
    return Summary(
        serving=stable.version if stable else None,
        unproven=_is_unproven(snapshot, state),
        beside=_beside(state, desired),
        available=reachable(snapshot, desired) if stable else 0,
        wanted=snapshot.needed,
        asked_serves=blocked is None and _asked_serves(snapshot, state, desired),
        suspended=snapshot.suspended,
        refused=state.refused is not None,
        rollout=state.rollout,
        verifying=_verifies(snapshot, state),
        awaits=_awaits(snapshot, state),
        candidate=candidate.version if candidate else None,
        moving=_moving(snapshot, state, desired) if candidate and candidate.revision else None,
        finding=readiness(snapshot, outcome, blocked),
        withdrawn=withdrawn.standing(snapshot, state),
        following=snapshot.following.says if snapshot.following else None,
        load_unknown=load_unknown(snapshot, autoscaling_status(snapshot)),
        scaler_fault=scaler_fault(snapshot),
        lacks=_lacks(snapshot, state, desired),
        covers=_covers(snapshot, roles, desired),
        keeps=_keeps(snapshot, state, desired),
        waits=snapshot.policies.waits,
        stalled=outcome.wait.stalled or _stays_blocked(snapshot, blocked),
    )


def _beside(state: State, desired: DesiredState) -> str | None:
    stable, candidate = state.stable, state.candidate
    reached = stable and candidate and candidate != stable and candidate.revision in desired.traffic.reaches
    return candidate.version if candidate and reached else None


def _is_unproven(snapshot: Snapshot, state: State) -> bool:
    revision = state.stable.revision if state.stable else None
    if not revision:
        return False
    record, listed = snapshot.record(revision), snapshot.listed(revision)
    entry = record or listed  # history may be lost
    return entry is not None and entry.verification == NO_GOLDEN


def _stays_blocked(snapshot: Snapshot, blocked: BlockedWrite | None) -> bool:
    return blocked is not None and blocked.stalls(snapshot.now, snapshot.policy.progress_deadline)


def _asked_serves(snapshot: Snapshot, state: State, desired: DesiredState) -> bool:
    """Whether the revision that the spec asks for has all the traffic, and no other one comes."""
    stable, route = state.stable, snapshot.route
    if stable is None or state.candidate is not None or stable.ask != snapshot.ask:
        return False
    routed = route is None or route.settled or (route.wait.until is not None and _was_ready(snapshot))
    return routed and desired.traffic.reaches == {stable.revision}


def _was_ready(snapshot: Snapshot) -> bool:
    """A gateway has some seconds to take up a route that was written again: nobody is worried meanwhile."""
    return any(c.type == "Ready" and c.status == "True" for c in snapshot.before.conditions)


def _verifies(snapshot: Snapshot, state: State) -> bool:
    revision = state.candidate.revision if state.candidate else None
    there = snapshot.observed.pods_of(revision) if revision else ()
    pods = [pod for pod in there if not pod.deleting]
    others = [pod for pod in pods if not pod.ready]  # ready for less than ten seconds is not available yet
    return any(pod.server.running for pod in others or pods)


def _awaits(snapshot: Snapshot, state: State) -> str | None:
    """It has the pods for a step without a share, copies of requests at most: what is left is the gateway's answer."""
    rollout, candidate = state.rollout, state.candidate
    if not (rollout and rollout.canary and rollout.phase is RolloutPhase.STARTING and candidate and snapshot.route):
        return None
    facts = snapshot.facts(candidate)
    if not facts.count or facts.available < facts.count:
        return None
    return f"waits for the gateway to take up step {rollout.canary.step + 1} of {len(snapshot.policy.canary_steps)}"


def _moving(snapshot: Snapshot, state: State, desired: DesiredState) -> str | None:
    """Where each of those that take part stands: `2 has 1 of 4 pods available and 25 % of the traffic`."""
    # Until a switch is seen, all is where it was.
    percent = shares(snapshot, desired) or dict.fromkeys(snapshot.traffic.reaches, 100)
    counts = {each.revision: planned(snapshot, each) for each in desired.revisions}
    parts = [
        f"{ref.version} has {snapshot.facts(ref).available} of {counts.get(ref.revision, 0)} pods available"
        f" and {percent.get(ref.revision, 0)} %"
        for ref in (state.candidate, state.stable)
        if ref and ref.revision
    ]
    return ", ".join(parts) + " of the traffic" if len(parts) > 1 else None


def planned(snapshot: Snapshot, desired: DesiredRevision) -> int:
    """Pods that a revision has once its count is written."""
    return shown_count(snapshot.count(desired.revision), desired.replicas.count, desired.replicas.bounds)


def _lacks(snapshot: Snapshot, state: State, desired: DesiredState) -> str | None:
    """Which pods of the stable version are missing while a candidate is on its way, by the count that it is to have."""
    if state.candidate is None or state.stable is None or snapshot.suspended:
        return None
    counts = (planned(snapshot, each) for each in desired.revisions if each.revision == state.stable.revision)
    return stable_lacks(snapshot.facts(state.stable), next(counts, 0), snapshot.policy)


def _covers(snapshot: Snapshot, roles: RevisionRoles, desired: DesiredState) -> str | None:
    staying = ((entry, roles.covering.get(entry.revision)) for entry in roles.retiring)
    return next((in_words(snapshot, entry, desired.traffic, until) for entry, until in staying if until), None)


def _keeps(snapshot: Snapshot, state: State, desired: DesiredState) -> str | None:
    """A superseded version keeps its share until the candidate can take it, however long that is away."""
    candidate, rollout = state.candidate, state.rollout
    if candidate is None or rollout is None or rollout.phase is RolloutPhase.ROLLING_BACK:
        return None
    taking_part = {ref.revision for ref in (state.stable, candidate) if ref}
    percent = {name: share for name, share in shares(snapshot, desired).items() if share and name not in taking_part}
    versions = {each.revision: each.version for each in snapshot.before.revisions}
    kept = [f"{versions.get(name, name)} keeps {share} %" for name, share in percent.items()]
    says = " and ".join(kept)
    return f"{says} of the traffic, asked for no more, until {candidate.version} can take it" if kept else None


def reachable(snapshot: Snapshot, desired: DesiredState) -> int:
    """Available pods that the traffic reaches."""
    return sum(snapshot.available(revision) for revision in desired.traffic.reaches)


def shares(snapshot: Snapshot, desired: DesiredState) -> dict[str, int]:
    """Percent of the traffic by revision. A Service that spans several gives each pod the same."""
    if snapshot.route and snapshot.route.settled:
        return {revision: snapshot.route.share(revision) for revision in snapshot.route.weights}
    if snapshot.route:  # until the gateway has taken up what was written, all is where it was
        return snapshot.shares_before
    if len(desired.traffic.reaches) == 1:
        return dict.fromkeys(desired.traffic.reaches & snapshot.selected, 100)
    return by_pods({revision: snapshot.available(revision) for revision in desired.traffic.reaches})
