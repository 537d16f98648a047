"""Draining: when a revision lost its traffic, and how long its pods stay after that."""

from collections.abc import Iterator, Set
from datetime import datetime, timedelta
from typing import Final

from slipway.api.scalars import duration
from slipway.api.v1alpha1.spec import Server
from slipway.api.v1alpha1.status import RevisionState, RevisionStatus, RolloutPhase
from slipway.core.analysis.drain import last_counted
from slipway.core.shares import Traffic
from slipway.core.snapshot import Snapshot

DRAIN_AT_LEAST: Final = timedelta(seconds=30)
"""A revision that lost its traffic keeps its pods this long, or requestTimeout if that is longer."""


def drain_time(snapshot: Snapshot) -> timedelta:
    """How long a revision has to be without requests before its pods go."""
    return max(DRAIN_AT_LEAST, duration((snapshot.spec.server or Server()).request_timeout))


def drain_topic(revision: str) -> str:
    """What the looks for it are kept under."""
    return f"{revision}/drain"


def still_reached(snapshot: Snapshot, revision: str, traffic: Traffic) -> bool:
    """Whether clients reach a revision although the traffic is not its own any more. A Service that goes on spanning
    several reaches every pod: what leaves it then does so pod by pod. Until a gateway has taken up what was written,
    its proxies send requests to whom they did."""
    selected = revision in snapshot.selected and len(traffic.service) < 2
    route, share = snapshot.route, snapshot.shares_before.get(revision)
    routed = route is not None and (revision in route.reaches or bool(route.weights and not route.settled and share))
    return selected or routed or revision in snapshot.led_by_header


def traffic_ended_at(snapshot: Snapshot, revision: str, traffic: Traffic) -> datetime | None:
    """When stable or the candidate last lost its traffic, as far as anybody can tell; None where clients reach it, or
    never did. A time is written once, and not with each pass: one that dies at each write would get no further."""
    entry = snapshot.listed(revision)
    stored = entry.traffic_ended_at if entry else None
    if revision in snapshot.led_by_header - traffic.reaches and not _asks_for_header(snapshot):
        return stored or snapshot.now  # by the next pass nothing tells of the header any more
    if revision in traffic.reaches | snapshot.selected or still_reached(snapshot, revision, traffic):
        return None
    if not snapshot.before.revisions:  # the list was lost: traffic may have left any of them just now
        return snapshot.now if revision in snapshot.deployed else None
    had = entry is not None and (
        entry.state is RevisionState.STABLE or bool(entry.share) or _had_share(snapshot, entry)
    )
    return stored or (snapshot.now if had else None)


def drains_until(snapshot: Snapshot, revision: str) -> datetime | None:
    """Until when the pods of stable or the candidate stay, which has lost its traffic; None where that is over."""
    ended = traffic_ended_at(snapshot, revision, snapshot.traffic)
    until = ended + drain_time(snapshot) if ended else None
    return until if until and until > snapshot.now else None


def had_traffic(snapshot: Snapshot, entry: RevisionStatus) -> bool:
    """Whether clients may have connections to a former candidate: it had a share that no status tells of any more, a
    Service that spans several versions reaches it, or a header led to it."""
    was = snapshot.before.candidate is not None and snapshot.before.candidate.revision == entry.revision
    available = bool(snapshot.available(entry.revision))
    spanned = available and len(snapshot.traffic.service) > 1  # also where a hand has turned it, to be turned back
    by_header = was and _asks_for_header(snapshot) and available
    return _had_share(snapshot, entry) or spanned or by_header or entry.revision in snapshot.led_by_header


def _had_share(snapshot: Snapshot, entry: RevisionStatus) -> bool:
    if entry.revision in snapshot.traffic.reaches | snapshot.selected and snapshot.available(entry.revision):
        return True
    rollout, candidate = snapshot.before.rollout, snapshot.before.candidate
    was = candidate is not None and candidate.revision == entry.revision
    return was and rollout is not None and rollout.phase in (RolloutPhase.SHIFTING, RolloutPhase.ROLLING_BACK)


def _asks_for_header(snapshot: Snapshot) -> bool:
    return snapshot.spec.traffic is not None and snapshot.spec.traffic.candidate_header is not None


def retires_at(snapshot: Snapshot, entry: RevisionStatus, at: datetime) -> datetime:
    """Later than planned, where its pods have counted requests within the drain time; but not for ever. What passed
    while nobody could look counts for nothing."""
    last = _last_asked(snapshot, entry) if snapshot.now >= at else None
    if last is None:
        return at
    latest, watched = entry.retire_by or at, snapshot.observed.watched_since
    if watched and latest < watched:
        latest = watched + drain_time(snapshot)
    return max(at, min(last + drain_time(snapshot), latest))


def retires_by(snapshot: Snapshot, entry: RevisionStatus, until: datetime | None) -> datetime | None:
    """The drain time twice: a connection that is kept alive through the Service leaves no pod before that pod ends."""
    retires = entry.state is RevisionState.RETIRING and entry.retire_by
    return retires or (until + drain_time(snapshot) if until else None)


def watched_at(snapshot: Snapshot) -> datetime | None:
    """When somebody will have looked at counters for one drain time; None where that is so. An operator that has just
    started has seen none, and takes nobody's pods by that. The time is not kept in status: one that starts again and
    again would write a new one each time, and never get any further."""
    watched = snapshot.observed.watched_since
    at = watched + drain_time(snapshot) if watched else None
    return at if at and snapshot.now < at else None


def cut_off(snapshot: Snapshot, stay: Set[str]) -> Iterator[RevisionStatus]:
    """Those that do not stay: their time is up, so that their pods go although requests still reach them."""
    for entry in snapshot.before.revisions:
        late = entry.retire_by is not None and entry.retire_by <= snapshot.now
        if late and entry.revision not in stay and snapshot.count(entry.revision):
            last = _last_asked(snapshot, entry)
            if last and last + drain_time(snapshot) > snapshot.now:
                yield entry


def _last_asked(snapshot: Snapshot, entry: RevisionStatus) -> datetime | None:
    """When its pods were last seen to have counted a request."""
    evidence = snapshot.observed.evidence.get(drain_topic(entry.revision))
    if evidence is None:
        return None
    pods = {pod.uid for pod in snapshot.observed.pods_of(entry.revision) if not pod.deleting}
    return last_counted(evidence.history, pods, snapshot.golden(entry.revision))
