"""Status: conditions, phase and counts, said from what was decided. Nothing is decided here."""

from dataclasses import dataclass
from datetime import datetime

from slipway.api.v1alpha1.status import Condition, Phase, RolloutStatus, Step
from slipway.core.reasons import Finding, Reason


@dataclass(frozen=True, kw_only=True)
class Situation:
    """What people should be told, before it is put into conditions."""

    serving: str | None = None
    """Version that the root Service selects."""
    available: int = 0
    """Available pods of the revision that serves."""
    wanted: int = 0
    asked_serves: bool = False
    """The revision that the spec asks for has all the traffic."""
    suspended: bool = False
    refused: bool = False
    rollout: RolloutStatus | None = None
    verifying: bool = False
    """Some pod of the candidate has its server running."""
    candidate: str | None = None
    finding: Finding | None = None
    stalled: bool = False


def phase(situation: Situation) -> Phase:
    """One word for the situation; the first that fits."""
    if situation.refused:
        return Phase.REFUSED
    if situation.stalled:
        return Phase.STALLED
    if situation.suspended:
        return Phase.SUSPENDED
    if situation.rollout is not None:
        return _step_phase(situation, situation.rollout)
    if situation.asked_serves and situation.available > 0:
        return Phase.DEGRADED if situation.finding else Phase.READY
    return Phase.DEGRADED if situation.asked_serves else Phase.PENDING


def _step_phase(situation: Situation, rollout: RolloutStatus) -> Phase:
    if rollout.step is Step.RESOLVING:
        return Phase.RESOLVING
    if rollout.step is Step.SHIFTING:
        return Phase.SHIFTING
    return Phase.VERIFYING if situation.verifying else Phase.STARTING


def conditions(situation: Situation, before: list[Condition], *, generation: int, now: datetime) -> list[Condition]:
    """Ready, Available, Reconciling and Stalled; the last two are abnormal-true and never both (design §7)."""
    reason, message = _why(situation)
    ready = situation.asked_serves and situation.available > 0 and not situation.suspended
    stalled = situation.stalled or situation.refused
    reconciling = not (ready or stalled or situation.suspended)
    available = situation.available > 0
    said = [
        ("Ready", ready, reason, message),
        ("Available", available, Reason.AVAILABLE if available else Reason.UNAVAILABLE, _availability(situation)),
        ("Reconciling", reconciling, reason, message if reconciling else ""),
        ("Stalled", stalled, reason, message if stalled else ""),
    ]
    kept = {condition.type: condition for condition in before}
    return [
        _condition(kept.get(kind), kind, true, reason=str(why), message=words, generation=generation, now=now)
        for kind, true, why, words in said
    ]


def _why(situation: Situation) -> tuple[Reason, str]:
    if situation.finding:
        return situation.finding.reason, situation.finding.message
    if situation.suspended:
        return Reason.SUSPENDED, "no pods are wanted: spec.suspend is true or replicas is 0"
    current = phase(situation)
    if current is Phase.READY:
        return Reason.READY, f"{situation.serving} serves: {situation.available} of {situation.wanted} pods available"
    words = {
        Phase.RESOLVING: (Reason.RESOLVING, f"{situation.candidate}: looking at the source"),
        Phase.STARTING: (Reason.STARTING, f"{situation.candidate}: pods are being scheduled and fetch the bundle"),
        Phase.VERIFYING: (Reason.VERIFYING, f"{situation.candidate}: loading the model and asking its golden requests"),
        Phase.SHIFTING: (Reason.SHIFTING, f"{situation.candidate}: answers correctly and is taking over"),
    }
    return words.get(current, (Reason.UNAVAILABLE, _availability(situation)))


def _availability(situation: Situation) -> str:
    if situation.serving is None:
        return "no version serves yet"
    return f"{situation.serving}: {situation.available} of {situation.wanted} pods available"


def _condition(
    before: Condition | None, kind: str, true: bool, *, reason: str, message: str, generation: int, now: datetime
) -> Condition:
    status = "True" if true else "False"
    since = before.last_transition_time if before and before.status == status else now
    return Condition(
        type=kind,
        status=status,
        reason=reason,
        message=message,
        last_transition_time=since,
        observed_generation=generation,
    )
