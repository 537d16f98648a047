"""Proving, before capacity is taken away, that both bundles can be had: one to go on with, one to go back to."""

from dataclasses import replace
from datetime import datetime

from slipway.api.v1alpha1.status import RolloutStatus
from slipway.core.reasons import Finding, Reason, finding
from slipway.core.rollout import bundle_check
from slipway.core.rollout.state import Allocation, Outcome, Proof, State
from slipway.core.wait import Wait


def unproved(
    state: State, rollout: RolloutStatus, proofs: tuple[Proof, ...], held: Allocation, now: datetime
) -> Outcome | None:
    """What is done, with the pods and traffic of `held`, while a bundle is not proved to be there; None once both are.
    One bundle is looked at after the other: what failed, and when it is tried again, is about the first without an
    answer."""
    for proof in proofs:
        resolved = bundle_check.answered(proof.resolve)
        if resolved is None:
            check = bundle_check.check_bundle(rollout, proof.resolve, version=proof.version, now=now)
            outcome = check.outcome(state, proof.ask, held)
            looking = f"{proof.version}: its bundle has to be there before capacity is taken away; looking"
            return replace(outcome, wait=outcome.wait | Wait(finding=finding(Reason.PROVING, looking)))
        if resolved.digest != proof.digest:
            wait = Wait(finding=_changed(proof, resolved.digest), stalled=True)
            return Outcome(state=replace(state, rollout=rollout), allocation=held, wait=wait)
    return None


def _changed(proof: Proof, digest: str) -> Finding:
    """Its address holds other bytes now: a pod of that revision would never start again."""
    message = (
        f"{proof.version}: its source now holds {digest}, not {proof.digest}: no capacity is taken away from what "
        "serves; put the bundle back"
    )
    return finding(Reason.SOURCE_CHANGED, message)
