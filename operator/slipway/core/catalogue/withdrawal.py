"""Withdrawal: what follows from it, by the digest alone.

A catalogue makes no outage. What serves heals, restarts and scales on; and a version that fails goes back to one whose
pods still run, withdrawn or not, because nothing else would answer. Blocked is what somebody begins: a new ask, and a
rollback that a person asks for.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from slipway.api.v1alpha1.catalogue import WithdrawalAction
from slipway.core.catalogue.facts import VersionFacts, Withdrawal


class Occasion(StrEnum):
    """What a withdrawn digest is about to be, or is."""

    ASK = "Ask"
    """The manifest asks for it, and something else serves or nothing does."""
    ROLLBACK = "Rollback"
    """A person asks to go back to it."""
    SERVING = "Serving"
    """It answers clients: it heals, restarts, scales."""
    FALLBACK = "Fallback"
    """It still has its pods, for when what serves fails."""


class Effect(StrEnum):
    """What follows from a withdrawal."""

    NOTHING = "Nothing"
    TELL = "Tell"
    REFUSE = "Refuse"


_BLOCKED: Final = frozenset({Occasion.ASK, Occasion.ROLLBACK})


def effect(withdrawal: Withdrawal | None, occasion: Occasion) -> Effect:
    """What follows from a withdrawal on an occasion."""
    if withdrawal is None:
        return Effect.NOTHING
    blocks = withdrawal.action is WithdrawalAction.BLOCK and occasion in _BLOCKED
    return Effect.REFUSE if blocks else Effect.TELL


def withdrawals_by_digest(
    versions: Iterable[tuple[str, VersionFacts]], *, namespace: str, everywhere: frozenset[str] = frozenset()
) -> dict[str, Withdrawal]:
    """The withdrawals that hold in a namespace: of its own versions, and of those in namespaces that the platform
    names. Anybody else may claim any digest. Where several versions have the same bytes, Block comes before Warn."""
    withdrawals: dict[str, Withdrawal] = {}
    for owner, version in versions:
        withdrawal = version.withdrawal
        if withdrawal is None or not (owner == namespace or owner in everywhere):
            continue
        held = withdrawals.get(version.digest)
        if held is None or _rank(withdrawal, namespace) < _rank(held, namespace):
            withdrawals[version.digest] = withdrawal
    return withdrawals


def _rank(withdrawal: Withdrawal, namespace: str) -> tuple[bool, bool, str, str, str]:
    warns = withdrawal.action is not WithdrawalAction.BLOCK
    return warns, withdrawal.namespace != namespace, withdrawal.namespace, withdrawal.model, withdrawal.version
