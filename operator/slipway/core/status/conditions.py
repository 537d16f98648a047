"""Status: conditions, phase and counts, said from what was decided. Nothing is decided here."""

from datetime import datetime

from slipway.api.v1alpha1.status import Condition, Phase, RolloutPhase, RolloutStatus
from slipway.core.load import LOAD_UNKNOWN
from slipway.core.reasons import Reason
from slipway.core.status.scaler_faults import SCALING_BLOCKED
from slipway.core.status.summary import Summary

WITHDRAWN = "Withdrawn"
"""The condition that is there for as long as the catalogue has withdrawn something that is here."""
FOLLOWING = "Following"
"""The condition that is there while an alias is followed."""
_PAUSES = frozenset({Reason.PAUSED, Reason.ANALYSIS_INCONCLUSIVE})
_STANDS_STILL = _PAUSES | {Reason.ANALYSIS_RUNNING}
"""For as long as these hold, nothing else would tell of pods of the stable version that are missing."""


def phase(summary: Summary) -> Phase:
    """One word for the summary; the first that fits."""
    rollout = summary.rollout
    if rollout is not None and rollout.phase is RolloutPhase.ROLLING_BACK and not summary.stalled:
        return Phase.ROLLING_BACK
    if summary.refused and not summary.moving_back:
        return Phase.REFUSED
    if summary.stalled:
        return Phase.STALLED
    if summary.suspended:
        return Phase.SUSPENDED
    if rollout is not None and rollout.phase is not RolloutPhase.SOAKING:
        return _step_phase(summary, rollout)
    return _serving_phase(summary)


def _serving_phase(summary: Summary) -> Phase:
    """No version is on its way. What serves need not be what is asked for: somebody may have gone back."""
    if summary.serving is None:
        return Phase.PENDING
    if summary.finding or not summary.available:
        return Phase.DEGRADED
    if summary.rollout:
        return Phase.SOAKING
    return Phase.READY if summary.asked_serves else Phase.SHIFTING


def _step_phase(summary: Summary, rollout: RolloutStatus) -> Phase:
    if rollout.clock.paused_at or (summary.finding and summary.finding.reason in _PAUSES):
        return Phase.PAUSED
    if rollout.clock.waiting_since or (rollout.phase is RolloutPhase.RESOLVING and summary.finding):
        return Phase.WAITING
    if rollout.phase is RolloutPhase.RESOLVING:
        return Phase.RESOLVING
    if rollout.phase is RolloutPhase.SHIFTING or summary.awaits:
        return Phase.SHIFTING
    return Phase.VERIFYING if summary.verifying else Phase.STARTING


def conditions(summary: Summary, before: list[Condition], *, generation: int, now: datetime) -> list[Condition]:
    """Ready, Available, Reconciling and Stalled; the last two are abnormal-true and never both. Withdrawn where
    something is, LoadUnknown while nobody can say how many pods a load takes, ScalingBlocked while another scaler
    cannot set their number, Following where an alias is followed."""
    reason, message = _why(summary)
    ready = summary.asked_serves and summary.available > 0 and not summary.suspended
    stalled = summary.stalled or (summary.refused and not summary.moving_back)
    reconciling = not (ready or stalled or summary.suspended)
    available = summary.available > 0
    states = [
        ("Ready", ready, reason, message),
        ("Available", available, Reason.AVAILABLE if available else Reason.UNAVAILABLE, _availability(summary)),
        ("Reconciling", reconciling, reason, message if reconciling else ""),
        ("Stalled", stalled, reason, message if stalled else ""),
    ]
    if summary.withdrawn:
        states.append((WITHDRAWN, True, Reason.WITHDRAWN, summary.withdrawn))
    if summary.load_unknown:
        states.append((LOAD_UNKNOWN, True, Reason.LOAD_UNKNOWN, summary.load_unknown))
    if fault := summary.scaler_fault:
        states.append((SCALING_BLOCKED, True, fault.reason, fault.message))
    if follows := summary.following:
        states.append((FOLLOWING, follows.reason is Reason.FOLLOWING, follows.reason, follows.message))
    kept = {condition.type: condition for condition in before}
    return [
        _condition(kept.get(kind), kind, true, reason=str(why), message=words, generation=generation, now=now)
        for kind, true, why, words in states
    ]


def _why(summary: Summary) -> tuple[Reason, str]:
    reason, message = _held_up(summary)
    lacks = summary.lacks if reason in _STANDS_STILL else None
    return reason, "; ".join(filter(None, (message, lacks, summary.covers, summary.keeps)))


def _held_up(summary: Summary) -> tuple[Reason, str]:
    if summary.finding:
        return summary.finding.reason, summary.finding.message
    if summary.suspended:
        return Reason.SUSPENDED, "no pods are wanted: spec.suspend is true or replicas is 0"
    current = phase(summary)
    if current in (Phase.READY, Phase.SOAKING) or (current is Phase.SHIFTING and summary.rollout is None):
        return _serves(summary)
    moved = f": {summary.moving}" if summary.moving else ""
    taking_over = summary.awaits or f"is taking over{moved}"
    words = {
        Phase.RESOLVING: (Reason.RESOLVING, f"{summary.candidate}: looking at the source"),
        Phase.STARTING: (Reason.STARTING, f"{summary.candidate}: pods are being scheduled and fetch the bundle"),
        Phase.VERIFYING: (Reason.VERIFYING, f"{summary.candidate}: loading the model and asking its golden requests"),
        Phase.SHIFTING: (Reason.SHIFTING, f"{summary.candidate}: answers correctly and {taking_over}"),
        Phase.PAUSED: (Reason.PAUSED, f"{summary.candidate}: paused as somebody asked; resume lets it go on{moved}"),
        Phase.ROLLING_BACK: (Reason.ROLLING_BACK, f"{summary.serving}: takes its share back{moved}"),
    }
    parts = [_availability(summary), summary.waits if summary.serving else None]
    return words.get(current, (Reason.UNAVAILABLE, "; ".join(filter(None, parts))))


def _serves(summary: Summary) -> tuple[Reason, str]:
    """One version serves with all its pods: that which is asked for, or that to which somebody has gone back; or its
    gateway does not send everybody there yet."""
    unproven = ", unproven (no golden requests)" if summary.unproven else ""
    if summary.asked_serves:
        return Reason.READY, f"{summary.serving} serves{unproven}: {_pods(summary)}"
    if summary.moving_back:
        return Reason.SOAKING, f"{summary.serving} serves again{unproven}: {_pods(summary)}"
    return Reason.SHIFTING, f"{_availability(summary)}; {summary.waits or 'its gateway is yet to take up the route'}"


def _availability(summary: Summary) -> str:
    if summary.serving is None:
        return "no version serves yet"
    answering = f"{summary.serving} and {summary.beside}" if summary.beside else summary.serving
    return f"{answering}: {_pods(summary)}"


def _pods(summary: Summary) -> str:
    return f"{summary.available} of {summary.wanted} pods available"


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
