"""The API server's Forbidden, in a sentence that names the right and the line that says when somebody has it."""

import re
from dataclasses import dataclass
from typing import Final, Self

from slipway.api.v1alpha1 import MODELS

_DENIED: Final = re.compile(
    r'("(?P<name>[a-z0-9][a-z0-9.-]*)" is forbidden: .*)?'
    r'cannot (?P<verb>[a-z]+) resource "(?P<resource>[a-z][a-z0-9/-]*)" in API group "(?P<group>[a-z0-9.-]*)"'
    r'( in the namespace "(?P<namespace>[a-z0-9][a-z0-9-]*)"| at the cluster scope)'
)
"""With words that a cluster may have, and no others: people copy the advice into a shell."""


@dataclass(frozen=True)
class MissingRight:
    """A right that somebody lacks. `namespace`: where; empty at the cluster scope."""

    message: str
    namespace: str

    @classmethod
    def read(cls, said: str) -> Self | None:
        """Read the API server's words; None where they are about something else. A right to a model may be to its name
        alone."""
        denied = _DENIED.search(said)
        if denied is None:
            return None
        kind, _, part = denied["resource"].partition("/")
        group = f".{denied['group']}" if denied["group"] else ""
        name = f"/{denied['name']}" if denied["name"] and f"{kind}{group}" == MODELS else ""
        part_option = f" --subresource={part}" if part else ""
        place = f" -n {denied['namespace']}" if denied["namespace"] else " -A"
        ask = f"kubectl auth can-i {denied['verb']} {kind}{group}{name}{part_option}{place}"
        right = f"{denied['verb']} {denied['resource']}{group}"
        return cls(f"no right to {right}: ask for it; this says when you have it: {ask}", denied["namespace"] or "")
