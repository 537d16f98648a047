"""A kubectl for one served model: the port of a server that runs here, and its golden files. Objects are from files, or
the real kubectl's.

A control plane without nodes has no pod that could be asked.
"""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from testbed.tools import find
from tests.guard.pod import Container, container
from tests.triton import models
from tests.triton.installation import installed

PROGRAM = """#!{python}
import os, pathlib, signal, sys

folder = pathlib.Path(__file__).parent
words = [word for word in sys.argv[1:] if not word.startswith("--") or word == "--"]
with (folder / "asked").open("a") as asked:
    asked.write(" ".join(words) + "\\n")
refused = folder / ("no-" + words[0])
if refused.exists():
    sys.exit(refused.read_text())
if words[0] == "get" and (kept := folder / (words[1] + ".json")).exists():
    print(kept.read_text())
elif words[0] == "port-forward":
    print((folder / "port").read_text(), flush=True)
    signal.pause()
elif words[0] == "exec":
    root = (folder / "root").read_text()
    port = (folder / "port").read_text().partition("127.0.0.1:")[2].partition(" ")[0]
    env = {{**os.environ, "SLIPWAY_ROOT": root, "SLIPWAY_HTTP_PORT": port}}
    os.execve({python!r}, ["python3", *words[words.index("-c"):]], env)
elif words[0] == "create" and (folder / "takes").exists():
    (folder / "created").write_text(sys.stdin.read())
elif words[0] == "delete" and (folder / "takes").exists():
    sys.exit()
else:
    os.execv({real!r}, sys.argv)
"""


@dataclass(frozen=True)
class Kubelet:
    """Its folder goes in front on PATH."""

    folder: Path

    @classmethod
    def made(cls, folder: Path, *, port: int, root: Path) -> "Kubelet":
        folder.mkdir()
        program = folder / "kubectl"
        program.write_text(PROGRAM.format(python=sys.executable, real=str(find("kubectl"))))
        program.chmod(0o755)
        (folder / "root").write_text(str(root))
        made = cls(folder)
        made.leads_to(port)
        return made

    def leads_to(self, port: int) -> None:
        """Where `kubectl port-forward` leads."""
        words = f"Forwarding from 127.0.0.1:{port} -> 8000\nHandling connection for {port}"
        (self.folder / "port").write_text(words)

    def has(self, resource: str, body: dict[str, Any]) -> None:
        """What `kubectl get` of it answers."""
        (self.folder / f"{resource}.json").write_text(json.dumps(body))

    def takes(self) -> None:
        """Objects can be made, and taken away: neither comes of it."""
        (self.folder / "takes").touch()

    @property
    def created(self) -> dict[str, Any]:
        """What was made last."""
        made: dict[str, Any] = json.loads((self.folder / "created").read_text())
        return made

    def refuses(self, verb: str, words: str = "Error from server (Forbidden)") -> None:
        (self.folder / f"no-{verb}").write_text(words)

    @property
    def asked(self) -> list[str]:
        return (self.folder / "asked").read_text().splitlines()


@contextmanager
def served(folder: Path, make: Callable[[Path, str], Path] = models.linear) -> Iterator[Container]:
    """A real Triton that serves y = 2x + 1 as `churn`, by the model that `make` writes; it has a golden request."""
    made = container(folder, installed())
    try:
        made.model = "churn"
        make(made.repository, "churn")
        made.golden(models.golden())
        made.start()
        made.until_verified()
        yield made
    finally:
        made.remove()
