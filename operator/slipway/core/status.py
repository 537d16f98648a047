"""Status: conditions, phase and counts, said from what was decided. Nothing is decided here."""

from dataclasses import dataclass
from datetime import datetime

from slipway.api.v1alpha1.status import Condition, Phase, RolloutPhase, RolloutStatus
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
    """Some pod of the candidate that is not ready has its server running."""
    awaits: str | None = None
    """What a canary waits for whose pods for this step have all answered correctly, and that has no share yet."""
    candidate: str | None = None
    moving: str | None = None
    """How far the candidate has got, in pods and share."""
    finding: Finding | None = None
    waits: str | None = None
    """What its gateway is about to do, while nothing is wrong."""
    stalled: bool = False

    @property
    def moving_back(self) -> bool:
        """An earlier version takes over again; it is too early to call that the end."""
        rollout = self.rollout
        return rollout is not None and bool(rollout.command.rollback or rollout.phase is RolloutPhase.ROLLING_BACK)


_PAUSES = frozenset({Reason.PAUSED, Reason.ANALYSIS_INCONCLUSIVE})


def phase(situation: Situation) -> Phase:
    """One word for the situation; the first that fits."""
    rollout = situation.rollout
    if rollout is not None and rollout.phase is RolloutPhase.ROLLING_BACK and not situation.stalled:
        return Phase.ROLLING_BACK
    if situation.refused and not situation.moving_back:
        return Phase.REFUSED
    if situation.stalled:
        return Phase.STALLED
    if situation.suspended:
        return Phase.SUSPENDED
    if rollout is not None and rollout.phase is not RolloutPhase.SOAKING:
        return _step_phase(situation, rollout)
    return _serving_phase(situation)


def _serving_phase(situation: Situation) -> Phase:
    if not situation.asked_serves:
        return Phase.PENDING
    if situation.finding or not situation.available:
        return Phase.DEGRADED
    return Phase.SOAKING if situation.rollout else Phase.READY


def _step_phase(situation: Situation, rollout: RolloutStatus) -> Phase:
    if rollout.clock.paused_at or (situation.finding and situation.finding.reason in _PAUSES):
        return Phase.PAUSED
    if rollout.clock.waiting_since or (rollout.phase is RolloutPhase.RESOLVING and situation.finding):
        return Phase.WAITING
    if rollout.phase is RolloutPhase.RESOLVING:
        return Phase.RESOLVING
    if rollout.phase is RolloutPhase.SHIFTING or situation.awaits:
        return Phase.SHIFTING
    return Phase.VERIFYING if situation.verifying else Phase.STARTING


def conditions(situation: Situation, before: list[Condition], *, generation: int, now: datetime) -> list[Condition]:
    """Ready, Available, Reconciling and Stalled; the last two are abnormal-true and never both (design §7)."""
    reason, message = _why(situation)
    ready = situation.asked_serves and situation.available > 0 and not situation.suspended
    stalled = situation.stalled or (situation.refused and not situation.moving_back)
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
    if current in (Phase.READY, Phase.SOAKING):
        return Reason.READY, f"{situation.serving} serves: {situation.available} of {situation.wanted} pods available"
    moved = f": {situation.moving}" if situation.moving else ""
    taking_over = situation.awaits or f"is taking over{moved}"
    words = {
        Phase.RESOLVING: (Reason.RESOLVING, f"{situation.candidate}: looking at the source"),
        Phase.STARTING: (Reason.STARTING, f"{situation.candidate}: pods are being scheduled and fetch the bundle"),
        Phase.VERIFYING: (Reason.VERIFYING, f"{situation.candidate}: loading the model and asking its golden requests"),
        Phase.SHIFTING: (Reason.SHIFTING, f"{situation.candidate}: answers correctly and {taking_over}"),
        Phase.PAUSED: (Reason.PAUSED, f"{situation.candidate}: paused as somebody asked; resume lets it go on{moved}"),
        Phase.ROLLING_BACK: (Reason.ROLLING_BACK, f"{situation.serving}: takes its share back{moved}"),
    }
    said = [_availability(situation), situation.waits if situation.serving else None]
    return words.get(current, (Reason.UNAVAILABLE, "; ".join(filter(None, said))))


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
