"""Statuses that cannot be written: the operator does nothing for such a ModelDeployment, and no status can say so."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from slipway.api.v1alpha1 import GROUP, PLURAL
from slipway.api.v1alpha1.status import ModelDeploymentStatus
from slipway.controller.kinds import Key
from slipway.controller.kube import KubeError
from slipway.controller.obstacles import LONGEST_WAIT
from slipway.controller.telemetry import Telemetry
from slipway.core.observed.blocked_writes import TOLD_AFTER

_UNDECLARED: Final = re.compile(r"field not declared in schema|unknown field|Unsupported value|Invalid value")
"""How an API server answers whose CRD has an older status than ours."""
_AT_ONCE: Final = frozenset({400, 403, 413, 422})
"""HTTP statuses that another try would get again."""


@dataclass(frozen=True, kw_only=True)
class _Stuck:
    since: datetime
    until: datetime
    tries: int
    status: ModelDeploymentStatus | None
    """The status; None where the object kept changing, so that no status was at fault."""
    reported: str = ""
    """The API server's message, once it was reported."""


class Unwritten:
    """Keeps which statuses those are, since when, and when each is tried again."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry
        self._stuck: dict[Key, _Stuck] = {}

    def retry_at(self, key: Key, status: ModelDeploymentStatus, now: datetime) -> datetime | None:
        """When that status is tried again; None when that is now."""
        stuck = self._stuck.get(key)
        if stuck is None or stuck.status != status or stuck.until <= now:
            return None
        return stuck.until

    def record_failure(
        self, key: Key, error: KubeError, *, began: datetime, now: datetime, status: ModelDeploymentStatus | None
    ) -> str | None:
        """Record a status that could not be written. Answers the message to report, when one is due and new."""
        before = self._stuck.get(key)
        since, tries = (before.since, before.tries + 1) if before else (began, 1)
        wait = min(LONGEST_WAIT, timedelta(seconds=2 ** min(tries - 1, 16)))
        reported = before.reported if before else ""
        undeclared = bool(_UNDECLARED.search(error.message))
        lasts = undeclared or error.status in _AT_ONCE or now >= since + TOLD_AFTER
        tells = error.status != 0 and error.message != reported and lasts  # without an API server nobody can be told
        self._stuck[key] = _Stuck(
            since=since, until=now + wait, tries=tries, status=status, reported=error.message if tells else reported
        )
        if tells:
            self._telemetry.set_status_unwritten(key, stuck=True)
        return _message(error, undeclared=undeclared) if tells else None

    def forget(self, key: Key) -> None:
        """Forget a ModelDeployment whose status was written, or that is gone."""
        stuck = self._stuck.pop(key, None)
        if stuck and stuck.reported:
            self._telemetry.set_status_unwritten(key, stuck=False)


def _message(error: KubeError, *, undeclared: bool) -> str:
    message = f"the status cannot be written, and nothing is done until it can: {error.message or error.reason}"
    if undeclared:
        crd = f"{PLURAL}.{GROUP}"
        return f"{message}; the CRD {crd} is of another version than the operator: upgrade the chart slipway-crds"
    return f"{message}; it is tried again until it passes"
