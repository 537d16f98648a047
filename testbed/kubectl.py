"""A thin hand on kubectl: text or JSON out, its own words when it refuses."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from testbed.shell import run
from testbed.tools import find


@dataclass(frozen=True)
class Kubectl:
    """kubectl as one user of one cluster."""

    kubeconfig: Path
    namespace: str = ""

    def __call__(self, *argv: str | Path, stdin: str | None = None, check: bool = True) -> str:
        """Run kubectl; raises `CommandError` with what it said on an error."""
        scope = ["--namespace", self.namespace] if self.namespace else []
        return run(find("kubectl"), f"--kubeconfig={self.kubeconfig}", *scope, *argv, stdin=stdin, check=check)

    def json(self, *argv: str | Path) -> Any:
        """What kubectl prints with `-o json`, read."""
        return json.loads(self(*argv, "-o", "json"))

    def apply(self, *objects: dict[str, Any]) -> None:
        """Server-side apply of objects given as plain data."""
        body = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})
        self("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=body)

    def within(self, namespace: str) -> "Kubectl":
        """The same user in a namespace."""
        return Kubectl(self.kubeconfig, namespace)
