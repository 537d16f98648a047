"""Policy: what the spec says about how versions change, with its defaults as times and numbers."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from slipway.api.scalars import duration, share_of
from slipway.api.v1alpha1 import ModelDeploymentSpec
from slipway.api.v1alpha1.spec import (
    Accelerator,
    Analysis,
    AnalysisMode,
    BlueGreen,
    CanaryStep,
    RollingUpdate,
    Rollout,
    RolloutType,
    Server,
)
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

    def may_lack(self, needed: int) -> int:
        """Pods of those needed that may be missing at any time of a change, by what the spec says of that itself."""
        if self.max_unavailable is None:
            return 0
        allowed = share_of(self.max_unavailable, needed, up=False)
        surge = share_of(self.max_surge, needed, up=True)
        return max(allowed, 0 if surge else 1)  # percentages that both round to nothing, as Kubernetes has it

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


STARTUP_SLACK: Final = timedelta(seconds=30)
"""Between a pod's start and its startup probe's last try."""


def policy_of(spec: ModelDeploymentSpec) -> Policy:
    """What a spec says. Starting may take as long as the server is given for it."""
    rollout, server = spec.rollout or Rollout(), spec.server or Server()
    rolling, canary = rollout.rolling_update or RollingUpdate(), rollout.canary
    stays = canary.standby_duration if canary else (rollout.blue_green or BlueGreen()).standby_duration
    return Policy(
        fetch_timeout=duration(rollout.fetch_timeout),
        progress_deadline=max(duration(rollout.progress_deadline), duration(server.startup_timeout) + STARTUP_SLACK),
        accelerator=spec.accelerator,
        type=rollout.type,
        max_surge=rolling.max_surge,
        max_unavailable=rolling.max_unavailable,
        standby=duration(stays),
        unschedulable_grace=duration(rollout.unschedulable_grace),
        automatic_rollback=rollout.automatic_rollback,
        canary_steps=steps_of(rollout),
        canary_full_size=canary is None or canary.full_size,
        analysis=rollout.analysis,
    )
