"""Clocks: what a clock that ran ahead has left in status makes nothing wait for longer than its own limit.

Another operator's clock may have been ahead, or this one's was set back. A time in status that lies ahead, since when
something waits, is taken for now; one until when, for now and its limit.
"""

from datetime import datetime, timedelta
from typing import Final, TypeVar

from slipway.api.base import StoredModel
from slipway.api.scalars import duration
from slipway.api.v1alpha1 import ModelDeploymentSpec, ModelDeploymentStatus
from slipway.api.v1alpha1.status import FailureStatus, RevisionStatus
from slipway.core.rollout.bundle_check import RETRY_CAP

_Block = TypeVar("_Block", bound=StoredModel)

_NOT_OURS: Final = (FailureStatus, "retry_pods_until")
"""By the API server's clock, and compared with nothing else."""


def bounded(status: ModelDeploymentStatus, spec: ModelDeploymentSpec, now: datetime) -> ModelDeploymentStatus:
    """The status without times that lie further ahead than what they are for may take."""
    analysis = spec.rollout.analysis if spec.rollout else None
    ahead = {"retry_at": RETRY_CAP, "next_at": duration(analysis.interval) if analysis else timedelta()}
    return _bounded(status, now, ahead)


def _bounded(block: _Block, now: datetime, ahead: dict[str, timedelta]) -> _Block:
    pairs = ((name, value, _value(block, name, value, now, ahead)) for name, value in block)
    changes = {name: new for name, old, new in pairs if new is not old}
    return block.evolve(**changes) if changes else block


def _value(block: StoredModel, name: str, value: object, now: datetime, ahead: dict[str, timedelta]) -> object:
    match value:
        case datetime():
            latest = now + ahead.get(name, timedelta())
            return value if value <= latest or (type(block), name) == _NOT_OURS else latest
        case RevisionStatus():
            return _shifted(value, now)
        case StoredModel():
            return _bounded(value, now, ahead)
        case list():
            entries = [_value(block, name, entry, now, ahead) for entry in value]
            return value if all(new is old for new, old in zip(entries, value, strict=True)) else entries
    return value


def _shifted(entry: RevisionStatus, now: datetime) -> RevisionStatus:
    """A revision's times belong together: it was without traffic from the first on, and goes so long after it."""
    ended = entry.traffic_ended_at
    if ended is None or ended <= now:
        return entry
    early = ended - now
    return entry.evolve(
        traffic_ended_at=now,
        retire_at=entry.retire_at - early if entry.retire_at else None,
        retire_by=entry.retire_by - early if entry.retire_by else None,
    )
