"""Statuses that cannot be written: the operator does nothing for such a ModelDeployment, and no status can say so.

One that a policy or a webhook changes on its way is such a status where the change is in what the operator remembers.
Where it is in what only people read, that is reported, and the rest goes on; neither is written again at once.
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from slipway.api.v1alpha1 import MODELS
from slipway.api.v1alpha1.status import ModelDeploymentStatus
from slipway.controller.kinds import Key
from slipway.controller.kube import KubeError
from slipway.controller.obstacles import LONGEST_WAIT
from slipway.controller.telemetry import Telemetry
from slipway.core.observed.blocked_writes import REPORTED_AFTER

_UNDECLARED: Final = re.compile(r"field not declared in schema|unknown field|Unsupported value|Invalid value")
"""How an API server answers whose CRD has an older status than ours."""
_AT_ONCE: Final = frozenset({400, 403, 413, 422})
"""HTTP statuses that another try would get again."""


FOR_PEOPLE: Final = frozenset({"conditions", "endpoint", "model", "phase", "ready", "selector"})
"""Fields of the status from which nothing is decided that moves pods or traffic."""
NOT_KEPT: Final = 422
"""HTTP status that stands for a status that was taken and changed."""


@dataclass(frozen=True, kw_only=True)
class _Stuck:
    since: datetime
    until: datetime
    tries: int
    status: ModelDeploymentStatus | None
    """The status; None where the object kept changing, so that no status was at fault."""
    reported: str = ""
    """The API server's message, once it was reported."""
    changed: frozenset[str] = frozenset()
    """Fields that somebody changes on the way."""


class Unwritten:
    """Keeps which statuses those are, since when, and when each is tried again."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry
        self._stuck: dict[Key, _Stuck] = {}

    def retry_at(self, key: Key, status: ModelDeploymentStatus, now: datetime) -> datetime | None:
        """When that status is tried again; None when that is now."""
        stuck = self._stuck.get(key)
        if stuck is None or stuck.until <= now or (stuck.changed and stuck.changed <= FOR_PEOPLE):
            return None
        # Out of a memory that does not stay another status follows each time.
        return stuck.until if stuck.status == status or stuck.changed else None

    def rests(self, key: Key, status: ModelDeploymentStatus, now: datetime) -> bool:
        """Whether all that there is to write is what somebody changed only now, and only people read."""
        stuck = self._stuck.get(key)
        if stuck is None or stuck.status is None or not stuck.changed or stuck.until <= now:
            return False
        return changed_fields(stuck.status, status) <= FOR_PEOPLE

    def record_failure(
        self,
        key: Key,
        error: KubeError,
        *,
        began: datetime,
        now: datetime,
        status: ModelDeploymentStatus | None,
        changed: frozenset[str] = frozenset(),
    ) -> str | None:
        """Record a status that could not be written, or was and is `changed`. Answers the message to report, when one
        is due and new."""
        before = self._stuck.get(key)
        since, tries = (before.since, before.tries + 1) if before else (began, 1)
        wait = min(LONGEST_WAIT, timedelta(seconds=2 ** min(tries - 1, 16)))
        reported = before.reported if before else ""
        undeclared = bool(_UNDECLARED.search(error.message))
        lasts = undeclared or error.status in _AT_ONCE or now >= since + REPORTED_AFTER
        tells = error.status != 0 and error.message != reported and lasts  # without an API server nobody can be told
        self._stuck[key] = _Stuck(
            since=since,
            until=now + wait,
            tries=tries,
            status=status,
            reported=error.message if tells else reported,
            changed=changed,
        )
        if tells:
            self._telemetry.set_status_unwritten(key, stuck=True)
        if tells and changed:
            goes_on = "the rest goes on" if changed <= FOR_PEOPLE else "nothing is done until it stays"
            return f"{error.message}; {goes_on}"
        return _message(error, undeclared=undeclared) if tells else None

    def forget(self, key: Key) -> None:
        """Forget a ModelDeployment whose status was written, or that is gone."""
        stuck = self._stuck.pop(key, None)
        if stuck and stuck.reported:
            self._telemetry.set_status_unwritten(key, stuck=False)


def changed_fields(asked: ModelDeploymentStatus, kept: ModelDeploymentStatus) -> frozenset[str]:
    """Names of the fields in which two statuses differ."""
    one, other = asked.to_dict(), kept.to_dict()
    return frozenset(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))


def _message(error: KubeError, *, undeclared: bool) -> str:
    message = f"the status cannot be written, and nothing is done until it can: {error.message or error.reason}"
    if undeclared:
        return f"{message}; the CRD {MODELS} is of another version than the operator: upgrade the chart slipway-crds"
    return f"{message}; it is tried again until it passes"
