"""What is at a source: which files, how large, under which digest, and whether the layout may be served."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from slipway.fetch import filetype, golden, layout, sums, verify
from slipway.fetch.model import CONFIG_LIMIT_BYTES
from slipway.fetch.models import configurations
from slipway.fetch.policy import Policy
from slipway.fetch.resume import persist
from slipway.fetch.settings import Resolved, Source
from slipway.fetch.stores import Entry, Store
from slipway.fetch.verdict import FetchError, Reason, invalid

MAX_GOLDEN: Final = 256
_MOST_LOOKED_AT: Final = 32
"""Small files, for what stands in for the right ones: each costs a request."""
_SHA256: Final = "sha256:"


@dataclass(frozen=True, kw_only=True)
class Survey:
    """A bundle, seen from outside. Its files do not count SHA256SUMS itself."""

    digest: str
    entries: Mapping[str, Entry]
    sums: bytes | None
    hashes: Mapping[str, str]

    @property
    def unverified(self) -> bool:
        """There is no SHA256SUMS: the digest only says whether the listing changed."""
        return self.sums is None

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(entry.size for entry in self.entries.values()) + len(self.sums or b"")

    def small_files(self) -> list[str]:
        """What the checks read: the configurations and the golden requests."""
        requests = sorted(path for path in self.entries if layout.is_golden(path))
        if len(requests) > MAX_GOLDEN:
            raise invalid(
                f"{layout.GOLDEN}/: {len(requests)} requests and {MAX_GOLDEN} are the most; keep the telling ones"
            )
        return [*configurations(self.entries), *requests]


def survey(store: Store, source: Source, policy: Policy) -> Survey:
    """Look at a directory, without reading any large file."""
    listing = persist(store.list, source.shown, policy)
    if listing is None:
        return _by_sums(store, source, policy)
    sizes = {entry.path: entry.size for entry in listing if entry.path}
    present = layout.without_markers(sizes)
    entries = {entry.path: entry for entry in listing if entry.path in present}
    if not entries:
        raise FetchError(Reason.SOURCE_NOT_FOUND, f"{source.shown}: nothing is there; check source.uri and the upload")
    content = _read_sums(store, policy) if entries.pop(sums.NAME, None) else None
    return made_of(entries, content, source)


def made_of(entries: Mapping[str, Entry], content: bytes | None, source: Source) -> Survey:
    """The survey of these files, with SHA256SUMS' content if there is one; the first broken rule is raised."""
    entries = {path: entry for path, entry in entries.items() if path != sums.SIGNATURE}
    if (size := sum(entry.size for entry in entries.values())) > layout.MAX_BYTES:
        raise invalid(f"{source.shown}: {size} bytes, and {layout.MAX_BYTES} are the most; check the source")
    if content is None:
        if source.digest:
            message = (
                f"{source.shown}: has no {sums.NAME}, which source.digest pins; add the list or take the digest out"
            )
            raise invalid(message)
        layout.check(entries.keys())
        digest = sums.digest_of_listing((e.path, e.size, e.tag or "") for e in entries.values())
        return Survey(digest=digest, entries=entries, sums=None, hashes=_by_digest(entries))
    digest = sums.digest_of(content)
    _check_pin(source, digest)
    hashes = sums.parse(content)
    _check_inside(hashes, entries)
    layout.check(hashes.keys())
    layout.check_complete(hashes, entries.keys())
    return Survey(digest=digest, entries=entries, sums=content, hashes=hashes)


def _check_inside(hashes: Mapping[str, str], entries: Mapping[str, Entry]) -> None:
    """A list that was written beside the bundle's directory names every file by a path that is not there."""
    outside = sorted(path for path in hashes if path.endswith(f"/{layout.CONFIG}") and not layout.is_config(path))
    if layout.CONFIG in entries and layout.CONFIG not in hashes and outside:
        raise invalid(
            f"{sums.NAME}: names {outside[0]}, and the source has {layout.CONFIG}; write the list inside the bundle"
        )


def _by_digest(entries: Mapping[str, Entry]) -> dict[str, str]:
    """The hashes that a registry names its files by: they hold a bundle without a list to its bytes, too."""
    return {
        path: entry.tag.removeprefix(_SHA256)
        for path, entry in entries.items()
        if entry.tag and entry.tag.startswith(_SHA256)
    }


def check_unchanged(surveyed: Survey, resolved: Resolved | None, source: Source) -> None:
    """SourceChanged unless the source still has what the revision was made of: these bytes, and as many of them."""
    if resolved and surveyed.digest != resolved.digest:
        what = "the listing" if resolved.unverified else sums.NAME
        message = (
            f"{source.shown}: {what} is {_short(surveyed.digest)} now and was {_short(resolved.digest)} "
            "when the revision was made; put the old bytes back, or change the spec's version to take the new ones"
        )
        raise FetchError(Reason.SOURCE_CHANGED, message)
    if resolved and resolved.size and surveyed.size != resolved.size:
        message = (
            f"{source.shown}: has {surveyed.size} bytes now and had {resolved.size} when the revision was made; "
            "put the old files back, or change the spec's version to take the new ones"
        )
        raise FetchError(Reason.SOURCE_CHANGED, message)


def read_small(store: Store, surveyed: Survey, policy: Policy) -> dict[str, bytes]:
    """Configurations and golden requests, each checked against SHA256SUMS."""
    contents = {}
    for path in surveyed.small_files():
        limit = CONFIG_LIMIT_BYTES if layout.is_config(path) else golden.LIMIT_BYTES
        content = persist(lambda path=path, limit=limit: store.read(path, limit), store.where(path), policy)  # type: ignore[misc]
        filetype.check_file(path, content)
        verify.check(path, content, surveyed.hashes)
        contents[path] = content
        if sum(map(len, contents.values())) > golden.MOST_BYTES:
            raise invalid(f"{layout.GOLDEN}/: more than {golden.MOST_BYTES} bytes; keep the telling requests")
    return contents


def check_stand_ins(store: Store, surveyed: Survey, policy: Policy) -> None:
    """BundleInvalid where a small file only names what belongs there; those of version directories are read first."""
    small = {path for path, entry in surveyed.entries.items() if 0 < entry.size < filetype.MOST_POINTER_BYTES}
    small.difference_update(surveyed.small_files())
    for path in sorted(small, key=lambda path: (not layout.is_in_version(path), path))[:_MOST_LOOKED_AT]:
        content = persist(lambda path=path: store.read(path, golden.LIMIT_BYTES), store.where(path), policy)  # type: ignore[misc]
        filetype.check_file(path, content)


def _by_sums(store: Store, source: Source, policy: Policy) -> Survey:
    content = _read_sums(store, policy, is_file="." in source.file_name or "?" in source.uri)
    _check_pin(source, sums.digest_of(content))
    hashes = sums.parse(content)
    layout.check(hashes.keys())

    def stat(path: str) -> Entry:
        return persist(lambda: store.stat(path), store.where(path), policy)

    with ThreadPoolExecutor(policy.streams, "stat") as threads:
        entries = {entry.path: entry for entry in threads.map(stat, hashes)}
    return made_of(entries, content, source)


def _read_sums(store: Store, policy: Policy, *, is_file: bool = False) -> bytes:
    where = store.where(sums.NAME)
    try:
        content = persist(lambda: store.read(sums.NAME, sums.LIMIT_BYTES), where, policy)
    except FetchError as error:
        if error.reason is not Reason.SOURCE_NOT_FOUND:
            raise
        message = f"{where}: not there, and files are found by it; write it with sha256sum, upload it"
        if is_file:
            message = f"{message}; where source.uri is one file: archives are those that end in {filetype.ARCHIVES}"
        raise FetchError(Reason.SOURCE_NOT_FOUND, message) from None
    filetype.check_no_page(content, where)
    return content


def _check_pin(source: Source, digest: str) -> None:
    if source.digest and digest != source.digest:
        message = (
            f"{source.shown}: {sums.NAME} is {_short(digest)} and source.digest says {_short(source.digest)}; "
            "correct the digest, or upload the bundle that it names"
        )
        raise FetchError(Reason.DIGEST_MISMATCH, message)


def _short(digest: str) -> str:
    return f"{digest[:23]}…"
