"""Roles: what each revision that still has pods is for, beside the stable one and the candidate."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from slipway.api.v1alpha1.spec import RolloutType
from slipway.api.v1alpha1.status import RevisionRef, RevisionState, RevisionStatus, RolloutPhase
from slipway.core.children.revision import RevisionRecord
from slipway.core.rollout.covering import covers_until
from slipway.core.rollout.draining import drain_time, had_traffic, retires_at, retires_by, still_reached, watched_at
from slipway.core.rollout.refusals import revisions
from slipway.core.rollout.state import State
from slipway.core.shares import Traffic
from slipway.core.snapshot import Snapshot

RETIRING_AT_MOST: Final = 8
"""The newest of them: under a requestTimeout of hours, versions may come faster than old ones go."""

UNKNOWN: Final = "unknown"
"""The version of a revision of which nothing says any more what it was made of."""


@dataclass(frozen=True, kw_only=True)
class RevisionRoles:
    """Revisions with pods that are neither stable nor candidate. Those in none of these go at once."""

    superseded: tuple[RevisionStatus, ...] = ()
    standby: RevisionStatus | None = None
    retiring: tuple[RevisionStatus, ...] = ()
    watched_at: datetime | None = None
    """When somebody will have looked at counters for long enough; until then nobody retires."""
    covering: Mapping[str, datetime] = field(default_factory=dict)
    """Those of the retiring that have drained, and until when at the latest they stay for want of others' pods."""

    @property
    def all(self) -> tuple[RevisionStatus, ...]:
        """All of them, as status lists them."""
        return (*self.superseded, *((self.standby,) if self.standby else ()), *self.retiring)

    @property
    def revisions(self) -> frozenset[str]:
        """Their names."""
        return frozenset(entry.revision for entry in self.all)

    @property
    def ends_at(self) -> datetime | None:
        """When the next of them goes."""
        ends = [entry.retire_at for entry in (*self.superseded, self.standby) if entry and entry.retire_at]
        ends += self.covering.values()
        ends += [max(entry.retire_at, self.watched_at or entry.retire_at) for entry in self.retiring if entry.retire_at]
        return min(ends, default=None)


def roles_of(
    snapshot: Snapshot, state: State, *, traffic: Traffic | None = None, ends_standby: bool = False
) -> RevisionRoles:
    """What becomes of the revisions that status knows, with the stable one and the candidate of `state`. `traffic`: who
    answers clients from now on, where that was decided already."""
    traffic = traffic or snapshot.traffic
    others = list(_others(snapshot, state, traffic, ends_standby=ends_standby))
    standby = sorted(_in(others, RevisionState.STANDBY), key=lambda entry: entry.number)
    replaced = (_retired(snapshot, entry) for entry in standby[:-1])  # a newer one stands by in its place
    leaving = [entry for entry in replaced if entry.retire_at and entry.retire_at > snapshot.now]
    retiring = [*_in(others, RevisionState.RETIRING), *leaving]
    return RevisionRoles(
        superseded=tuple(_in(others, RevisionState.SUPERSEDED)),
        standby=standby[-1] if standby else None,
        retiring=tuple(sorted(retiring, key=lambda entry: entry.number)[-RETIRING_AT_MOST:]),
        watched_at=watched_at(snapshot),
        covering=dict(_covering(snapshot, state, retiring, traffic)),
    )


def _covering(
    snapshot: Snapshot, state: State, retiring: Sequence[RevisionStatus], traffic: Traffic
) -> Iterator[tuple[str, datetime]]:
    for entry in retiring:
        until = covers_until(snapshot, entry, traffic, revisions(state)) if entry.retire_at is None else None
        if until and entry.traffic_ended_at:
            yield entry.revision, until


def _in(others: Sequence[RevisionStatus], state: RevisionState) -> Iterator[RevisionStatus]:
    return (entry for entry in others if entry.state is state)


def _retired(snapshot: Snapshot, entry: RevisionStatus) -> RevisionStatus:
    """A version in standby whose place another one has taken: its pods stay for their drain."""
    at = retires_at(snapshot, entry, (entry.traffic_ended_at or snapshot.now) + drain_time(snapshot))
    return entry.evolve(state=RevisionState.RETIRING, retire_at=at, retire_by=at + drain_time(snapshot))


def _others(snapshot: Snapshot, state: State, traffic: Traffic, *, ends_standby: bool) -> Iterator[RevisionStatus]:
    taken = {ref.revision for ref in (state.stable, state.candidate) if ref}
    for entry in (*snapshot.before.revisions, *_unlisted(snapshot)):
        if entry.revision in taken:
            continue
        facts = snapshot.facts(entry)
        role = _role(snapshot, state, entry, traffic, ends_standby=ends_standby)
        retires = role is not None and role.state is RevisionState.RETIRING
        if retires and role and role.until and role.until <= snapshot.now:
            role = replace(role, until=None) if covers_until(snapshot, entry, traffic, revisions(state)) else role
        stays = role is not None and (role.until is None or role.until > snapshot.now)
        if role is not None and (bool(facts.count) and (stays or watched_at(snapshot)) if retires else stays):
            yield entry.evolve(
                state=role.state,
                traffic_ended_at=role.ended,
                retire_at=role.until,
                retire_by=retires_by(snapshot, entry, role.until) if role.state is RevisionState.RETIRING else None,
                available=facts.available,
                replicas=facts.count,
            )


def _unlisted(snapshot: Snapshot) -> Iterator[RevisionStatus]:
    """Revisions that status does not list: those with traffic, those that answer where clients can be seen to reach
    them, and where the whole list was lost those with pods as well, which may have had traffic until just now, whether
    history still holds them or not."""
    listed, stable = {entry.revision for entry in snapshot.before.revisions}, snapshot.before.stable
    seen = snapshot.selected | (snapshot.route.reaches if snapshot.route else frozenset())
    numbers = {entry.revision: entry.number for entry in snapshot.past}
    for revision in (*numbers, *sorted(snapshot.deployed - numbers.keys())):
        reached = revision in snapshot.traffic.reaches
        left = snapshot.count(revision) > 0 and (not listed or (revision in seen and snapshot.available(revision) > 0))
        if revision in listed or not (reached or left):
            continue
        record = snapshot.record(revision)
        if record is None and revision not in snapshot.deployed:
            continue
        was = RevisionState.CANDIDATE if reached else RevisionState.RETIRING
        if left and stable and stable.revision == revision:
            was = RevisionState.STABLE
        ask, version = (record.ask, record.version) if record else ("", UNKNOWN)
        ref = RevisionRef(revision=revision, ask=ask, number=numbers.get(revision, 1), version=version)
        yield described(ref, record, state=was, replicas=0, available=0, share=0)


def described(ref: RevisionRef, record: RevisionRecord | None, **of: Any) -> RevisionStatus:
    """A revision as status lists it, with what its record says."""
    return RevisionStatus(
        revision=ref.revision or "",
        number=ref.number or 1,
        version=ref.version,
        digest=record.resolved.digest if record else "",
        unverified=(record.resolved.unverified or None) if record else None,
        verification=record.verification if record else "",
        platform=record.platform if record else "",
        signed=record.resolved.signed if record else None,
        encrypted=record.resolved.encrypted if record else None,
        **of,
    )


@dataclass(frozen=True, kw_only=True)
class _Role:
    """What a revision is from now on."""

    state: RevisionState
    until: datetime | None = None
    ended: datetime | None = None
    """When it lost its traffic."""


def _role(
    snapshot: Snapshot, state: State, entry: RevisionStatus, traffic: Traffic, *, ends_standby: bool
) -> _Role | None:
    """What a revision is from now on, and until when; None: it is of no use any more."""
    if entry.revision in traffic.reaches and (state.stable or snapshot.available(entry.revision)):
        return _Role(state=RevisionState.SUPERSEDED)
    reached = still_reached(snapshot, entry.revision, traffic)
    ended = None if reached else entry.traffic_ended_at or snapshot.now
    match entry.state:
        case RevisionState.STANDBY:
            return _after_standby(snapshot, state, entry, ended, ends_standby=ends_standby)
        case RevisionState.STABLE if state.rollout and state.rollout.phase is RolloutPhase.SOAKING:
            return _Role(state=RevisionState.STANDBY, until=snapshot.now + snapshot.policy.standby, ended=ended)
        case RevisionState.RETIRING:
            return _retiring(snapshot, entry, ended, at=entry.retire_at)
    answers = reached and snapshot.available(entry.revision)
    unused = not (answers or entry.share or entry.traffic_ended_at or had_traffic(snapshot, entry))
    return None if entry.state is RevisionState.CANDIDATE and unused else _retiring(snapshot, entry, ended)


def _retiring(
    snapshot: Snapshot, entry: RevisionStatus, ended: datetime | None, *, at: datetime | None = None
) -> _Role:
    """It goes when it has drained, but not before `at`. The drain begins once nobody reaches it: `ended`."""
    if ended is None:
        return _Role(state=RevisionState.RETIRING)
    until = retires_at(snapshot, entry, at or ended + drain_time(snapshot))
    return _Role(state=RevisionState.RETIRING, until=until, ended=ended)


def _after_standby(
    snapshot: Snapshot, state: State, entry: RevisionStatus, ended: datetime | None, *, ends_standby: bool
) -> _Role:
    """It stands by until its time is over or has to end; its pods stay for their drain."""
    latest = snapshot.now + snapshot.policy.standby
    end = min(entry.retire_at or latest, latest)
    if ends_standby or _has_to_go(snapshot, state):
        return _retiring(snapshot, entry, ended)
    if snapshot.now < end:
        return _Role(state=RevisionState.STANDBY, until=end, ended=ended)
    return _retiring(snapshot, entry, ended, at=max(ended + drain_time(snapshot), end) if ended else None)


def _has_to_go(snapshot: Snapshot, state: State) -> bool:
    """Whether a version in standby has to go before its time: a Service that spans versions would reach it, too."""
    moving = state.candidate is not None and state.candidate.revision is not None
    # Of a canary the Service spans too, but where a gateway has the shares.
    alone = snapshot.policy.type is RolloutType.BLUE_GREEN or (
        snapshot.policy.type is RolloutType.CANARY and snapshot.route
    )
    return moving and not alone
