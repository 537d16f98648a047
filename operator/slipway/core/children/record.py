"""A revision's record on its ConfigMap, packed: a lost ControllerRevision is made again from it."""

import base64
import zlib
from contextlib import suppress
from typing import Final

import orjson

from slipway.core.children.revision import MOST_BYTES, RevisionRecord, controller_revision
from slipway.core.names import DOMAIN, Manifest
from slipway.core.owner import Owner

RECORD: Final = f"{DOMAIN}/record"
"""Annotation on a revision's ConfigMap: the packed ControllerRevision data."""

RECORD_FITS: Final = 255 * 1024
"""Kubernetes takes no more than 256 KiB in all annotations of an object. A larger record is kept once only."""


def unpacked(text: str) -> RevisionRecord:
    """The record in an annotation; ValueError when it is none of ours."""
    try:
        return RevisionRecord.from_controller_revision(orjson.loads(_inflated(text)))
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"not a packed revision: {error}") from error


def with_record(config_map: Manifest, record: RevisionRecord, owner: Owner, before: str) -> Manifest:
    """A revision's ConfigMap with its record. `before`: the record that the ConfigMap in the cluster has."""
    text = _packed_again(before, record, owner)
    if len(text) > RECORD_FITS:
        return config_map
    meta = config_map["metadata"]
    annotations = {**(meta.get("annotations") or {}), RECORD: text}
    return {**config_map, "metadata": {**meta, "annotations": annotations}}


def _packed_again(before: str, record: RevisionRecord, owner: Owner) -> str:
    """As the annotation has it where that says the same: no two builds of zlib write the same bytes."""
    data = _written(record, owner)
    # Inflating takes a tenth of the time of deflating, and most passes find what they wrote.
    return before if before and _says(before, data, owner) else base64.b64encode(zlib.compress(data, 9)).decode()


def _says(text: str, data: bytes, owner: Owner) -> bool:
    with suppress(ValueError):
        return _inflated(text) == data or _written(unpacked(text), owner) == data
    return False


def _written(record: RevisionRecord, owner: Owner) -> bytes:
    return orjson.dumps(controller_revision(record, owner=owner, number=0), option=orjson.OPT_SORT_KEYS)


def _inflated(text: str) -> bytes:
    """What was deflated; ValueError where it is larger than any record, or nothing of ours: anybody may have written
    it, and a hundred KiB inflate to a hundred MiB."""
    inflater = zlib.decompressobj()
    try:
        data = inflater.decompress(base64.b64decode(text), MOST_BYTES + 1)
    except zlib.error as error:
        raise ValueError(f"not a packed revision: {error}") from error
    if not inflater.eof:
        raise ValueError(f"not a packed revision: cut off, or more than {MOST_BYTES} bytes")
    return data
