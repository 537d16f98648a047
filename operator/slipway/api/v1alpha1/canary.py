"""`spec.rollout.canary`: the steps by which a new version gets its share of the traffic."""

from typing import Annotated

from pydantic import Field

from slipway.api.base import ApiModel, checked, rule
from slipway.api.scalars import Interval, Timeout

Percent = Annotated[int, Field(ge=0, le=100)]


class Pause(ApiModel):
    """A wait between two steps."""

    duration: Timeout | None = Field(None, description="Absent = until somebody promotes it.")


class CanaryStep(ApiModel):
    """One step: exactly one of its fields."""

    model_config = checked(
        rule(
            "[has(self.weight), has(self.pause), has(self.shadow)].filter(x, x).size() == 1",
            "a step has exactly one of weight, pause and shadow: make several steps of it",
        )
    )

    weight: Percent | None = Field(None, description="Percent of the traffic for the new version.")
    pause: Pause | None = None
    shadow: Percent | None = Field(
        None,
        description="Percent of live requests that a gateway copies to the new version, whose answers nobody sees.",
    )


class Canary(ApiModel):
    """A growing share for the new version, step by step; the old one stays whole until the end."""

    steps: Annotated[list[CanaryStep], Field(min_length=1, max_length=32)] = Field(
        description="After the last one the new version takes over."
    )
    full_size: bool = Field(
        False, description="All pods of the new version from the start, not as many as its share needs."
    )
    standby_duration: Interval = Field("15m", description="How long the old pods stay afterwards, all of them.")
