"""Who vouches for a bundle: its `model.sig` (OpenSSF model signing, OMS) against the public keys that the spec names.

What is signed is a list of files with their hashes, and SHA256SUMS is that list: so the verdict needs no byte of
weights. The cryptography is that of in-toto's own library, securesystemslib, and of `cryptography` under it.
"""

import hashlib
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from slipway.fetch import sums
from slipway.fetch.policy import MIB
from slipway.fetch.settings import Settings, Signature, mounted
from slipway.fetch.survey import Survey
from slipway.fetch.verdict import FetchError, Reason, shown

LIMIT_BYTES: Final = MIB
MOST_SIGNATURES: Final = 16
_PAYLOAD: Final = "application/vnd.in-toto+json"
_PREDICATE: Final = "https://model_signing/signature/v1.0"
_AGAIN: Final = "sign the bundle again, as its last change"
_FAULTS: Final = frozenset(
    {Reason.SIGNATURE_MISSING, Reason.SIGNATURE_WRONG, Reason.SIGNER_UNKNOWN, Reason.KEY_MISSING}
)

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Signed:
    """What came of looking for a signature."""

    by: tuple[str, ...] = ()
    """The keys that verified it: their names in the ConfigMap, with the start of their hashes."""
    warning: str | None = None
    """What is wrong with it, where the spec only wants to be warned."""

    def document(self) -> dict[str, Any]:
        """As the answer has it."""
        return {"signedBy": list(self.by)} if self.warning is None else {"warning": self.warning}


@dataclass(frozen=True, kw_only=True)
class Key:
    """A public key."""

    name: str
    hash: str
    """As model-signing names a key: SHA-256 of its PEM."""
    public: Any

    @property
    def label(self) -> str:
        """For messages."""
        return f"{self.name} (sha256:{self.hash[:12]})"


def check(surveyed: Survey, settings: Settings, read: Callable[[], bytes | None]) -> Signed | None:
    """Who signed exactly these files; None where the spec does not ask. `read` gets the signature, None if there is
    none. A FetchError says what is wrong, unless a warning is enough."""
    asked = settings.signature
    if asked is None:
        return None
    try:
        return Signed(by=tuple(key.label for key in _signers(surveyed, asked, settings.keys, read)))
    except FetchError as error:
        if asked.required or error.reason not in _FAULTS:
            raise
        log.warning("%s: %s", error.reason, error.message)
        return Signed(warning=f"{error.reason.value}: {error.message}"[:400])


def _signers(surveyed: Survey, asked: Signature, folder: Path, read: Callable[[], bytes | None]) -> list[Key]:
    keys = _keys(folder, asked)
    if surveyed.sums is None:
        message = f"{sums.NAME}: not there, and a signature is made of it; write the list, then sign"
        raise FetchError(Reason.SIGNATURE_MISSING, message)
    content = _read(read)
    if content is None:
        message = f"{sums.SIGNATURE}: not there, and source.signature asks for it; sign with slipway sign, upload it"
        raise FetchError(Reason.SIGNATURE_MISSING, message)
    bundle = parsed(content)
    signers = signers_of(bundle, keys)
    if len(signers) < asked.threshold:
        raise _too_few(bundle, keys, signers, asked)
    listed = {**surveyed.hashes, sums.NAME: hashlib.sha256(surveyed.sums).hexdigest()}
    _check_covers(_resources(bundle), listed)
    return signers


def _read(read: Callable[[], bytes | None]) -> bytes | None:
    try:
        content = read()
    except FetchError as error:
        if error.reason is Reason.BUNDLE_INVALID:  # the store's word for a file over its limit
            raise _wrong(f"larger than {LIMIT_BYTES} bytes") from None
        raise
    if content is not None and len(content) > LIMIT_BYTES:
        raise _wrong(f"larger than {LIMIT_BYTES} bytes")
    return content


# -- keys


def _keys(folder: Path, asked: Signature) -> list[Key]:
    """The ConfigMap's entries; one key under two names is one key."""
    where = f"ConfigMap {asked.config_map_name} of source.signature"
    files = mounted(folder)
    if not files:
        raise _no_key(f"{where}: not there, or holds no key; put the signer's public key into it, in PEM form")
    keys = {key.hash: key for key in (public_key(file, where) for file in reversed(files))}
    if len(keys) < asked.threshold:
        raise _no_key(f"{where}: holds {len(keys)} keys and threshold is {asked.threshold}; add keys, or lower it")
    return sorted(keys.values(), key=lambda key: key.name)


def public_key(path: Path, where: str) -> Key:
    """A key in PEM form; KeyMissing for what is none."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
    from securesystemslib.signer import SSlibKey  # type: ignore[attr-defined]

    content = path.read_bytes()
    if (count := content.count(b"-----BEGIN ")) > 1:
        raise _no_key(f"{where}: {path.name} holds {count} keys; give each a name of its own")
    try:
        public = load_pem_public_key(content)
        text = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        hashed = hashlib.sha256(text).hexdigest()
        return Key(name=path.name, hash=hashed, public=SSlibKey.from_crypto(public, keyid=hashed))
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise _no_key(
            f"{where}: {path.name} is no public key in PEM form of a kind that signs; put an EC key's public part there"
        ) from None


def _no_key(message: str) -> FetchError:
    return FetchError(Reason.KEY_MISSING, message)


# -- the envelope


def parsed(content: bytes) -> Mapping[str, Any]:
    """A signature file; SignatureWrong for what is none."""
    try:
        bundle = json.loads(content)
        signatures = bundle["dsseEnvelope"]["signatures"]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise _wrong("not a signature in OpenSSF's format") from None
    if not isinstance(bundle, dict) or not isinstance(signatures, list):
        raise _wrong("not a signature in OpenSSF's format")
    if not 0 < len(signatures) <= MOST_SIGNATURES:
        raise _wrong(f"holds {len(signatures)} signatures, and 1 to {MOST_SIGNATURES} are read")
    return bundle


def signers_of(bundle: Mapping[str, Any], keys: Sequence[Key]) -> list[Key]:
    """Those of the keys that made one of its signatures."""
    return [key for key in keys if any(_verifies(bundle, one, key) for one in bundle["dsseEnvelope"]["signatures"])]


def _verifies(bundle: Mapping[str, Any], signature: Any, key: Key) -> bool:
    """model-signing leaves `keyid` empty, and the library compares it: every signature is tried with every key."""
    from securesystemslib.dsse import Envelope
    from securesystemslib.exceptions import VerificationError

    try:
        one = {**bundle["dsseEnvelope"], "signatures": [{**signature, "keyid": key.hash}]}
        envelope = Envelope.from_dict(one)
    except Exception:  # noqa: BLE001  what stands in a signature is anybody's, and the library takes it as it comes
        raise _wrong("not a signature in OpenSSF's format") from None
    try:
        envelope.verify([key.public], 1)
    except VerificationError:
        return False
    return True


def _too_few(bundle: Mapping[str, Any], keys: list[Key], signers: list[Key], asked: Signature) -> FetchError:
    said = _hint(bundle)
    if not signers and (named := next((key for key in keys if key.hash == said), None)):
        return _wrong(f"names the key {named.label}, and is not what that key signed")
    if signers:
        problem = f"signed by {shown([key.label for key in signers])}, and {asked.threshold} of the keys have to"
    else:
        by = f" but by sha256:{said[:12]}" if said else ""
        problem = f"not signed by {shown([key.label for key in keys])}{by}"
    where = f"ConfigMap {asked.config_map_name}"
    message = f"{sums.SIGNATURE}: {problem}; let who may sign it, or add the signer's public key to {where}"
    return FetchError(Reason.SIGNER_UNKNOWN, message)


def _hint(bundle: Mapping[str, Any]) -> str | None:
    """The key that a signature names. It is not signed: good for a message and for nothing else."""
    try:
        hint = bundle["verificationMaterial"]["publicKey"]["hint"]
    except (TypeError, KeyError):
        return None
    return hint if isinstance(hint, str) and hint.isascii() and hint.isalnum() else None


# -- what is signed


def _resources(bundle: Mapping[str, Any]) -> dict[str, str]:
    """The files that a verified statement names; what it says that it ignores is not obeyed."""
    from securesystemslib.dsse import Envelope

    envelope = Envelope.from_dict({**bundle["dsseEnvelope"], "signatures": []})
    try:
        statement = json.loads(envelope.payload)
        kinds = (envelope.payload_type, statement["predicateType"])
        named = [
            (resource["name"], resource["digest"], resource["algorithm"])
            for resource in statement["predicate"]["resources"]
        ]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise _wrong("signs something that is no list of files") from None
    if kinds != (_PAYLOAD, _PREDICATE) or not all(isinstance(word, str) for resource in named for word in resource):
        raise _wrong("signs something that is no list of files")
    if odd := next((name for name, _, algorithm in named if algorithm != "sha256"), None):
        raise _wrong(f"{odd} is signed with another hash function than SHA-256")
    resources = {name: digest for name, digest, _ in named}
    if len(resources) != len(named):
        raise _wrong("names a file twice")
    return resources


def _check_covers(signed: Mapping[str, str], listed: Mapping[str, str]) -> None:
    """The two lists are one: a signature over fewer files than are served is none."""
    for path in sorted(listed.keys() | signed.keys()):
        if listed.get(path) != signed.get(path):
            how = "is not signed" if path not in signed else f"is not in {sums.NAME}" if path not in listed else ""
            raise _wrong(f"{path} {how or 'is signed with another hash'}")


def _wrong(what: str) -> FetchError:
    return FetchError(Reason.SIGNATURE_WRONG, f"{sums.SIGNATURE}: {what}; {_AGAIN}")
