"""Bundles to registries: a ModelPack manifest, one file a layer, the tag as the version.

Blobs come first and the tag last, so whoever reads meanwhile finds the version whole or not at all, and a push that was
interrupted goes on where it was: what a registry has under a digest is whole. A tag that is taken is only ever given a
manifest of the same bytes, with their signature. Registries know no condition on a tag, so of two who push other bytes
to a free one in the same moment the last one has it.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

from slipway.bundle.errors import BundleError
from slipway.bundle.place import PATIENT, Place
from slipway.bundle.threads import threads
from slipway.fetch import layout, sums
from slipway.fetch.policy import MIB, Policy
from slipway.fetch.progress import Progress
from slipway.fetch.resolve import read_signature
from slipway.fetch.resume import persist
from slipway.fetch.stores import registry
from slipway.fetch.stores.manifest import FILEPATH, LIMIT_BYTES, OCI, TITLE, Reference
from slipway.fetch.survey import survey
from slipway.fetch.verdict import FetchError, Reason

_ARTIFACT: Final = "application/vnd.cncf.model.manifest.v1+json"
_CONFIG: Final = "application/vnd.cncf.model.config.v1+json"
_LAYER: Final = "application/vnd.cncf.model.{}.v1.raw"
_STREAMS: Final = 4
_LEAST_BYTES_PER_SECOND: Final = 256 * 1024
_CREATED: Final = (201,)


@dataclass(frozen=True, kw_only=True)
class Blob:
    """Bytes to put, under their digest."""

    digest: str
    size: int
    content: bytes | Path

    @classmethod
    def of(cls, content: bytes) -> "Blob":
        """Of bytes in memory."""
        return cls(digest=f"sha256:{hashlib.sha256(content).hexdigest()}", size=len(content), content=content)

    def chunks(self, progress: Progress) -> Iterator[bytes]:
        """What is sent."""
        if isinstance(self.content, bytes):
            yield from progress.counted(iter([self.content]))
            return
        with self.content.open("rb") as file:
            yield from progress.counted(iter(lambda: file.read(MIB), b""))


class _Writable(registry.RegistryStore):
    """A version in a registry, to be put."""

    def has(self, blob: Blob) -> bool:
        """Whether the registry has these bytes."""
        with self.request("HEAD", f"blobs/{blob.digest}", {}, allowed=(200, 404)) as response:
            return response.status_code == 200

    def put(self, blob: Blob, progress: Progress) -> None:
        """Send them in one piece, which every registry takes."""
        with self.request("POST", "blobs/uploads/", {"Content-Length": "0"}, allowed=(202,)) as response:
            place = _joined(str(response.url), response.headers.get("Location", ""))
        joined = "&" if urlsplit(place).query else "?"
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(blob.size)}
        content = lambda: blob.chunks(progress)  # noqa: E731
        with self.request("PUT", f"{place}{joined}digest={blob.digest}", headers, allowed=_CREATED, content=content):
            return

    def tag(self, content: bytes) -> None:
        """Put the manifest: from now on the version is there."""
        headers = {"Content-Type": OCI, "Content-Length": str(len(content))}
        version = self.reference.version
        with self.request("PUT", f"manifests/{version}", headers, allowed=_CREATED, content=lambda: iter([content])):
            return


def push(folder: Path, hashes: Mapping[str, str], place: Place, say: Callable[[str], None]) -> tuple[int, int, bool]:
    """Put a verified bundle at oci://HOST/REPOSITORY:TAG; how many files and bytes were sent, and whether it is signed
    there."""
    reference = Reference.parse(place.uri)
    if reference.digest or not reference.tag:
        raise BundleError(f"{place.uri}: a digest is there already or never will be; push to a tag")
    with place.settings() as settings, registry.client(settings.source, PATIENT) as client:
        store = _Writable(settings.source, client, PATIENT, settings.credentials, "pull,push")
        content = (folder / sums.NAME).read_bytes()
        there = _taken(store, content)
        signature = _signature(store, folder, there=there)
        if there and (signature is None or sums.SIGNATURE in {entry.path for entry in there}):
            return 0, 0, sums.SIGNATURE in {entry.path for entry in there}
        files = {path: _blob(folder / path, digest) for path, digest in hashes.items()}
        files[sums.NAME] = Blob.of(content)
        if signature is not None:
            files[sums.SIGNATURE] = Blob.of(signature)
        sent = _put_all(store, files, place.uri, say)
        persist(lambda: store.tag(_manifest(files)), place.uri, PATIENT)
        survey(store, replace(settings.source, digest=sums.digest_of(content)), PATIENT)
        return len(sent), sum(blob.size for blob in sent), signature is not None


def _joined(asked: str, place: str) -> str:
    try:
        return urljoin(asked, place)
    except ValueError as error:
        message = f"{asked}: the registry says to upload to an address that is none ({error}); see to the registry"
        raise FetchError(Reason.FETCH_FAILED, message) from None


def _taken(store: _Writable, content: bytes) -> Sequence[Any]:
    """The files under the tag, if it is taken by the same bytes; BundleError where it is by others."""
    uri = store.where("").rstrip("/")
    try:
        there = persist(store.list, uri, PATIENT)
        stored = persist(lambda: store.read(sums.NAME, sums.LIMIT_BYTES), store.where(sums.NAME), PATIENT)
    except FetchError as error:
        if error.reason is Reason.SOURCE_NOT_FOUND and not store.files:
            return ()
        if error.reason in {Reason.SOURCE_NOT_FOUND, Reason.BUNDLE_INVALID}:
            raise BundleError(f"{uri}: holds something that is no bundle; push to a tag of its own") from None
        raise
    if stored != content:
        is_there, ours = sums.digest_of(stored), sums.digest_of(content)
        raise BundleError(f"{uri}: holds {is_there}, and this bundle is {ours}; push to a tag of its own")
    return there


def _signature(store: _Writable, folder: Path, *, there: Sequence[Any]) -> bytes | None:
    """The signature to put. One comes to a bundle that was pushed before, and replaces none."""
    file = folder / sums.SIGNATURE
    ours = file.read_bytes() if file.is_file() else None
    if there and ours is not None:
        stored = read_signature(store, PATIENT)
        if stored not in {None, ours}:
            raise BundleError(f"{store.where(sums.SIGNATURE)}: another signature is there; push to a tag of its own")
    return ours


def _put_all(store: _Writable, files: Mapping[str, Blob], where: str, say: Callable[[str], None]) -> Sequence[Blob]:
    """The files that were not there."""
    blobs = {blob.digest: blob for blob in (Blob.of(_config(files)), *files.values())}
    with threads(_STREAMS, "put") as pool:
        presence = pool.map(lambda blob: persist(lambda: store.has(blob), where, PATIENT), blobs.values())
        missing = [blob for blob, there in zip(blobs.values(), presence, strict=True) if not there]
        sent = [blob for blob in files.values() if blob in missing]
        say(f"putting {len(sent)} of {len(files)} files at {where}")
        progress = Progress(where, sum(blob.size for blob in missing))
        with progress.reported(Policy().report_seconds):
            for _ in pool.map(lambda blob: _put(store, blob, where, progress), missing):
                pass
    return sent


def _put(store: _Writable, blob: Blob, where: str, progress: Progress) -> None:
    policy = replace(PATIENT, answer_seconds=PATIENT.answer_seconds + blob.size / _LEAST_BYTES_PER_SECOND)
    persist(lambda: store.put(blob, progress), where, policy)


def _blob(file: Path, digest: str) -> Blob:
    return Blob(digest=f"sha256:{digest}", size=file.stat().st_size, content=file)


def _config(files: Mapping[str, Blob]) -> bytes:
    digests = [files[path].digest for path in sorted(files)]
    return _json({"descriptor": {}, "config": {}, "modelfs": {"type": "layers", "diffIds": digests}})


def _manifest(files: Mapping[str, Blob]) -> bytes:
    """The same for the same files: nothing in it says when or where. `oras pull` and others know files by their titles;
    only a manifest that would be too large with them has none."""
    titled = _written(files, (FILEPATH, TITLE))
    return titled if len(titled) <= LIMIT_BYTES else _written(files, (FILEPATH,))


def _written(files: Mapping[str, Blob], names: Sequence[str]) -> bytes:
    config = Blob.of(_config(files))
    return _json(
        {
            "schemaVersion": 2,
            "mediaType": OCI,
            "artifactType": _ARTIFACT,
            "config": {"mediaType": _CONFIG, "digest": config.digest, "size": config.size},
            "layers": [
                {
                    "mediaType": _LAYER.format(_kind(path)),
                    "digest": files[path].digest,
                    "size": files[path].size,
                    "annotations": dict.fromkeys(names, path),
                }
                for path in sorted(files)
            ],
        }
    )


def _kind(path: str) -> str:
    """ModelPack's word for what a file is."""
    if layout.is_config(path):
        return "weight.config"
    if path in {sums.NAME, sums.SIGNATURE} or path.endswith(".md"):
        return "doc"
    if layout.is_golden(path):
        return "dataset"
    return "code" if path.endswith(".py") else "weight"


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
