"""The way of a rollout, step by step: what is done, what is being done, and what is still to come."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from slipway.api.v1alpha1.canary import CanaryStep
from slipway.api.v1alpha1.status import Phase, RolloutPhase
from slipway.cli.model import Model


class Mark(StrEnum):
    """How far a step is."""

    DONE = "done"
    NOW = "now"
    TO_COME = "to come"


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step."""

    words: str
    mark: Mark


_STAGES: Final = (RolloutPhase.RESOLVING, RolloutPhase.STARTING, Phase.VERIFYING, RolloutPhase.SHIFTING)


def stages(model: Model) -> tuple[Step, ...]:
    """The stages of a rollout; none where there is no rollout, or where it goes back."""
    rollout = model.status.rollout
    if rollout is None or rollout.phase is RolloutPhase.ROLLING_BACK:
        return ()
    names = [str(stage) for stage in _STAGES]
    if rollout.phase is RolloutPhase.SOAKING or (model.policy and model.policy.soaks and model.status.stable):
        names.append(str(RolloutPhase.SOAKING))
    shown = str(model.status.phase or "")
    place = names.index(shown if shown in names else str(rollout.phase))
    return _marked(names, place)


def steps(model: Model) -> tuple[Step, ...]:
    """The steps of a canary, or of a blue-green change with checks, while it is on its way."""
    rollout, policy = model.status.rollout, model.policy
    if rollout is None or policy is None or rollout.phase is RolloutPhase.ROLLING_BACK or model.status.stable is None:
        return ()
    texts = [words(each) for each in policy.canary_steps]
    over = rollout.phase is RolloutPhase.SOAKING
    place = len(texts) if over else rollout.canary.step if rollout.canary else -1
    return _marked(texts, place)


def words(step: CanaryStep) -> str:
    """A step in words."""
    if step.weight is not None:
        return f"weight {step.weight} %"
    if step.shadow is not None:
        return f"shadow {step.shadow} %"
    if step.pause is not None:
        return f"pause {step.pause.duration}" if step.pause.duration else "pause until promote"
    return f"analysis {step.analysis}"


def _marked(texts: Sequence[str], place: int) -> tuple[Step, ...]:
    marks = [Mark.DONE if at < place else Mark.NOW if at == place else Mark.TO_COME for at in range(len(texts))]
    return tuple(Step(words=text, mark=mark) for text, mark in zip(texts, marks, strict=True))
