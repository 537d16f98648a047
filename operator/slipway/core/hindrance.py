"""Hindrance: why a child cannot be written, in words: its name is taken, or the API server refuses it."""

import re
from collections.abc import Sequence
from typing import Final

from slipway.core.facts import Foreign, Rejected
from slipway.core.reasons import NOT_GRANTED, QUOTA_WORDS, Finding, Reason, finding

_DENIED: Final = re.compile(r"denied (the )?request")
"""How a policy's webhook, or a ValidatingAdmissionPolicy, says that it does not like the manifest."""


def hindrance(foreign: Sequence[Foreign], rejected: Sequence[Rejected]) -> Finding | None:
    """The first of them as a finding; names that are taken come first."""
    if foreign:
        return _conflict(foreign[0])
    return _rejection(rejected[0]) if rejected else None


def _conflict(first: Foreign) -> Finding:
    message = (
        f"{first.kind} {first.name} exists and is not ours (owner: {first.owned_by}): rename it or this ModelDeployment"
    )
    return finding(Reason.NAME_CONFLICT, message)


def _rejection(first: Rejected) -> Finding:
    said = f"the API server refuses {first.kind} {first.name}: {first.message}"
    if QUOTA_WORDS in first.message:
        return finding(Reason.QUOTA_EXCEEDED, said)
    if first.forbidden and not _DENIED.search(first.message):
        return finding(Reason.FORBIDDEN, f"{said}; {NOT_GRANTED}" if " cannot " in first.message else said)
    return finding(Reason.SPEC_INVALID, f"{said}; correct the field in the spec")
