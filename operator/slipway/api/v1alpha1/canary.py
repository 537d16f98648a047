"""`spec.rollout.canary`: the steps by which a new version gets its share of the traffic."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from slipway.api.base import ApiModel, checked, rule
from slipway.api.scalars import Interval, Timeout
from slipway.api.v1alpha1.analysis import Analysis

Percent = Annotated[int, Field(ge=0, le=100)]


class Pause(ApiModel):
    """A wait between two steps."""

    duration: Timeout | None = Field(None, description="Absent = until somebody promotes it.")


class AnalysisMode(StrEnum):
    """How a step runs `canary.analysis`."""

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
        None, description="Inline: goes on once canary.analysis has passed. Background: runs it from here to the end."
    )


class Canary(ApiModel):
    """A growing share for the new version, step by step; the old one stays whole until the end."""

    model_config = checked(
        rule(
            "has(self.analysis) == self.steps.exists(s, has(s.analysis))",
            "analysis and a step that runs it go together: give both or neither",
            ".analysis",
        ),
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
    analysis: Analysis | None = Field(None, description="What its numbers and answers must be.")
    full_size: bool = Field(
        False, description="All pods of the new version from the start, not as many as its share needs."
    )
    standby_duration: Interval = Field("15m", description="How long the old pods stay afterwards, all of them.")
