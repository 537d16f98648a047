"""Verdicts: what a container said when it ended, in the form that docs/contracts.md gives termination messages."""

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

from slipway.core.reasons import Finding, Reason, finding


def answer(message: str | None) -> Mapping[str, Any] | None:
    """The JSON object in a termination message; None when there is none, as when the kubelet or a log wrote it."""
    if not message:
        return None
    try:
        value = json.loads(message)
        if _LONE_SURROGATE.search(message):  # JSON lets those through as escapes; nothing that it goes to does
            value = json.loads(json.dumps(value, ensure_ascii=False).encode(errors="replace"))
    except (ValueError, RecursionError):  # the latter for brackets in brackets, thousands deep
        return None
    return value if isinstance(value, dict) else None


_LONE_SURROGATE: Final = re.compile(r"\\u[dD][89a-fA-F]")
"""Where one may be: pairs look the same."""


def verdict(message: str | None) -> Finding | None:
    """The finding in a termination message, if it is one of ours."""
    reply = answer(message) or {}
    with suppress(ValueError):
        return finding(Reason(str(reply.get("reason"))), str(reply.get("message", "")))
    return None
