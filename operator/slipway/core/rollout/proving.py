"""Proving, before capacity is taken away, that both bundles can be had: one to go on with, one to go back to."""

from dataclasses import dataclass, replace
from datetime import datetime

from slipway.api.v1alpha1.status import RolloutStatus
from slipway.core.reasons import Finding, Reason, finding
from slipway.core.rollout import resolving
from slipway.core.rollout.state import Outcome, Proof, State


@dataclass(frozen=True, kw_only=True)
class Proving:
    """Where the proof stands."""

    rollout: RolloutStatus
    proved: bool = False
    job: str | None = None
    """The ask whose resolve Job should exist."""
    discard: str | None = None
    finding: Finding | None = None
    stalled: bool = False
    wake_at: datetime | None = None

    def outcome(self, state: State) -> Outcome:
        """What the machine answers while there is no proof."""
        return Outcome(
            state=replace(state, rollout=self.rollout),
            jobs=frozenset({self.job} if self.job else ()),
            discard=frozenset({self.discard} if self.discard else ()),
            finding=self.finding,
            stalled=self.stalled,
            wake_at=self.wake_at,
        )


def prove(rollout: RolloutStatus, proofs: tuple[Proof, ...], now: datetime) -> Proving:
    """One bundle after the other. What failed, and when it is tried again, is about the first without an answer."""
    for proof in proofs:
        found = resolving.answered(proof.resolve)
        if found is None:
            return _proving(proof, resolving.resolve(rollout, proof.resolve, version=proof.version, now=now), now)
        if found.digest != proof.digest:
            return _changed(rollout, proof, found.digest)
    return Proving(rollout=rollout, proved=True)


def _proving(proof: Proof, attempt: resolving.Try, now: datetime) -> Proving:
    found = attempt.finding or finding(
        Reason.PROVING, f"{proof.version}: its bundle has to be there before capacity is taken away; looking"
    )
    return Proving(
        rollout=attempt.rollout,
        job=proof.ask if attempt.job else None,
        discard=proof.ask if attempt.discard else None,
        finding=found,
        stalled=attempt.stalled,
        wake_at=attempt.wake_at,
    )


def _changed(rollout: RolloutStatus, proof: Proof, now_there: str) -> Proving:
    """Its address holds other bytes now: a pod of that revision would never start again."""
    message = (
        f"{proof.version}: its source now holds {now_there}, not {proof.digest}: no capacity is taken away from what "
        "serves; put the bundle back"
    )
    return Proving(rollout=rollout, finding=finding(Reason.SOURCE_CHANGED, message), stalled=True)
