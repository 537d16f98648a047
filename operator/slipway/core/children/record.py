"""A revision's record on its ConfigMap, packed: a lost ControllerRevision is made again from it."""

import base64
import zlib
from contextlib import suppress
from typing import Final

import orjson

from slipway.core.children.revision import RevisionRecord, controller_revision
from slipway.core.names import DOMAIN, Manifest
from slipway.core.owner import Owner

RECORD: Final = f"{DOMAIN}/record"
"""Annotation on a revision's ConfigMap: the packed ControllerRevision data."""

RECORD_FITS: Final = 255 * 1024
"""Kubernetes takes no more than 256 KiB in all annotations of an object. A larger record is kept once only."""


def packed(record: RevisionRecord, owner: Owner) -> str:
    """A record as text for an annotation: its ControllerRevision, but for the number."""
    data = orjson.dumps(controller_revision(record, owner=owner, number=0), option=orjson.OPT_SORT_KEYS)
    return base64.b64encode(zlib.compress(data, 9)).decode()


def unpacked(text: str) -> RevisionRecord:
    """The record in an annotation; ValueError when it is none of ours."""
    try:
        return RevisionRecord.from_controller_revision(orjson.loads(zlib.decompress(base64.b64decode(text))))
    except (zlib.error, AttributeError, KeyError, TypeError) as error:
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
    text = packed(record, owner)
    if before and before != text:
        with suppress(ValueError):
            if packed(unpacked(before), owner) == text:
                return before
    return text
