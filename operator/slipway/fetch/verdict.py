"""What the fetcher says when it ends: an answer or a verdict, as compact JSON in the termination log.

docs/contracts.md has the shapes. Kubernetes cuts the message at 4,096 bytes, so what does not fit is cut here, where it
can be done without breaking the JSON.
"""

import json
import logging
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

LIMIT_BYTES: Final = 4096
MAX_TENSORS: Final = 32

log = logging.getLogger(__name__)


class Reason(StrEnum):
    """Why a fetch failed. The same words as `slipway.core.reasons.Reason`, which this image does not carry."""

    SOURCE_UNAVAILABLE = "SourceUnavailable"
    """No connection, no name, or the store answers 5xx."""
    SOURCE_DENIED = "SourceDenied"
    """401 or 403."""
    SOURCE_NOT_FOUND = "SourceNotFound"
    """404, an empty prefix, or a file that SHA256SUMS names and the source lacks."""
    FETCH_STALLED = "FetchStalled"
    """No byte came for the stall time, reconnecting included."""
    FETCH_FAILED = "FetchFailed"
    """Anything else of the transport."""
    BUNDLE_TRUNCATED = "BundleTruncated"
    """Fewer bytes than promised."""
    BUNDLE_CORRUPT = "BundleCorrupt"
    """A file's hash is not what SHA256SUMS says."""
    DIGEST_MISMATCH = "DigestMismatch"
    """SHA256SUMS is not what `source.digest` pins."""
    SOURCE_CHANGED = "SourceChanged"
    """What is under the address is not what the revision was made of."""
    BUNDLE_INVALID = "BundleInvalid"
    """Layout, a name, a link, config.pbtxt or a golden file."""
    SPEC_INVALID = "SpecInvalid"
    """The overlay does not fit the model, or the source cannot be read."""
    STORAGE_FULL = "StorageFull"
    """The bundle does not fit the volume."""
    SIGNATURE_MISSING = "SignatureMissing"
    """`source.signature` asks for one, and the source has none."""
    SIGNATURE_WRONG = "SignatureWrong"
    """It is none, or not over exactly these files."""
    SIGNER_UNKNOWN = "SignerUnknown"
    """None, or too few, of the named keys have signed."""
    BACKEND_NOT_ALLOWED = "BackendNotAllowed"
    """The platform lets no model have this backend, or bring code of its own beside it."""
    DECRYPTION_FAILED = "DecryptionFailed"
    """A file cannot be decrypted, or the bundle is encrypted where the spec says otherwise, or the other way round."""
    KEY_MISSING = "KeyMissing"
    """The ConfigMap or Secret that the spec names has no key that can be used."""


class FetchError(Exception):
    """A verdict on its way out. `transient` says that asking again soon may help."""

    def __init__(self, reason: Reason, message: str, *, transient: bool = False) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.transient = transient


def invalid(message: str) -> FetchError:
    """The bundle breaks a rule."""
    return FetchError(Reason.BUNDLE_INVALID, message)


def shown(items: list[str], most: int = 3) -> str:
    """A few names for a sentence: `a, b, c and 4 more`."""
    more = f" and {len(items) - most} more" if len(items) > most else ""
    return ", ".join(items[:most]) + more


def verdict_text(error: FetchError) -> str:
    """The termination message of a failure."""
    message = error.message
    while len(text := _compact({"reason": error.reason.value, "message": message})) > LIMIT_BYTES:
        message = message[: len(message) * 3 // 4] + "…"
    return text.decode()


def answer_text(resolved: Mapping[str, Any]) -> str:
    """The termination message of `resolve`: as many of the requests as fit, and where it is too long without any,
    lists of tensors are shortened."""
    asks, most = list(resolved.get("asks", ())), MAX_TENSORS
    while len(text := _compact({"resolved": _shortened(resolved, asks, most)})) > LIMIT_BYTES and (asks or most):
        if asks:
            asks.pop()
        else:
            most //= 2
    return text.decode()


def write(path: Path, text: str) -> None:
    """Leave the message where the kubelet looks; by hand, outside a pod, there may be no such place."""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        log.warning("the termination message cannot be written to %s: %s", path, error.strerror)


def _shortened(resolved: Mapping[str, Any], asks: Sequence[Any], most: int) -> dict[str, Any]:
    model = dict(resolved["model"])
    model["inputs"] = model["inputs"][:most]
    model["outputs"] = model["outputs"][:most]
    rest = {name: value for name, value in resolved.items() if name != "asks"}
    return {**rest, "model": model, **({"asks": list(asks)} if asks else {})}


def _compact(value: object) -> bytes:
    # A name out of an archive need not be UTF-8.
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode(errors="replace")
