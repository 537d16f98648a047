"""policy"""

from dataclasses import dataclass
from datetime import timedelta

from slipway.api.v1alpha1.spec import Accelerator, Analysis, AnalysisMode, CanaryStep, Rollout, RolloutType
from slipway.core.shares import WHOLE


@dataclass(frozen=True, kw_only=True)
class Policy:
    """What the spec says about how versions change."""

    fetch_timeout: timedelta
    progress_deadline: timedelta
    accelerator: Accelerator | None = None
    type: RolloutType = RolloutType.AUTO
    max_surge: int | str = "25%"
    max_unavailable: int | str | None = None
    standby: timedelta = timedelta()
    unschedulable_grace: timedelta = timedelta(minutes=5)
    automatic_rollback: bool = True
    canary_steps: tuple[CanaryStep, ...] = ()
    """A canary's, or those of a blue-green change with checks."""
    canary_full_size: bool = False
    analysis: Analysis | None = None

    @property
    def in_background(self) -> bool:
        """Whether the analysis runs beside the steps."""
        return any(step.analysis is AnalysisMode.BACKGROUND for step in self.canary_steps)

    @property
    def soaks(self) -> bool:
        """Whether the version before stays for a while when another has taken over."""
        return self.type in (RolloutType.BLUE_GREEN, RolloutType.CANARY) and bool(self.standby)


def steps_of(rollout: Rollout) -> tuple[CanaryStep, ...]:
    """The steps that a rollout makes; none where it has no say in shares."""
    if rollout.canary:
        return tuple(rollout.canary.steps)
    checks = rollout.blue_green
    if checks is None or not (checks.before_switch or checks.after_switch):
        return ()
    before, after = (
        [CanaryStep(pause=check.pause, analysis=check.analysis) for check in part or ()]
        for part in (checks.before_switch, checks.after_switch)
    )
    # Without a check after it, the switch is the taking over itself.
    return (CanaryStep(weight=0), *before, *([CanaryStep(weight=WHOLE), *after] if after else ()))
