"""Lineup: what each revision that still has pods is for, beside the stable one and the candidate."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from slipway.api.scalars import duration
from slipway.api.v1alpha1.spec import RolloutType, Server
from slipway.api.v1alpha1.status import RevisionRef, RevisionState, RevisionStatus, RolloutPhase
from slipway.core.analysis.drain import last_counted
from slipway.core.children.revision import RevisionRecord
from slipway.core.rollout.state import State
from slipway.core.scene import Scene

DRAIN_AT_LEAST: Final = timedelta(seconds=30)
"""A revision that lost its traffic keeps its pods this long, or requestTimeout if that is longer (design §5)."""

RETIRING_AT_MOST: Final = 8
"""The newest of them: under a requestTimeout of hours, versions may come faster than old ones go."""


@dataclass(frozen=True, kw_only=True)
class Lineup:
    """Revisions with pods that are neither stable nor candidate. Those in none of these go at once."""

    superseded: tuple[RevisionStatus, ...] = ()
    standby: RevisionStatus | None = None
    retiring: tuple[RevisionStatus, ...] = ()

    @property
    def all(self) -> tuple[RevisionStatus, ...]:
        """All of them, as status lists them."""
        return (*self.superseded, *((self.standby,) if self.standby else ()), *self.retiring)

    @property
    def ends_at(self) -> datetime | None:
        """When the next of them goes."""
        return min((known.retire_at for known in self.all if known.retire_at), default=None)


def line_up(scene: Scene, state: State, *, ends_standby: bool = False) -> Lineup:
    """What becomes of the revisions that status knows, with the stable one and the candidate of `state`."""
    others = list(_others(scene, state))
    standby = [known for known in others if known.state is RevisionState.STANDBY and not ends_standby]
    retiring = [known for known in others if known.state is RevisionState.RETIRING]
    return Lineup(
        superseded=tuple(known for known in others if known.state is RevisionState.SUPERSEDED),
        standby=max(standby, key=lambda known: known.number, default=None),
        retiring=tuple(sorted(retiring, key=lambda known: known.number)[-RETIRING_AT_MOST:]),
    )


def _others(scene: Scene, state: State) -> Iterator[RevisionStatus]:
    taken = {ref.revision for ref in (state.stable, state.candidate) if ref}
    for known in (*scene.before.revisions, *_unlisted(scene)):
        if known.revision in taken:
            continue
        facts = scene.facts(known)
        became, until = _role(scene, state, known)
        gone = became is RevisionState.RETIRING and not facts.count
        if became is not None and not gone and (until is None or until > scene.now):
            yield known.evolve(
                state=became,
                retire_at=until,
                retire_by=_retires_by(scene, known, until) if became is RevisionState.RETIRING else None,
                available=facts.available,
                replicas=facts.count,
            )


def _unlisted(scene: Scene) -> Iterator[RevisionStatus]:
    """Revisions with traffic that status does not know of: it was lost, or written by one who looked too early."""
    listed = {known.revision for known in scene.before.revisions}
    for entry in scene.past:
        carries = entry.revision in scene.root - listed and scene.available(entry.revision)
        if carries and (record := scene.record(entry.revision)):
            ref = RevisionRef(revision=entry.revision, ask=entry.ask, number=entry.number, version=record.version)
            yield described(ref, record, state=RevisionState.CANDIDATE, replicas=0, available=0, share=0)


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
        **of,
    )


def _role(scene: Scene, state: State, known: RevisionStatus) -> tuple[RevisionState | None, datetime | None]:
    """What a revision is from now on, and until when; None: it is of no use any more."""
    drained = scene.now + drain_time(scene)
    match known.state:
        case RevisionState.STANDBY:
            return _standby(scene, state, known)
        case RevisionState.STABLE if state.rollout and state.rollout.phase is RolloutPhase.SOAKING:
            return RevisionState.STANDBY, scene.now + scene.policy.standby
        case RevisionState.STABLE:
            return RevisionState.RETIRING, drained
        case RevisionState.RETIRING:
            return RevisionState.RETIRING, _retires_at(scene, known, known.retire_at or drained)
    if known.revision in scene.root and scene.facts(known).available:
        return RevisionState.SUPERSEDED, None
    carried = known.state is RevisionState.SUPERSEDED or known.share > 0 or _had_traffic(scene, known)
    return (RevisionState.RETIRING, drained) if carried else (None, None)


def drain_time(scene: Scene) -> timedelta:
    """How long a revision has to be without requests before its pods go."""
    return max(DRAIN_AT_LEAST, duration((scene.spec.server or Server()).request_timeout))


def drain_topic(revision: str) -> str:
    """What the looks for it are kept under."""
    return f"{revision}/drain"


def _retires_by(scene: Scene, known: RevisionStatus, until: datetime | None) -> datetime | None:
    """The drain time twice: a connection that is kept alive through the Service leaves no pod before that pod ends."""
    retires = known.state is RevisionState.RETIRING and known.retire_by
    return retires or (until + drain_time(scene) if until else None)


def _retires_at(scene: Scene, known: RevisionStatus, at: datetime) -> datetime:
    """Later than planned, where its pods have counted requests within the drain time; but not for ever."""
    last = _last_asked(scene, known) if scene.now >= at else None
    return max(at, min(last + drain_time(scene), known.retire_by or at)) if last else at


def cut_off(scene: Scene, lineup: Lineup) -> Iterator[RevisionStatus]:
    """Those whose time is up, so that their pods go although requests still reach them."""
    stay = {known.revision for known in lineup.all}
    for known in scene.before.revisions:
        late = known.retire_by is not None and known.retire_by <= scene.now
        if late and known.revision not in stay and scene.count(known.revision):
            last = _last_asked(scene, known)
            if last and last + drain_time(scene) > scene.now:
                yield known


def _last_asked(scene: Scene, known: RevisionStatus) -> datetime | None:
    """When its pods were last seen to have counted a request."""
    seen = scene.observed.evidence.get(drain_topic(known.revision))
    if seen is None:
        return None
    pods = {pod.uid for pod in scene.observed.pods_of(known.revision) if not pod.deleting}
    return last_counted(seen.history, pods, scene.golden(known.revision))


def _had_traffic(scene: Scene, known: RevisionStatus) -> bool:
    """Whether it was the candidate of a change of traffic; in the moment that this is taken back no share tells."""
    rollout, candidate = scene.before.rollout, scene.before.candidate
    moved = rollout is not None and rollout.phase in (RolloutPhase.SHIFTING, RolloutPhase.ROLLING_BACK)
    return moved and candidate is not None and candidate.revision == known.revision


def _standby(scene: Scene, state: State, known: RevisionStatus) -> tuple[RevisionState | None, datetime | None]:
    """It stays for as long as the type keeps one. A Service that spans versions would reach it, too."""
    moving = state.candidate is not None and state.candidate.revision is not None
    # Of a canary the Service spans too, but where a gateway has the shares.
    alone = scene.policy.type is RolloutType.BLUE_GREEN or (scene.policy.type is RolloutType.CANARY and scene.route)
    if moving and not alone:
        return None, None
    latest = scene.now + scene.policy.standby
    return RevisionState.STANDBY, min(known.retire_at or latest, latest)
