"""`slipway-fetch resolve`: is the bundle there, what is it, and would it be served? Nothing is kept on disk."""

import json
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from typing import Any

from slipway.fetch import archive, decryption, golden, layout, model, models, proof, resume, signature, sums, verdict
from slipway.fetch.policy import Policy
from slipway.fetch.progress import Progress
from slipway.fetch.settings import Settings
from slipway.fetch.sources import open_store
from slipway.fetch.stores import Store
from slipway.fetch.survey import Survey, check_stand_ins, read_small, survey
from slipway.fetch.verdict import FetchError, Reason
from slipway.guard import document

log = logging.getLogger(__name__)


def resolve(
    settings: Settings, policy: Policy, beside: Callable[[Store, Survey], None] | None = None
) -> dict[str, Any]:
    """The answer of docs/contracts.md, or the FetchError that says what is wrong. `beside` reads more of a directory
    while it is open; of an archive there is no more than what is streamed."""
    log.info("resolving %s", settings.source.shown)
    look = _stream_once if settings.source.is_archive else _look
    with open_store(settings, policy) as store:
        surveyed, signed, small = look(store, settings, policy)
        if beside and not settings.source.is_archive:
            beside(store, surveyed)
    answer = {**_answer(surveyed, small, settings), **({"signature": signed.document()} if signed else {})}
    log.info("%s: %d files, %d bytes, %s", settings.source.shown, answer["files"], answer["size"], answer["digest"])
    return answer


_Look = tuple[Survey, signature.Signed | None, dict[str, bytes]]


def _look(store: Store, settings: Settings, policy: Policy) -> _Look:
    """Who signed it is looked at before anything in it is parsed."""
    surveyed = survey(store, settings.source, policy)
    signed = _checked(surveyed, settings, lambda: read_signature(store, policy))
    check_stand_ins(store, surveyed, policy)
    return surveyed, signed, read_small(store, surveyed, policy)


def _stream_once(store: Store, settings: Settings, policy: Policy) -> _Look:
    files = archive.SmallFiles()
    members = stream_archive(store, settings, policy, files, most_bytes=None)
    surveyed, root = archive.survey(members, files.contents, settings.source)
    signed = _checked(surveyed, settings, lambda: files.contents.get(root + sums.SIGNATURE))
    return surveyed, signed, {path: files.contents[root + path] for path in surveyed.small_files()}


def _checked(surveyed: Survey, settings: Settings, read: Callable[[], bytes | None]) -> signature.Signed | None:
    """Who signed these files, which are encrypted or plain as the spec says; a FetchError where they are not."""
    signed = signature.check(surveyed, settings, read)
    decryption.check(surveyed.entries, asked=settings.decryption is not None)
    return signed


def read_signature(store: Store, policy: Policy) -> bytes | None:
    """`model.sig` beside the list, or None."""
    where = store.where(sums.SIGNATURE)
    try:
        return resume.persist(lambda: store.read(sums.SIGNATURE, signature.LIMIT_BYTES), where, policy)
    except FetchError as error:
        if error.reason is Reason.SOURCE_NOT_FOUND:
            return None
        raise


def stream_archive(
    store: Store, settings: Settings, policy: Policy, sink: archive.Sink, most_bytes: int | None
) -> dict[str, archive.Member]:
    """Stream the archive into a sink, resumed where its connection breaks."""
    entry = resume.persist(lambda: store.stat(""), settings.source.shown, policy)
    size = entry.size if entry.size >= 0 else None
    progress = Progress(settings.source.shown, size)
    end = resume.UNKNOWN_END if size is None else size
    with (
        progress.reported(policy.report_seconds),
        closing(resume.stream(store, entry, 0, end, policy)) as chunks,
    ):
        return archive.unpack(archive.Reader(progress.counted(chunks)), settings.source, sink, most_bytes)


def _answer(surveyed: Survey, small: Mapping[str, bytes], settings: Settings) -> dict[str, Any]:
    configured = models.configure(small, settings.overlay(), settings.model)
    models.check(configured, decryption.plain_names(surveyed.entries), settings.allowed_backends)
    model.check_held(surveyed.entries.keys() - surveyed.hashes.keys(), settings.allowed_backends)
    proof.check(surveyed.entries, listed=not surveyed.unverified)
    requests = {path: content for path, content in small.items() if layout.is_golden(path)}
    by_model = models.check_golden(configured, requests)
    for own in by_model.values():
        golden.check_telling(own)
    return {
        "digest": surveyed.digest,
        "unverified": surveyed.unverified,
        "size": surveyed.size,
        "files": len(surveyed.entries),
        "golden": len(by_model[""]),
        **({"encrypted": encrypted} if (encrypted := decryption.count(surveyed.entries)) else {}),
        "asks": list(asks(by_model[""])),
        "model": configured.declared(),
    }


def asks(requests: Mapping[str, bytes]) -> Iterator[dict[str, Any]]:
    """The first requests without their answers, no more than could be told at all."""
    room = verdict.LIMIT_BYTES
    for path in sorted(requests):
        # NaN is no JSON, and the protocol writes it as text.
        parsed = document.read(requests[path], not_a_number=str)
        # Of a sequence its first request, which is one by itself: what follows has no answer without it.
        first = parsed[0] if isinstance(parsed, list) else parsed
        asked = {name: first[name] for name in ("inputs", "parameters") if name in first}
        room -= len(json.dumps(asked))
        if room < 0:
            return
        yield asked
