"""Whether a bundle would be served, by the fetcher's own code: what it refuses in the cluster, it refuses here."""

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from slipway.bundle.errors import BundleError
from slipway.bundle.place import check_address, keys_of_environment
from slipway.fetch.fetch import fetch
from slipway.fetch.policy import Policy
from slipway.fetch.resolve import resolve
from slipway.fetch.settings import S3, Resolved, Settings, Source
from slipway.fetch.verdict import FetchError

MODEL: Final = "checked-model"
"""A name that no part of a bundle is likely to have."""
_CLAIM: Final = "pvc://bundle/"


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What the resolve Job would say of the bundle."""

    digest: str
    unverified: bool
    size: int
    files: int
    golden: int
    model: Mapping[str, Any]

    def document(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "digest": self.digest,
            "unverified": self.unverified,
            "size": self.size,
            "files": self.files,
            "golden": self.golden,
            "model": dict(self.model),
        }


def check(where: str | Path, *, s3: S3 | None = None) -> Checked:
    """Resolve and fetch the bundle as a pod would; BundleError with the fetcher's words when it would be refused."""
    with laid_out(where, s3=s3) as (checked, _):
        return checked


@contextmanager
def laid_out(where: str | Path, *, s3: S3 | None = None, model: str = MODEL) -> Iterator[tuple[Checked, Path]]:
    """The verified bundle, and the root of a pod's volume with the model repository made of it."""
    source, claim = _source(where, s3)
    with tempfile.TemporaryDirectory(prefix="slipway-check-") as root:
        keys = Path(root) / "credentials"
        keys.mkdir()
        keys_of_environment(source.scheme, keys)
        with explained(source, where):
            answer = resolve(_settings(source, claim, Path(root), None, model), Policy())
            resolved = Resolved(digest=answer["digest"], size=answer["size"], unverified=answer["unverified"])
            fetch(_settings(source, claim, Path(root), resolved, model), Policy())
        facts = {name: answer[name] for name in ("digest", "unverified", "size", "files", "golden", "model")}
        try:
            yield Checked(**facts), Path(root)
        finally:
            _clear_caches(claim / source.path if source.scheme == "pvc" else None)


def _clear_caches(bundle: Path | None) -> None:
    """Served where it lies, a bundle gets what Python makes of its modules: the next check would refuse that. There was
    none before."""
    for cache in bundle.rglob("__pycache__") if bundle else ():
        shutil.rmtree(cache, ignore_errors=True)


@contextmanager
def explained(source: Source, where: str | Path) -> Iterator[None]:
    """The fetcher's verdicts, with the address that the person gave."""
    try:
        yield
    except FetchError as error:
        message = error.message.replace(source.uri, str(where).rstrip("/"))
        raise BundleError(f"{error.reason.value}: {message}") from None


def _source(where: str | Path, s3: S3 | None) -> tuple[Source, Path]:
    if "://" in str(where):
        check_address(str(where))
        return Source(uri=str(where), s3=s3), Path("/nonexistent")
    directory = Path(where).resolve()
    if not str(where) or not directory.is_dir():
        raise BundleError(f"{where}: no such directory; name a bundle's directory or address")
    return Source(uri=f"{_CLAIM}{directory.name}"), directory.parent


def _settings(source: Source, claim: Path, root: Path, resolved: Resolved | None, model: str) -> Settings:
    return Settings(
        source=source,
        model=model,
        resolved=resolved,
        root=root,
        source_root=claim,
        credentials=root / "credentials",
        config=root / "config",
        termination_log=root / "termination-log",
    )
