"""Where a bundle is or goes: an address with the settings and keys of its store."""

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from slipway.bundle.errors import BundleError
from slipway.fetch.policy import Policy
from slipway.fetch.settings import DIGEST, S3, URI, Settings, Source
from slipway.fetch.stores.login import DOCKER_CONFIG
from slipway.fetch.stores.objects import KEYS
from slipway.fetch.verdict import FetchError

PATIENT: Final = Policy(read_seconds=300.0, stall_seconds=300.0)
"""For uploads: a whole part has to go through within one answer's time."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """An address, and what is needed to get there."""

    uri: str
    digest: str | None = None
    """What must be there."""
    endpoint: str | None = None
    """Of an S3 store that is not AWS."""
    region: str | None = None
    anonymous: bool = False
    keys: Path | None = None
    """A directory like the fetcher's Secret, a file a variable; without one they come from the environment."""

    @property
    def source(self) -> Source:
        """As the fetcher reads it; BundleError for what is no address."""
        s3 = S3(endpoint=self.endpoint, region=self.region, anonymous=self.anonymous or None)
        source = Source(uri=self.uri, digest=self.digest, s3=s3 if self.uri.startswith("s3://") else None)
        check_address(self.uri)
        if self.digest is not None and not DIGEST.fullmatch(self.digest):
            raise BundleError(f"digest: {self.digest!r} is none; write sha256: and its 64 digits in lower case")
        if self.keys is not None and not self.keys.is_dir():
            raise BundleError(f"keys: {self.keys}: no such directory; name one with a file a variable")
        return source

    @contextmanager
    def settings(self) -> Iterator[Settings]:
        """The fetcher's settings; keys of the environment are handed over as its Secret would be."""
        with tempfile.TemporaryDirectory(prefix="slipway-keys-") as scratch:
            folder = Path(scratch)
            yield Settings(
                source=self.source,
                model="model",
                resolved=None,
                root=folder,
                source_root=folder,
                credentials=self.keys or keys_of_environment(self.source.scheme, folder),
                config=folder,
                termination_log=folder / "termination-log",
            )


def check_address(uri: str) -> None:
    """BundleError unless it begins as the address of a store does."""
    if not URI.fullmatch(uri):
        schemes = "s3://BUCKET/PREFIX, or with gs://, az://, oci://, hf:// or https://"
        raise BundleError(f"{uri}: no address of a bundle; write it as {schemes}")


@contextmanager
def explained() -> Iterator[None]:
    """The fetcher's verdicts as ours."""
    try:
        yield
    except FetchError as error:
        raise BundleError(f"{error.reason.value}: {error.message}") from None


def keys_of_environment(scheme: str, folder: Path) -> Path:
    """The store's variables, laid out in `folder` as the fetcher's Secret is; of registries also what docker knows."""
    for name in KEYS.get(scheme, ("username", "password", "token")):
        variable = name if name.isupper() else f"SLIPWAY_{name.upper()}"
        if scheme == "hf" and name == "token":
            variable = "HF_TOKEN"
        if value := os.environ.get(variable):
            (folder / name).touch(mode=0o600)
            (folder / name).write_text(value)
    config = Path(os.environ.get("DOCKER_CONFIG", Path.home() / ".docker")) / "config.json"
    if scheme == "oci" and config.is_file():
        (folder / DOCKER_CONFIG).touch(mode=0o600)
        (folder / DOCKER_CONFIG).write_text(json.dumps({"auths": _docker_logins(config)}))
    return folder


def _docker_logins(config: Path) -> dict[str, Any]:
    """The registries with a password in the file. Those whose passwords a helper keeps are named there without one, and
    are asked as a stranger: they may be open."""
    try:
        auths = json.loads(config.read_bytes()).get("auths") or {}
        return {host: entry for host, entry in auths.items() if entry.keys() & {"auth", "username"}}
    except (OSError, ValueError, AttributeError, RecursionError):
        raise BundleError(
            f"{config}: no configuration of docker; correct it, or name another in DOCKER_CONFIG"
        ) from None
