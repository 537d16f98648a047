"""Who called the API server, how often and for what: its audit log, read."""

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

# Only finished requests, and none that ask for health: those are the testbed's own.
POLICY: Final = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        {"level": "None", "nonResourceURLs": ["/metrics", "/readyz*", "/livez*", "/healthz*"]},
        {"level": "Metadata"},
    ],
}
READS: Final = frozenset({"get", "list", "watch"})


@dataclass(frozen=True)
class Call:
    """One finished request."""

    user: str
    verb: str
    resource: str  # with its subresource: `deployments/scale`
    namespace: str
    name: str
    code: int

    @property
    def writes(self) -> bool:
        """Whether it was asked to change something."""
        return self.verb not in READS


class AuditLog:
    """The log of one API server. `mark()` before, `calls(mark)` after."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def mark(self) -> int:
        """The place in the log that has been reached."""
        return self.path.stat().st_size if self.path.exists() else 0

    def calls(self, since: int = 0, user: str | None = None) -> list[Call]:
        """Finished requests after a mark, of one user if given. A watch counts once, when it opens."""
        with self.path.open("rb") as log:
            log.seek(since)
            read = [_call(json.loads(line)) for line in log if _counts(line)]
        return [call for call in read if user in (None, call.user)]

    def count(self, since: int = 0, user: str | None = None) -> Counter[tuple[str, str]]:
        """How many calls of each (verb, resource)."""
        return Counter((call.verb, call.resource) for call in self.calls(since, user))


def _counts(line: bytes) -> bool:
    """A watch is logged at its start and at its end; a line still being written is left for the next look."""
    return line.endswith(b"\n") and not (b'"verb":"watch"' in line and b'"stage":"ResponseComplete"' in line)


def _call(event: dict[str, Any]) -> Call:
    ref = event.get("objectRef", {})
    parts = [part for part in (ref.get("resource", event["requestURI"]), ref.get("subresource")) if part]
    return Call(
        user=event["user"]["username"],
        verb=event["verb"],
        resource="/".join(parts),
        namespace=ref.get("namespace", ""),
        name=ref.get("name", ""),
        code=event.get("responseStatus", {}).get("code", 0),
    )
