"""What the fetcher is told: the environment, read once at the edge into typed values."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from slipway.fetch.verdict import FetchError, Reason

# Not pydantic's: its start takes a twentieth of the processor's time for 2 GiB, and the operator has checked the spec.
URI: Final = re.compile(r"(s3|gs|az|https|http|oci|hf|pvc)://[^/]+(/.*)?")
DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")
_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")
MODEL_NAME: Final = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?")


@dataclass(frozen=True, kw_only=True)
class S3:
    """`spec.model.source.s3`."""

    endpoint: str | None = None
    region: str | None = None
    force_path_style: bool | None = None
    anonymous: bool | None = None


@dataclass(frozen=True, kw_only=True)
class Signature:
    """`spec.model.source.signature`."""

    config_map_name: str
    threshold: int = 1
    required: bool = True


@dataclass(frozen=True, kw_only=True)
class Decryption:
    """`spec.model.source.decryption`."""

    secret_name: str


@dataclass(frozen=True, kw_only=True)
class Source:
    """`spec.model.source`, without the Secret's name: its content is mounted."""

    uri: str
    digest: str | None = None
    s3: S3 | None = None

    @property
    def scheme(self) -> str:
        """`s3`, `gs`, `az`, `https`, `http`, `oci`, `hf` or `pvc`."""
        return self.uri.partition("://")[0]

    @property
    def container(self) -> str:
        """Bucket, Azure container, registry, organisation or claim."""
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
        return bool(self.archive_ending)

    @property
    def archive_ending(self) -> str:
        """Which kind of archive the address says that it is; empty for none."""
        endings = (".tar", ".tar.gz", ".tgz", ".tar.zst") if self.scheme.startswith("http") else ()
        return next((ending for ending in endings if self.file_name.endswith(ending)), "")

    @property
    def file_name(self) -> str:
        """What the address ends in, in lower case: what kind of file it is."""
        return re.split("[?#]", self.uri, maxsplit=1)[0].rpartition("/")[2].lower()


@dataclass(frozen=True, kw_only=True)
class Resolved:
    """What the revision was made of."""

    digest: str
    size: int = 0
    unverified: bool = False


@dataclass(frozen=True, kw_only=True)
class Settings:
    """One run: what to get, what to compare it with, and where things are."""

    source: Source
    model: str
    resolved: Resolved | None
    storage: int | None = None
    """What the volume may grow to, in bytes, where no file system holds it to that: an emptyDir."""
    root: Path
    source_root: Path
    credentials: Path
    config: Path
    termination_log: Path
    signature: Signature | None = None
    """Asked of the resolve Job alone: what it let pass is held by its digest."""
    allowed_backends: tuple[str, ...] = ()
    """The same. Empty: any."""
    keys: Path = Path("/var/run/slipway/keys")
    decryption: Decryption | None = None
    identities: Path = Path("/var/run/slipway/identities")
    """Mounted for `fetch` alone."""
    plain: Path = Path("/plain")
    """A volume in memory, where plaintext goes."""

    @classmethod
    def from_environment(cls, env: Mapping[str, str]) -> Self:
        """The settings in `env`; SpecInvalid names the field that cannot be read."""
        order = _order(env.get("SLIPWAY_SOURCE", ""))
        source = _object(order, "source")
        return cls(
            source=_source(source),
            model=_text(order, "model", MODEL_NAME),
            resolved=_resolved(_object(order, "resolved")) if order.get("resolved") else None,
            storage=_whole(order, "storage"),
            root=Path(env.get("SLIPWAY_ROOT", "/slipway")),
            source_root=Path(env.get("SLIPWAY_SOURCE_ROOT", "/source")),
            credentials=Path(env.get("SLIPWAY_CREDENTIALS", "/var/run/slipway/credentials")),
            config=Path(env.get("SLIPWAY_CONFIG", "/etc/slipway")),
            termination_log=termination_log(env),
            signature=_signature(source),
            allowed_backends=_names(order, "allowedBackends"),
            keys=Path(env.get("SLIPWAY_KEYS", cls.keys)),
            decryption=_decryption(source),
            identities=Path(env.get("SLIPWAY_IDENTITIES", cls.identities)),
            plain=Path(env.get("SLIPWAY_PLAIN", cls.plain)),
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


def _names(order: Mapping[str, Any], field: str) -> tuple[str, ...]:
    value = order.get(field, [])
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise FetchError(Reason.SPEC_INVALID, f"SLIPWAY_SOURCE: {field}: {value!r} is no list of names")
    return tuple(value)


def termination_log(env: Mapping[str, str]) -> Path:
    """Where the last word goes; known even when the rest of the environment is unreadable."""
    return Path(env.get("SLIPWAY_TERMINATION_LOG", "/dev/termination-log"))


def mounted(folder: Path) -> list[Path]:
    """The files of a Secret or a ConfigMap, by name; the kubelet's own begin with two dots."""
    return sorted(path for path in folder.glob("*") if path.is_file() and not path.name.startswith(".."))


def _order(text: str) -> Mapping[str, Any]:
    try:
        order = json.loads(text)
    except ValueError as error:
        raise _unreadable("the whole", str(error)) from None
    if not isinstance(order, dict):
        raise _unreadable("the whole", "is no object")
    return order


def _source(document: Mapping[str, Any]) -> Source:
    return Source(
        uri=_text(document, "uri", URI, "source."),
        digest=_text(document, "digest", DIGEST, "source.") if document.get("digest") else None,
        s3=_s3(_object(document, "s3", "source.")) if document.get("s3") else None,
    )


def _s3(document: Mapping[str, Any]) -> S3:
    return S3(
        endpoint=document.get("endpoint"),
        region=document.get("region"),
        force_path_style=document.get("forcePathStyle"),
        anonymous=document.get("anonymous"),
    )


def _signature(source: Mapping[str, Any]) -> Signature | None:
    """Nothing in it is guessed: what cannot be read demands nothing, and would pass everything."""
    if source.get("signature") is None:
        return None
    signature, where = _object(source, "signature", "source."), "source.signature."
    mode, threshold = signature.get("mode", "Require"), _whole(signature, "threshold", where)
    if mode not in {"Require", "Warn"}:
        raise _unreadable(f"{where}mode", f"{mode!r} is neither Require nor Warn")
    if threshold == 0:
        raise _unreadable(f"{where}threshold", "is less than one signature")
    name = _text(signature, "configMapName", _NAME, where)
    return Signature(config_map_name=name, threshold=threshold or 1, required=mode == "Require")


def _decryption(source: Mapping[str, Any]) -> Decryption | None:
    if source.get("decryption") is None:
        return None
    decryption, where = _object(source, "decryption", "source."), "source.decryption."
    return Decryption(secret_name=_text(decryption, "secretName", _NAME, where))


def _resolved(document: Mapping[str, Any]) -> Resolved:
    return Resolved(
        digest=str(document.get("digest", "")),
        size=_whole(document, "size", "resolved.") or 0,
        unverified=document.get("unverified", False),
    )


def _whole(document: Mapping[str, Any], name: str, where: str = "") -> int | None:
    value = document.get(name)
    if value is not None and (not isinstance(value, int) or value < 0):
        raise _unreadable(f"{where}{name}", "is no number of bytes")
    return value


def _object(document: Mapping[str, Any], name: str, where: str = "") -> Mapping[str, Any]:
    value = document.get(name)
    if not isinstance(value, dict):
        raise _unreadable(f"{where}{name}", "is no object")
    return value


def _text(document: Mapping[str, Any], name: str, form: re.Pattern[str], where: str = "") -> str:
    value = document.get(name)
    if not isinstance(value, str) or not form.fullmatch(value):
        shown = str(value).partition("?")[0]  # a query may hold a signature
        raise _unreadable(f"{where}{name}", f"{shown!r} is not of the form {form.pattern}")
    return value


def _unreadable(field: str, why: str) -> FetchError:
    return FetchError(Reason.SPEC_INVALID, f"SLIPWAY_SOURCE: {field}: {why}; docs/contracts.md has its shape")
