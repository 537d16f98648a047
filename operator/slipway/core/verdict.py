"""Verdicts: what a container said when it ended, in the form that docs/contracts.md gives termination messages."""

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from slipway.core.reasons import Finding, Reason, finding


def answer(message: str | None) -> Mapping[str, Any] | None:
    """The JSON object in a termination message; None when there is none, as when the kubelet or a log wrote it."""
    if not message:
        return None
    try:
        found = json.loads(message)
    except (ValueError, RecursionError):  # the latter for brackets in brackets, thousands deep
        return None
    return found if isinstance(found, dict) else None


def verdict(message: str | None) -> Finding | None:
    """The finding in a termination message, if it is one of ours."""
    said = answer(message) or {}
    with suppress(ValueError):
        return finding(Reason(str(said.get("reason"))), str(said.get("message", "")))
    return None
