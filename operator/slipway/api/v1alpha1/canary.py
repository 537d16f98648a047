"""`spec.rollout.canary` and `.blueGreen`: the steps by which a new version gets its share of the traffic."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from slipway.api.base import ApiModel, checked, rule
from slipway.api.scalars import Interval, Timeout

Percent = Annotated[int, Field(ge=0, le=100)]


class Pause(ApiModel):
    """A wait between two steps."""

    duration: Timeout | None = Field(None, description="Absent = until somebody promotes it.")


class AnalysisMode(StrEnum):
    """How a step runs `rollout.analysis`."""

    INLINE = "Inline"
    """The step is made once the analysis has passed."""
    BACKGROUND = "Background"
    """From this step to the end, beside the others; the last one is left once `count` rounds had a result."""


class CanaryStep(ApiModel):
    """One step: exactly one of its fields."""

    model_config = checked(
        rule(
            "[has(self.weight), has(self.pause), has(self.shadow), has(self.analysis)].filter(x, x).size() == 1",
            "a step has exactly one of weight, pause, shadow and analysis: make several steps of it",
        )
    )

    weight: Percent | None = Field(None, description="Percent of the traffic for the new version.")
    pause: Pause | None = None
    shadow: Percent | None = Field(
        None,
        description="Percent of live requests that a gateway copies to the new version, whose answers nobody sees.",
    )
    analysis: AnalysisMode | None = Field(
        None, description="Inline: goes on once rollout.analysis has passed. Background: runs it from here to the end."
    )


class Canary(ApiModel):
    """A growing share for the new version, step by step; the old one stays whole until the end."""

    model_config = checked(
        rule(
            "self.steps.filter(s, has(s.analysis) && s.analysis == 'Background').size() <= 1 && "
            "(!self.steps.exists(s, has(s.analysis) && s.analysis == 'Background') || "
            "!self.steps.exists(s, has(s.analysis) && s.analysis == 'Inline'))",
            "an analysis runs Inline in any number of steps, or once in the Background: keep one of them",
            ".steps",
        ),
    )

    steps: Annotated[list[CanaryStep], Field(min_length=1, max_length=32)] = Field(
        description="After the last one the new version takes over."
    )
    full_size: bool = Field(
        False, description="All pods of the new version from the start, not as many as its share needs."
    )
    standby_duration: Interval = Field("15m", description="How long the old pods stay afterwards, all of them.")


class Check(ApiModel):
    """What has to come true before a blue-green change goes on: exactly one of its fields."""

    model_config = checked(
        rule("has(self.pause) != has(self.analysis)", "a check is either a pause or an analysis: make two of it")
    )

    pause: Pause | None = None
    analysis: Literal[AnalysisMode.INLINE] | None = Field(None, description="Goes on once rollout.analysis has passed.")


class BlueGreen(ApiModel):
    """A whole new set of pods beside the old one, and one switch."""

    before_switch: Annotated[list[Check], Field(min_length=1, max_length=8)] | None = Field(
        None, description="Once all new pods answer. Needs traffic.gateway."
    )
    after_switch: Annotated[list[Check], Field(min_length=1, max_length=8)] | None = Field(
        None, description="While the old pods can take it all back. Needs traffic.gateway."
    )
    standby_duration: Interval = Field(
        "15m", description="How long the old pods stay, all of them, for an instant way back."
    )
