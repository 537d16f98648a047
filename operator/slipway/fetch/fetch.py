"""`slipway-fetch fetch`: the bundle onto the pod's volume, verified, and the model repository made of it.

A container that is started again goes on with what is there. What an earlier run completed is not even asked for:
after a reboot of its node a pod comes back although the store is down. Every byte is hashed again before it is used, so
the bundle is not fsynced: what a crash of the node lost is found and fetched, and no pod waits for a slow disk.
"""

import errno
import logging
import shutil
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from slipway.fetch import archive, decryption, layout, models, repository, signature, sums, verify
from slipway.fetch.download import Download, Wanted, part_name
from slipway.fetch.policy import Policy
from slipway.fetch.progress import Progress
from slipway.fetch.resolve import stream_archive
from slipway.fetch.settings import Settings, mounted
from slipway.fetch.sources import open_store
from slipway.fetch.stores import Store
from slipway.fetch.stores.claim import ClaimStore
from slipway.fetch.survey import Survey, check_unchanged, survey
from slipway.fetch.verdict import FetchError, Reason

BUNDLE: Final = ".bundle"
_PARTS: Final = ".parts"
_UNPACKED: Final = ".unpacked"
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class _Bundle:
    """A verified bundle on a file system of this pod."""

    directory: Path
    paths: tuple[str, ...]


def fetch(settings: Settings, policy: Policy) -> None:
    """Do it all, or raise the FetchError that says what is wrong. Triton's repository appears last."""
    try:
        bundle = _decrypted(settings, _kept(settings) or _get(settings, policy))
        _serve(settings, bundle)
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise _full(settings, settings.resolved.size if settings.resolved else None) from error
    log.info("%s is ready for Triton: %d files", settings.model, len(bundle.paths))


def _decrypted(settings: Settings, bundle: _Bundle) -> _Bundle:
    """The plain bundle in memory, where the spec says that it is encrypted; a restarted container makes it anew."""
    asked = settings.decryption
    if asked is None:
        decryption.check(bundle.paths, asked=False)
        return bundle
    target, where = settings.plain / BUNDLE, f"Secret {asked.secret_name} of source.decryption"
    keys = decryption.read_identities(mounted(settings.identities), where)
    paths = decryption.decrypt(bundle.directory, bundle.paths, target, keys=keys, where=where)
    return _Bundle(directory=target, paths=tuple(paths))


def _kept(settings: Settings) -> _Bundle | None:
    """What an earlier run of this container completed, if every byte of it is still right."""
    directory = settings.root / BUNDLE
    listed = directory / sums.NAME
    if not listed.exists() or not settings.resolved or settings.resolved.unverified:
        return None
    content = listed.read_bytes()
    if sums.digest_of(content) != settings.resolved.digest:
        return None
    hashes = sums.parse(content)
    if verify.matching(directory, hashes) != hashes.keys():
        return None
    log.info("%s: every file is here already, and verified", settings.source.shown)
    return _Bundle(directory=directory, paths=tuple(hashes))


def _get(settings: Settings, policy: Policy) -> _Bundle:
    log.info("fetching %s", settings.source.shown)
    with open_store(settings, policy) as store:
        if settings.source.is_archive:
            return _unpack(store, settings, policy)
        surveyed = survey(store, settings.source, policy)
        check_unchanged(surveyed, settings.resolved, settings.source)
        if isinstance(store, ClaimStore):
            return _check_in_place(store, surveyed, settings, policy)
        return _download(store, surveyed, settings, policy)


def _download(store: Store, surveyed: Survey, settings: Settings, policy: Policy) -> _Bundle:
    directory, parts = settings.root / BUNDLE, settings.root / _PARTS
    if surveyed.unverified:  # no hash could tell whether what is there is right
        shutil.rmtree(directory, ignore_errors=True)
        shutil.rmtree(parts, ignore_errors=True)
    directory.mkdir(parents=True, exist_ok=True)
    parts.mkdir(exist_ok=True)
    progress = Progress(settings.model, surveyed.size)
    there = verify.matching(directory, surveyed.hashes)
    progress.had(sum(surveyed.entries[path].size for path in there))
    wanted = [
        Wanted(entry=entry, sha256=surveyed.hashes.get(path))
        for path, entry in surveyed.entries.items()
        if path not in there
    ]
    _clear(directory, surveyed.entries.keys())
    _clear(parts, {part_name(each.entry.path) for each in wanted})
    _check_room(settings, surveyed.size, sum(_missing_bytes(parts, each) for each in wanted))
    with progress.reported(policy.report_seconds):
        Download(store, directory, parts, policy, progress).run(wanted)
    shutil.rmtree(parts, ignore_errors=True)
    return _complete(directory, surveyed)


def _check_in_place(store: ClaimStore, surveyed: Survey, settings: Settings, policy: Policy) -> _Bundle:
    progress = Progress(f"{settings.model}: verified in place", surveyed.size)
    with progress.reported(policy.report_seconds), store.explained():
        good = verify.matching(store.directory, surveyed.hashes, progress)
    if bad := sorted(surveyed.hashes.keys() - good):
        message = f"{bad[0]}: its SHA-256 is not what {sums.NAME} says; copy it into the claim again"
        raise FetchError(Reason.BUNDLE_CORRUPT, message)
    return _Bundle(directory=store.directory, paths=tuple(surveyed.entries))


def _unpack(store: Store, settings: Settings, policy: Policy) -> _Bundle:
    target = settings.root / _UNPACKED
    shutil.rmtree(target, ignore_errors=True)
    shutil.rmtree(settings.root / BUNDLE, ignore_errors=True)
    limit = settings.resolved.size if settings.resolved else None
    _check_room(settings, limit or 0, limit or 0)
    try:
        # What the revision was made of does not count its signature, which lies in the archive too.
        most = None if limit is None else limit + signature.LIMIT_BYTES
        members = stream_archive(store, settings, policy, archive.Directory(target), most_bytes=most)
        contents = {path: (target / path).read_bytes() for path in members if path.rpartition("/")[2] == sums.NAME}
        surveyed, root = archive.survey(members, contents, settings.source)
        check_unchanged(surveyed, settings.resolved, settings.source)
        (target / root).rename(settings.root / BUNDLE)
    finally:
        shutil.rmtree(target, ignore_errors=True)
    return _complete(settings.root / BUNDLE, surveyed)


def _complete(directory: Path, surveyed: Survey) -> _Bundle:
    """Every file is verified: SHA256SUMS comes last, and marks it."""
    if surveyed.sums is not None:
        (directory / sums.NAME).write_bytes(surveyed.sums)
    return _Bundle(directory=directory, paths=tuple(surveyed.entries))


def _serve(settings: Settings, bundle: _Bundle) -> None:
    golden = {path: (bundle.directory / path).read_bytes() for path in bundle.paths if layout.is_golden(path)}
    configs = {path: (bundle.directory / path).read_bytes() for path in models.configurations(bundle.paths)}
    configured = models.configure(configs, settings.overlay(), settings.model)
    by_model = models.check_golden(configured, golden)
    repository.lay_out(
        settings.root, settings.model, bundle.directory, bundle.paths, models=configured, golden=by_model
    )


def _clear(directory: Path, wanted: Collection[str]) -> None:
    """Remove what an earlier run left of another bundle: what this one calls a file may be a directory of that one."""
    for path in sorted(directory.rglob("*"), reverse=True):  # what is in a directory before itself
        if path.is_dir() and not path.is_symlink():
            with suppress(OSError):  # something is left in it
                path.rmdir()
        elif path.relative_to(directory).as_posix() not in wanted:
            path.unlink()


def _missing_bytes(parts: Path, wanted: Wanted) -> int:
    part = parts / part_name(wanted.entry.path)
    there = part.stat().st_blocks * 512 if part.exists() else 0
    return max(wanted.entry.size - there, 0)


def _check_room(settings: Settings, size: int, missing: int) -> None:
    """StorageFull where the bundle is larger than the volume may become, or what is missing than what is free."""
    if settings.storage is not None and size > settings.storage:
        message = f"{settings.root}: the volume holds {settings.storage} bytes and the bundle has {size}"
        raise FetchError(Reason.STORAGE_FULL, f"{message}; raise spec.model.storage.size")
    if missing > shutil.disk_usage(settings.root).free:
        raise _full(settings, missing)


def _full(settings: Settings, needed: int | None) -> FetchError:
    free = shutil.disk_usage(settings.root).free
    needs = f"needs {needed} bytes and {free} are available" if needed else f"is full with {free} bytes available"
    message = f"{settings.root}: the volume {needs}; raise spec.model.storage.size, or give the node more room"
    return FetchError(Reason.STORAGE_FULL, message)
