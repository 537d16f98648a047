"""A wait: what is waited for, until when nobody worries, and whether that time is up. Nothing waits without both."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Self

from slipway.core.reasons import Finding


@dataclass(frozen=True, kw_only=True)
class Wait:
    """Why nothing goes on. Two waits are one: the first reason, the earliest time, and stalled where either is."""

    finding: Finding | None = None
    """None while nobody has to be told."""
    until: datetime | None = None
    """When to look again at the latest."""
    stalled: bool = False
    """Its time is up, or only an edit helps."""

    def __or__(self, other: Self) -> Self:
        times = [at for at in (self.until, other.until) if at]
        return type(self)(
            finding=self.finding or other.finding,
            until=min(times, default=None),
            stalled=self.stalled or other.stalled,
        )


NO_WAIT: Final = Wait()
"""Nothing is waited for."""
