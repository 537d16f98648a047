"""Covering: pods of a version that was given up stay beyond their drain while clients would be left with too few.

A Service that spans versions reaches the pods of all, also of one that is to go. Where those that should answer lack
pods, it stays until they have them, for the progress deadline of what takes over at most. What was sent home does not.
"""

from collections.abc import Set
from datetime import datetime

from slipway.api.v1alpha1.spec import RolloutType
from slipway.api.v1alpha1.status import RevisionStatus
from slipway.core.rollout.draining import drain_time
from slipway.core.shares import Traffic
from slipway.core.snapshot import Snapshot


def covers_until(snapshot: Snapshot, entry: RevisionStatus, traffic: Traffic, home: Set[str]) -> datetime | None:
    """Until when at the latest a revision's pods stay whose drain is over; None where they may go. `home`: those that
    were sent home."""
    spanned = len(traffic.service) > 1 and entry.revision not in home and bool(snapshot.available(entry.revision))
    if not spanned or entry.retire_by is None or _carried(snapshot, traffic) >= _floor(snapshot):
        return None
    latest = entry.retire_by - drain_time(snapshot) + snapshot.policy.progress_deadline
    return latest if latest > snapshot.now else None


def in_words(snapshot: Snapshot, entry: RevisionStatus, traffic: Traffic, until: datetime) -> str:
    """Why they stay."""
    carried = f"{_carried(snapshot, traffic)} of {snapshot.needed} pods"
    return (
        f"{entry.version} (revision {entry.revision}) keeps its pods until {until:%H:%M:%S} UTC at the latest: the "
        f"Service reaches them, and without them clients would be left with {carried}"
    )


def _carried(snapshot: Snapshot, traffic: Traffic) -> int:
    """Available pods of those that it was decided to reach."""
    return sum(min(snapshot.available(name), snapshot.count(name)) for name in traffic.service)


def _floor(snapshot: Snapshot) -> int:
    """Available pods of those needed that have to be there while versions change."""
    policy, rollout = snapshot.policy, snapshot.before.rollout
    makes_room = int(bool(rollout and rollout.strategy.making_room))
    all_may_go = policy.type is RolloutType.RECREATE
    return 0 if all_may_go else snapshot.needed - max(policy.may_lack(snapshot.needed), makes_room)
