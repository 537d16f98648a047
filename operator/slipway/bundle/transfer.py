"""Bundles to stores and back, the same bytes under the same digest everywhere.

A push takes its address with SHA256SUMS, put where nothing is yet: from then on nobody can push other bytes there, a
push that was interrupted goes on where it was, and who reads meanwhile misses files instead of taking what is there for
a bundle without a list. The fetcher's own survey has the last word.
"""

import hashlib
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import obstore
from obstore.exceptions import AlreadyExistsError, NotSupportedError

from slipway.bundle import directory
from slipway.bundle.assemble import quiet
from slipway.bundle.check import check
from slipway.bundle.encrypt import encrypted_in
from slipway.bundle.errors import BundleError
from slipway.bundle.place import PATIENT, Place, explained
from slipway.bundle.threads import threads
from slipway.fetch import sums
from slipway.fetch.download import Download, Wanted
from slipway.fetch.policy import MIB, Policy
from slipway.fetch.progress import Progress
from slipway.fetch.resolve import read_signature
from slipway.fetch.resume import persist, stream
from slipway.fetch.sources import open_store
from slipway.fetch.stores import Entry, objects
from slipway.fetch.survey import survey
from slipway.fetch.verdict import FetchError, Reason

_WHOLE_BYTES: Final = 64 * MIB
"""Up to here a file is put at once, on the condition that it is not there; stores take parts without conditions."""
_PART_BYTES: Final = 16 * MIB
_STREAMS: Final = 4


@dataclass(frozen=True, kw_only=True)
class Moved:
    """A bundle that is at an address, or in a directory, now."""

    where: str
    digest: str
    files: int
    """How many were moved: none, where all were there."""
    bytes: int
    signed: bool

    def document(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "where": self.where,
            "digest": self.digest,
            "files": self.files,
            "bytes": self.bytes,
            "signed": self.signed,
        }


class _Writable(objects.ObjectStore):
    """A prefix of a bucket, to put files below."""

    def create(self, path: str, content: bytes | Path) -> bool:
        """Put a file where none is; False where one is already."""
        with self._explained(self.where(path)):
            try:
                obstore.put(self._store, path, content, mode="create")
            except AlreadyExistsError:
                return False
            except (NotSupportedError, NotImplementedError):
                return self._if_absent(path, content)
        return True

    def upload(self, path: str, file: Path, progress: Progress) -> None:
        """Put a large file in parts."""
        with self._explained(self.where(path)):
            chunks = progress.counted(_chunks(file))
            obstore.put(self._store, path, chunks, use_multipart=True, chunk_size=_PART_BYTES, max_concurrency=_STREAMS)

    def _if_absent(self, path: str, content: bytes | Path) -> bool:
        """For stores that know no condition: look first."""
        try:
            obstore.head(self._store, path)
        except FileNotFoundError:
            obstore.put(self._store, path, content)
            return True
        return False


def push(bundle: str | Path, place: Place, *, say: Callable[[str], None] = quiet) -> Moved:
    """Put a bundle at an address where nothing else is. The same bytes once more do nothing."""
    folder, source = Path(bundle), place.source
    say(f"checking {bundle}")
    hashes = directory.verified(folder)
    if not encrypted_in(folder):
        check(folder)
    content = (folder / sums.NAME).read_bytes()
    if source.scheme == "oci":
        from slipway.bundle import registry

        with explained():
            count, moved, signed = registry.push(folder, hashes, place, say)
        return Moved(where=place.uri, digest=sums.digest_of(content), files=count, bytes=moved, signed=signed)
    if source.scheme not in {"s3", "gs", "az"}:
        where = "bundles are pushed to s3://, gs://, az:// or oci://"
        raise BundleError(f"{place.uri}: {where}; copy the directory yourself")
    with place.settings() as settings, explained():
        store = objects.open_store(settings.source, settings.credentials, PATIENT, _Writable)
        assert isinstance(store, _Writable)
        there = {entry.path: entry for entry in persist(store.list, place.uri, PATIENT)}
        _take(store, there, hashes, content)
        missing = [path for path in hashes if path not in there]
        _check_there(store, folder, {path: there[path] for path in hashes if path in there}, hashes, say)
        say(f"putting {len(missing)} of {len(hashes)} files at {place.uri}")
        moved = _put_all(store, folder, missing, place.uri)
        signed = _put_signature(store, folder, there)
        surveyed = survey(store, replace(settings.source, digest=sums.digest_of(content)), PATIENT)
        return Moved(where=place.uri, digest=surveyed.digest, files=len(missing), bytes=moved, signed=signed)


def pull(place: Place, out: str | Path, *, replace: bool = False, say: Callable[[str], None] = quiet) -> Moved:
    """Get the bundle at an address into a directory, each file verified."""
    if place.source.is_archive or place.source.scheme == "pvc":
        raise BundleError(f"{place.uri}: an archive or a claim; name the address of a bundle's directory")
    policy = Policy()
    with place.settings() as settings, explained(), open_store(settings, policy) as store:
        say(f"looking at {place.uri}")
        surveyed = survey(store, settings.source, policy)
        if surveyed.sums is None:
            raise BundleError(
                f"{place.uri}: has no {sums.NAME}, so nobody could tell whether it came whole; add the list"
            )
        with directory.staged(Path(out), replace=replace) as new:
            progress = Progress(place.uri, surveyed.size)
            wanted = [Wanted(entry=entry, sha256=surveyed.hashes[path]) for path, entry in surveyed.entries.items()]
            # Beside the target: a file is renamed from one to the other.
            with directory.parts(new) as apart, progress.reported(policy.report_seconds):
                Download(store, new, apart, policy, progress).run(wanted)
            (new / sums.NAME).write_bytes(surveyed.sums)
            signature = read_signature(store, policy)
            if signature is not None:
                (new / sums.SIGNATURE).write_bytes(signature)
            directory.verified(new)
        return Moved(
            where=str(out), digest=surveyed.digest, files=len(wanted), bytes=surveyed.size, signed=signature is not None
        )


def copy(source: Place, target: Place, *, say: Callable[[str], None] = quiet) -> Moved:
    """The bundle at one address, at another: the same bytes, and so the same digest."""
    _ = target.source  # what is wrong with it is told before anything comes
    with tempfile.TemporaryDirectory(prefix="slipway-copy-") as scratch:
        pulled = pull(source, Path(scratch) / "bundle", say=say)
        pushed = push(Path(scratch) / "bundle", target, say=say)
        assert pushed.digest == pulled.digest
        return pushed


def take_signature(bundle: str | Path, place: Place) -> bool:
    """Put the signature that a bundle has at an address already beside it: each signing gives other bytes, and a push
    replaces none. False where the bundle is not there, or not signed."""
    folder = Path(bundle)
    with place.settings() as settings, explained(), open_store(settings, PATIENT) as store:
        try:
            there = persist(lambda: store.read(sums.NAME, sums.LIMIT_BYTES), store.where(sums.NAME), PATIENT)
        except FetchError as error:
            if error.reason is not Reason.SOURCE_NOT_FOUND:
                raise
            return False
        signature = read_signature(store, PATIENT) if there == (folder / sums.NAME).read_bytes() else None
    if signature is not None:
        (folder / sums.SIGNATURE).write_bytes(signature)
    return signature is not None


def _take(store: _Writable, there: Mapping[str, Entry], hashes: Mapping[str, str], content: bytes) -> None:
    """The address is ours from here on, or was; BundleError where something else is."""
    address = store.where("").rstrip("/")
    if there and sums.NAME not in there:
        raise BundleError(f"{address}: holds {min(there)} and no {sums.NAME}; push to an address of its own")
    if sums.NAME not in there and persist(lambda: store.create(sums.NAME, content), address, PATIENT):
        return
    stored = persist(lambda: store.read(sums.NAME, sums.LIMIT_BYTES), store.where(sums.NAME), PATIENT)
    if stored != content:
        is_there, ours = sums.digest_of(stored), sums.digest_of(content)
        raise BundleError(f"{address}: holds {is_there}, and this bundle is {ours}; push to an address of its own")
    if strange := sorted(there.keys() - hashes.keys() - {sums.NAME, sums.SIGNATURE}):
        raise BundleError(f"{store.where(strange[0])}: not of this bundle; delete it, or push to an address of its own")


def _check_there(
    store: _Writable,
    folder: Path,
    there: Mapping[str, Entry],
    hashes: Mapping[str, str],
    say: Callable[[str], None],
) -> None:
    """What a push before this one has put is what belongs there; BundleError where it is something else."""
    for path, entry in there.items():
        size = (folder / path).stat().st_size
        if entry.size != size:
            message = f"has {entry.size} bytes and the bundle's {size}; delete it and push again"
            raise BundleError(f"{store.where(path)}: {message}")
    unknown = [path for path, entry in there.items() if entry.tag not in _tags(folder / path)]
    if unknown:
        say(f"reading {len(unknown)} files that are there already")
    for path in unknown:
        if _hash_of(store, there[path]) != hashes[path]:
            raise BundleError(f"{store.where(path)}: holds other bytes of that size; delete it and push again")


def _tags(file: Path) -> set[str]:
    """What S3 calls a file that was put whole, or in our parts, where it is not encrypted by a key of the store's."""
    whole, parts, count = hashlib.md5(usedforsecurity=False), hashlib.md5(usedforsecurity=False), 0
    with file.open("rb") as opened:
        while part := opened.read(_PART_BYTES):
            whole.update(part)
            parts.update(hashlib.md5(part, usedforsecurity=False).digest())
            count += 1
    return {f'"{whole.hexdigest()}"', f'"{parts.hexdigest()}-{count}"'}


def _hash_of(store: _Writable, entry: Entry) -> str:
    digest = hashlib.sha256()
    with closing(stream(store, entry, 0, entry.size, PATIENT)) as chunks:
        for chunk in chunks:
            digest.update(chunk)
    return digest.hexdigest()


def _put_all(store: _Writable, folder: Path, paths: list[str], where: str) -> int:
    total = directory.size(folder, paths)
    progress = Progress(where, total)
    with progress.reported(Policy().report_seconds), threads(_STREAMS, "put") as pool:
        for _ in pool.map(lambda path: _put(store, folder, path, progress), paths):
            pass
    return total


def _put(store: _Writable, folder: Path, path: str, progress: Progress) -> None:
    file = folder / path
    if (size := file.stat().st_size) > _WHOLE_BYTES:
        persist(lambda: store.upload(path, file, progress), store.where(path), PATIENT)
        return
    persist(lambda: store.create(path, file), store.where(path), PATIENT)
    progress.add(size)


def _put_signature(store: _Writable, folder: Path, there: Mapping[str, Entry]) -> bool:
    """Whether the bundle is signed there. A signature comes to a bundle that was pushed before, and replaces none."""
    file = folder / sums.SIGNATURE
    if not file.is_file():
        return sums.SIGNATURE in there
    content = file.read_bytes()
    if not persist(lambda: store.create(sums.SIGNATURE, content), store.where(sums.SIGNATURE), PATIENT):
        stored = read_signature(store, PATIENT)
        if stored != content:
            raise BundleError(f"{store.where(sums.SIGNATURE)}: another signature is there; delete it and push again")
    return True


def _chunks(file: Path) -> Iterator[bytes]:
    with file.open("rb") as opened:
        while chunk := opened.read(MIB):
            yield chunk
