"""The registry that a release goes to, through regctl, and charts through helm. Logins are docker's own."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from testbed.release.programs import program
from testbed.shell import CommandError, run
from testbed.tools import find

_LOOPBACK: Final = re.compile(r"(localhost|127\.[0-9.]+|\[::1\])(:\d+)?$")
_PLACE: Final = re.compile(r"[\w.\[\]:-]+(/[a-z0-9]+([._/-]+[a-z0-9]+)*)?$")


class ReleaseError(Exception):
    """A release that must not go on. The message says what was found and what to do."""


@dataclass(frozen=True)
class Registry:
    """`HOST:PORT[/PATH]`, of which everything that is released is a repository below."""

    place: str

    @classmethod
    def named(cls, place: str) -> Self:
        """The registry as a person writes it."""
        if not _PLACE.match(place):
            raise ReleaseError(f"REGISTRY={place}: write HOST:PORT or HOST/PATH, without oci:// and in lower case.")
        return cls(place)

    @property
    def host(self) -> str:
        """Its host, with its port."""
        return self.place.partition("/")[0]

    @property
    def plain(self) -> bool:
        """Whether it is asked without TLS: on loopback alone, as docker and cosign do it."""
        return bool(_LOOPBACK.match(self.host))

    def repository(self, name: str) -> str:
        """Where an image or a chart has its versions."""
        return f"{self.place}/{name}"

    def digest(self, name: str, version: str) -> str | None:
        """The digest that a version has, if it is there."""
        try:
            return self._regctl("image", "digest", f"{self.repository(name)}:{version}").strip()
        except CommandError as problem:
            if "[http 404]" in str(problem):
                return None
            raise

    def compressed_size(self, name: str, digest: str) -> int:
        """The bytes that a node pulls that has none of its layers."""
        manifest: dict[str, Any] = json.loads(
            self._regctl("manifest", "get", "--format=raw-body", f"{self.repository(name)}@{digest}")
        )
        return sum(int(part["size"]) for part in (manifest["config"], *manifest["layers"]))

    def push_image(self, layout: str, name: str, version: str) -> None:
        """Copy an image there out of an OCI layout, as it is."""
        self._regctl("image", "copy", layout, f"{self.repository(name)}:{version}")

    def push_chart(self, archive: Path, folder: str) -> None:
        """Push a packaged chart; its name and version say where below `folder`."""
        self._helm("push", archive, f"oci://{self.repository(folder)}")

    def pull_chart(self, name: str, digest: str, target: Path) -> Path:
        """Unpack a chart that is there. Returns its folder below `target`."""
        self._helm("pull", f"oci://{self.repository(name)}@{digest}", "--untar", f"--untardir={target}")
        return target / name.rpartition("/")[2]

    def _regctl(self, *argv: str) -> str:
        plain = [f"--host=reg={self.host},tls=disabled"] if self.plain else []
        return run(program("regctl"), *plain, *argv)

    def _helm(self, command: str, *argv: str | Path) -> str:
        return run(find("helm"), command, *(["--plain-http"] if self.plain else []), *argv)
