"""Signatures in OpenSSF's format (OMS), by its own package: who vouches for exactly these bytes.

The signature stands beside SHA256SUMS, names every file of it and the list itself, and changes no digest. What is
signed is what was checked, and what is verified must be signed whole: a signature over fewer files than are served is
none.
"""

import base64
import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from slipway.bundle import directory
from slipway.bundle.check import check
from slipway.bundle.encrypt import encrypted_in
from slipway.bundle.errors import BundleError, need
from slipway.fetch import sums
from slipway.fetch.signature import LIMIT_BYTES, MOST_SIGNATURES, Key, parsed, public_key, signers_of
from slipway.fetch.verdict import FetchError

_INSTALL: Final = "'slipway-serving[sign]'"
_WHY: Final = "it makes and reads signatures"
_REMEDY: Final = (
    "see that it is the EC key in PEM form that is meant (openssl ecparam -name prime256v1 -genkey -noout -out key.pem)"
)


@dataclass(frozen=True, kw_only=True)
class Signed:
    """A bundle with its signature."""

    digest: str
    keys: tuple[str, ...]
    """The SHA-256 of each public key that verifies it, of those that were given."""
    signatures: int
    """All that it has, by whatever keys."""
    files: int

    def document(self) -> dict[str, Any]:
        """As JSON has it."""
        return {"digest": self.digest, "keys": list(self.keys), "signatures": self.signatures, "files": self.files}


Keys = str | Path | Sequence[str | Path]
"""One file, or several."""


def sign(
    bundle: str | Path, *, key: Keys, password: str | None = None, add: bool = False, replace: bool = False
) -> Signed:
    """Sign a checked bundle with EC keys in PEM form. A signature that is there is kept, with `add`, or else made anew
    with `replace` alone."""
    folder, target = Path(bundle), Path(bundle) / sums.SIGNATURE
    if target.exists() and not (add or replace):
        raise BundleError(
            f"{target}: it is signed already; say add=True (--add) to sign it as well, or replace=True (--replace) to "
            "sign it anew"
        )
    hashes = _listed(folder)
    if not encrypted_in(folder):
        check(folder)
    content = _covering(target, hashes) if add and not replace and target.exists() else None
    made = []
    for file in _files(key):
        one, public = _made(folder, file, password)
        content = one if content is None else _beside(content, one, public)
        made.append(public)
    if content is None:
        raise BundleError("key: names none; give a private EC key in PEM form")
    _covers_all(content, hashes)
    _put(content, folder, target)
    return _signed(content, folder, hashes, made)


def _put(content: bytes, folder: Path, target: Path) -> None:
    """By way of a name beside the bundle, where nothing is listed; a bundle that is mounted has nothing beside it."""
    part = folder.resolve().with_name(f".{folder.resolve().name}.{sums.SIGNATURE}")
    try:
        part.write_bytes(content)
        part.replace(target)
    except OSError:
        part.unlink(missing_ok=True)
        target.write_bytes(content)


def verify(bundle: str | Path, *, key: Keys) -> Signed:
    """Whether the holder of each key signed exactly this bundle, by the fetcher's own code; BundleError otherwise."""
    folder, target = Path(bundle), Path(bundle) / sums.SIGNATURE
    hashes = _listed(folder)
    if not target.is_file():
        raise BundleError(f"{target}: it is not signed; sign it with slipway sign")
    content = _covering(target, hashes)
    keys = [_public(file) for file in _files(key)]
    for each in keys:
        if not _signed_by(content, each):
            raise BundleError(f"{target}: not signed by {each.label}; see that the key is the one that is meant")
    return _signed(content, folder, hashes, keys)


def _files(key: Keys) -> list[Path]:
    return [Path(key)] if isinstance(key, str | Path) else [Path(each) for each in key]


def _made(folder: Path, key: Path, password: str | None) -> tuple[bytes, Key]:
    """The signature of one key, and its public part."""
    secret = password.encode() if password else None  # the package says str and wants bytes
    signing: Any = need("model_signing.signing", install=_INSTALL, why=_WHY)
    serialization: Any = need("cryptography.hazmat.primitives.serialization", install=_INSTALL, why=_WHY)
    with tempfile.TemporaryDirectory(prefix="slipway-sign-") as scratch, _explained(f"{key}"):
        made, public = Path(scratch) / sums.SIGNATURE, Path(scratch) / key.name
        signer = signing.Config().use_elliptic_key_signer(private_key=key, password=secret)
        signer.set_hashing_config(_hashing()).sign(folder, made)
        public.write_bytes(
            serialization.load_pem_private_key(key.read_bytes(), secret)
            .public_key()
            .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        )
        return made.read_bytes(), _public(public)


def _beside(content: bytes, made: bytes, key: Key) -> bytes:
    """The signatures with that of one key more, unless it is there. All are over one statement."""
    if _signed_by(content, key):
        return content
    whole = json.loads(content)
    if whole["dsseEnvelope"]["payload"] != json.loads(made)["dsseEnvelope"]["payload"]:
        raise BundleError(
            f"{sums.SIGNATURE}: its statement was written by another version of model-signing; nothing can be added to "
            "it, so let all sign anew, the first one with --replace"
        )
    signatures = [*whole["dsseEnvelope"]["signatures"], *json.loads(made)["dsseEnvelope"]["signatures"]]
    if len(signatures) > MOST_SIGNATURES:
        raise BundleError(
            f"{sums.SIGNATURE}: {len(signatures)} signatures, and {MOST_SIGNATURES} are read; name fewer keys"
        )
    whole["dsseEnvelope"]["signatures"] = signatures
    return json.dumps(whole).encode()


def _public(file: Path) -> Key:
    try:
        return public_key(file, "key")
    except OSError as error:
        raise BundleError(f"{file}: {error.strerror}; give a key in PEM form") from None
    except FetchError as error:
        raise BundleError(error.message) from None


def _signed_by(content: bytes, key: Key) -> bool:
    try:
        return bool(signers_of(parsed(content), [key]))
    except FetchError as error:
        raise BundleError(error.message) from None


def _covering(target: Path, hashes: dict[str, str]) -> bytes:
    """The signature that is there, over exactly these files."""
    if target.stat().st_size > LIMIT_BYTES:
        raise BundleError(f"{target}: larger than {LIMIT_BYTES} bytes, which no signature is; sign it again")
    content = target.read_bytes()
    _covers_all(content, hashes)
    return content


def _listed(folder: Path) -> dict[str, str]:
    """What the signature must name, each with its hash: the files, and the list of them."""
    return {**directory.verified(folder), sums.NAME: directory.sha256(folder / sums.NAME)}


def _hashing() -> Any:
    hashing: Any = need("model_signing.hashing", install=_INSTALL, why=_WHY)
    return hashing.Config().set_ignored_paths(paths=[Path(sums.SIGNATURE)], ignore_git_paths=False)


def _covers_all(content: bytes, hashes: dict[str, str]) -> None:
    """The signature names all files of the bundle and no other, whatever it says that it ignores."""
    named = {resource["name"]: resource["digest"] for resource in _statement(content)["predicate"]["resources"]}
    for path in sorted(hashes.keys() | named.keys()):
        if hashes.get(path) != named.get(path):
            how = (
                "not signed" if path not in named else "not there" if path not in hashes else "signed with another hash"
            )
            raise BundleError(f"{sums.SIGNATURE}: {path} is {how}; sign the bundle again")


def _statement(content: bytes) -> Any:
    try:
        statement = json.loads(base64.b64decode(_envelope(content)["payload"]))
        resources = statement["predicate"]["resources"]
        assert all(isinstance(resource["name"], str) and isinstance(resource["digest"], str) for resource in resources)
    except (ValueError, TypeError, KeyError, AssertionError, RecursionError):
        raise BundleError(f"{sums.SIGNATURE}: not a signature in OpenSSF's format; sign the bundle again") from None
    return statement


def _envelope(content: bytes) -> Any:
    return json.loads(content)["dsseEnvelope"]


def _signed(content: bytes, folder: Path, hashes: dict[str, str], keys: Sequence[Key]) -> Signed:
    return Signed(
        digest=sums.digest_of((folder / sums.NAME).read_bytes()),
        keys=tuple(f"sha256:{key.hash}" for key in keys),
        signatures=len(_envelope(content)["signatures"]),
        files=len(hashes),
    )


@contextmanager
def _explained(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        name = os.fspath(error.filename) if error.filename else what
        raise BundleError(f"{name}: {error.strerror}; give a key in PEM form") from None
    except Exception as error:  # noqa: BLE001  the package raises what its own packages raise
        words = " ".join(str(error).split())[:300] or type(error).__name__
        if isinstance(error, AttributeError):  # what it makes of an RSA or Ed25519 key
            words = "holds a key of another kind than EC"
        remedy = "say its password (--password, SLIPWAY_KEY_PASSWORD)" if "assword" in words else _REMEDY
        raise BundleError(f"{what}: {words}; {remedy}") from None
