"""What the fetcher is told: the environment, read once at the edge into typed values."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from slipway.fetch.verdict import FetchError, Reason


class _Told(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, validate_by_alias=True, validate_by_name=True, frozen=True)


class S3(_Told):
    """`spec.model.source.s3`."""

    endpoint: str | None = None
    region: str | None = None
    force_path_style: bool | None = None
    anonymous: bool | None = None


class Source(_Told):
    """`spec.model.source`, without the Secret's name: its content is mounted."""

    uri: str = Field(pattern=r"^(s3|gs|az|https|http|pvc)://[^/]+(/.*)?$")
    digest: str | None = Field(None, pattern=r"^sha256:[0-9a-f]{64}$")
    s3: S3 | None = None

    @property
    def scheme(self) -> str:
        """`s3`, `gs`, `az`, `https`, `http` or `pvc`."""
        return self.uri.partition("://")[0]

    @property
    def container(self) -> str:
        """Bucket, Azure container or claim."""
        return self.uri.partition("://")[2].partition("/")[0]

    @property
    def path(self) -> str:
        """The path under the container, without slashes around it."""
        return self.uri.partition("://")[2].partition("/")[2].strip("/")

    @property
    def shown(self) -> str:
        """The address for messages: a query may hold a signature and stays out."""
        return self.uri.partition("?")[0] if self.scheme.startswith("http") else self.uri

    @property
    def is_archive(self) -> bool:
        """Whether the address is one file to unpack."""
        return self.scheme.startswith("http") and urlsplit(self.uri).path.endswith(
            (".tar", ".tar.gz", ".tgz", ".tar.zst")
        )


class Resolved(_Told):
    """What the revision was made of."""

    digest: str
    size: int = 0
    unverified: bool = False


class _Order(_Told):
    source: Source
    model: str = Field(pattern=r"^[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?$")
    resolved: Resolved | None = None


@dataclass(frozen=True, kw_only=True)
class Settings:
    """One run: what to get, what to compare it with, and where things are."""

    source: Source
    model: str
    resolved: Resolved | None
    root: Path
    source_root: Path
    credentials: Path
    config: Path
    termination_log: Path

    @classmethod
    def from_environment(cls, env: Mapping[str, str]) -> Self:
        """The settings in `env`; SpecInvalid names the field that cannot be read."""
        order = _order(env.get("SLIPWAY_SOURCE", ""))
        return cls(
            source=order.source,
            model=order.model,
            resolved=order.resolved,
            root=Path(env.get("SLIPWAY_ROOT", "/slipway")),
            source_root=Path(env.get("SLIPWAY_SOURCE_ROOT", "/source")),
            credentials=Path(env.get("SLIPWAY_CREDENTIALS", "/var/run/slipway/credentials")),
            config=Path(env.get("SLIPWAY_CONFIG", "/etc/slipway")),
            termination_log=termination_log(env),
        )

    def overlay(self) -> dict[str, Any] | None:
        """`spec.model.config`; None when the spec has none."""
        path = self.config / "overlay.json"
        if not path.exists():
            return None
        overlay = json.loads(path.read_bytes())
        if not isinstance(overlay, dict):
            raise FetchError(Reason.SPEC_INVALID, f"spec.model.config: {overlay!r} is not an object")
        return overlay


def termination_log(env: Mapping[str, str]) -> Path:
    """Where the last word goes; known even when the rest of the environment is unreadable."""
    return Path(env.get("SLIPWAY_TERMINATION_LOG", "/dev/termination-log"))


def _order(text: str) -> _Order:
    try:
        return _Order.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"])) or "the whole"
        message = f"SLIPWAY_SOURCE: {field}: {first['msg']}; docs/contracts.md has its shape"
        raise FetchError(Reason.SPEC_INVALID, message) from None
