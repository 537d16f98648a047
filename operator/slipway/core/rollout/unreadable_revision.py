"""A revision that no pods can be made of: this operator cannot read what is stored of it."""

from slipway.core.observed import history
from slipway.core.observed.blocked_writes import BlockedWrite
from slipway.core.reasons import Reason, finding
from slipway.core.rollout.state import State
from slipway.core.snapshot import Snapshot


def unreadable_revision(snapshot: Snapshot, state: State) -> BlockedWrite | None:
    """The revision that should get pods next is stored in words that this operator can make none of."""
    ref = state.candidate or state.stable
    if snapshot.suspended or ref is None or ref.revision is None or ref.revision in snapshot.deployed:
        return None
    why = history.why_unreadable(snapshot.observed, snapshot.owner, ref.revision)
    message = f"{ref.version}: no pods can be made of revision {ref.revision}: {why}, or ask for another version"
    return BlockedWrite(finding=finding(Reason.REVISION_UNREADABLE, message)) if why else None
