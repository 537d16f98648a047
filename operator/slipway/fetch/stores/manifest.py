"""Addresses of a registry, and manifests: which files a version has, and under which digests. Pure."""

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Any, Final, Self

from slipway.fetch import layout
from slipway.fetch.stores import Entry
from slipway.fetch.verdict import FetchError, Reason, invalid

LIMIT_BYTES: Final = 4 * 1024 * 1024
"""What registries take, and so what is read."""
OCI: Final = "application/vnd.oci.image.manifest.v1+json"
DOCKER: Final = "application/vnd.docker.distribution.manifest.v2+json"
INDEXES: Final = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
ACCEPTED: Final = ", ".join((OCI, DOCKER, *INDEXES))
FILEPATH: Final = "org.cncf.model.filepath"
TITLE: Final = "org.opencontainers.image.title"
"""What `oras push` writes."""
_UNPACKED: Final = re.compile(r"[.+](tar|gzip|zstd)$")
_HOST: Final = r"(?P<host>(\[[0-9a-fA-F:]+\]|[A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?)(:[0-9]{1,5})?)"
_PART: Final = r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*"
_REFERENCE: Final = re.compile(
    rf"oci://{_HOST}/(?P<repository>{_PART}(/{_PART})*)"
    r"(:(?P<tag>[A-Za-z0-9_][A-Za-z0-9._-]{0,127}))?(@(?P<digest>sha256:[0-9a-f]{64}))?"
)
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")
_LOOPBACK: Final = re.compile(r"(localhost|127(\.[0-9]+){3}|\[::1\])(:[0-9]+)?")
_ELSEWHERE: Final = {"docker.io": "registry-1.docker.io", "index.docker.io": "registry-1.docker.io"}


@dataclass(frozen=True, kw_only=True)
class Reference:
    """`oci://HOST/REPOSITORY:TAG`, or `@sha256:…`, which wins where both are there."""

    host: str
    repository: str
    tag: str | None
    digest: str | None

    @classmethod
    def parse(cls, uri: str) -> Self:
        """SpecInvalid for what is none."""
        match = _REFERENCE.fullmatch(uri)
        if not match or not (match["tag"] or match["digest"]):
            how = "write oci://HOST/REPOSITORY:TAG or oci://HOST/REPOSITORY@sha256:DIGEST, the repository in lower case"
            raise FetchError(Reason.SPEC_INVALID, f"{uri}: names no version in a registry; {how}")
        return cls(host=match["host"], repository=match["repository"], tag=match["tag"], digest=match["digest"])

    @property
    def version(self) -> str:
        """What the registry is asked for."""
        return self.digest or self.tag or ""

    @property
    def base(self) -> str:
        """Where the registry answers; it is spoken to in plain text on this machine alone."""
        host = _ELSEWHERE.get(self.host, self.host)
        return f"{'http' if _LOOPBACK.fullmatch(host) else 'https'}://{host}"


def check_digest(content: bytes, expected: str, what: str) -> None:
    """BundleCorrupt unless the content is what its digest names."""
    actual = f"sha256:{hashlib.sha256(content).hexdigest()}"
    if actual != expected:
        message = f"{what}: the registry sent {actual[:23]}… for {expected[:23]}…; push it again, or mend the registry"
        raise FetchError(Reason.BUNDLE_CORRUPT, message)


def entries(content: bytes, where: str) -> list[Entry]:
    """The files of a manifest; BundleInvalid where a layer is none."""
    manifest = _parsed(content, where)
    if manifest.get("mediaType") in INDEXES or "manifests" in manifest:
        raise invalid(f"{where}: an index of several manifests; name the one with the model, by its digest")
    layers = manifest.get("layers")
    if not isinstance(layers, list):
        raise _odd(where)
    by_path: dict[str, Entry] = {}
    for entry in layout.bounded((_entry(layer, where) for layer in layers), where):
        if entry.path in by_path:
            raise invalid(f"{where}: {entry.path} is in it twice; push the bundle again")
        by_path[entry.path] = entry
    return list(by_path.values())


def _parsed(content: bytes, where: str) -> dict[str, Any]:
    try:
        manifest = json.loads(content)
    except (ValueError, RecursionError):
        raise _odd(where) from None
    if not isinstance(manifest, dict) or manifest.get("schemaVersion") != 2:
        raise _odd(where)
    return manifest


def _entry(layer: Any, where: str) -> Entry:
    described = layer if isinstance(layer, dict) else {}
    kind, digest, size = (described.get(name) for name in ("mediaType", "digest", "size"))
    marks = described.get("annotations")
    if not (isinstance(digest, str) and _DIGEST.fullmatch(digest) and isinstance(kind, str)):
        raise _odd(where)
    if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= layout.MAX_BYTES:
        raise _odd(where)
    named = marks if isinstance(marks, dict) else {}
    path = named.get(FILEPATH, named.get(TITLE))
    if not isinstance(path, str) or _UNPACKED.search(kind):
        why = "is an archive" if isinstance(path, str) else f"has no {FILEPATH}"
        raise invalid(f"{where}: the layer {digest[:19]}… of {kind[:100]} {why}; push one file a layer (slipway push)")
    return Entry(path=path, size=size, tag=digest)


def _odd(where: str) -> FetchError:
    return invalid(f"{where}: no manifest of an artifact with files; push the bundle with slipway push")
