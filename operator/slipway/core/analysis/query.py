"""Queries to Prometheus: what stands for a value in them, and what it becomes.

`$(namespace)` and `$(name)` are the ModelDeployment's. `$(revision)` is the revision's eight digits, which every pod
of it has as the label serving.slipway.dev/revision. `$(pods)` is a regular expression that matches its pods' names:
`{pod=~"$(pods)"}`.
"""

import re
from dataclasses import dataclass
from typing import Final

from slipway.api.v1alpha1.analysis import PLACEHOLDERS
from slipway.core.names import of_revision

GENERATED: Final = 58
"""Characters of a generated name that Kubernetes keeps before its own random ones."""
RANDOM: Final = 5

_PLACEHOLDER = re.compile(rf"\$\(({'|'.join(PLACEHOLDERS)})\)")


@dataclass(frozen=True, kw_only=True)
class Subject:
    """The revision that a query is asked for."""

    namespace: str
    name: str
    revision: str

    def filled_in(self, query: str) -> str:
        """The query with every placeholder's value in its place. Values are names, so there is nothing to escape but
        dots, which a ModelDeployment's name cannot have."""
        values = {
            "namespace": self.namespace,
            "name": self.name,
            "revision": self.revision,
            "pods": self._pods,
        }
        return _PLACEHOLDER.sub(lambda match: values[match[1]], query)

    @property
    def _pods(self) -> str:
        """Of a ModelDeployment with a long name the pods' names end within the revision, or just behind it."""
        base = f"{of_revision(self.name, self.revision)}-"
        return f"{base}.+" if len(base) <= GENERATED else f"{base[:GENERATED]}.{{{RANDOM}}}"
