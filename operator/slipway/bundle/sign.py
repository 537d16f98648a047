"""Signatures in OpenSSF's format (OMS), by its own package: who vouches for exactly these bytes.

The signature stands beside SHA256SUMS, names every file of it and the list itself, and changes no digest. What is
signed is what was checked, and what is verified must be signed whole: a signature over fewer files than are served is
none.
"""

import base64
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from slipway.bundle import directory
from slipway.bundle.check import check
from slipway.bundle.encrypt import encrypted_in
from slipway.bundle.errors import BundleError, need
from slipway.fetch import sums
from slipway.fetch.signature import LIMIT_BYTES

_INSTALL: Final = "'slipway[sign]'"
_WHY: Final = "it makes and reads signatures"


@dataclass(frozen=True, kw_only=True)
class Signed:
    """A bundle with its signature."""

    digest: str
    key: str
    """The SHA-256 of the public key that verifies it."""
    files: int

    def document(self) -> dict[str, Any]:
        """As JSON has it."""
        return {"digest": self.digest, "key": self.key, "files": self.files}


def sign(bundle: str | Path, *, key: str | Path, password: str | None = None, replace: bool = False) -> Signed:
    """Sign a checked bundle with an EC key in PEM form."""
    folder, target = Path(bundle), Path(bundle) / sums.SIGNATURE
    if target.exists() and not replace:
        raise BundleError(f"{target}: it is signed already; say replace=True (--replace) to sign it anew")
    hashes = _listed(folder)
    if not encrypted_in(folder):
        check(folder)
    secret = password.encode() if password else None  # the package says str and wants bytes
    signing: Any = need("model_signing.signing", install=_INSTALL, why=_WHY)
    with tempfile.TemporaryDirectory(prefix="slipway-sign-") as scratch, _explained(f"{key}"):
        made = Path(scratch) / sums.SIGNATURE
        signer = signing.Config().use_elliptic_key_signer(private_key=Path(key), password=secret)
        signer.set_hashing_config(_hashing()).sign(folder, made)
        content = made.read_bytes()
    _covers_all(content, hashes)
    part = folder.resolve().with_name(f".{folder.resolve().name}.{sums.SIGNATURE}")
    part.write_bytes(content)
    part.replace(target)
    return _signed(content, folder, hashes)


def verify(bundle: str | Path, *, key: str | Path) -> Signed:
    """Whether the holder of a key signed exactly this bundle; BundleError otherwise."""
    folder, signature = Path(bundle), Path(bundle) / sums.SIGNATURE
    hashes = _listed(folder)
    if not signature.is_file():
        raise BundleError(f"{signature}: it is not signed; sign it with slipway sign")
    if signature.stat().st_size > LIMIT_BYTES:
        raise BundleError(f"{signature}: larger than {LIMIT_BYTES} bytes, which no signature is; sign it again")
    content = signature.read_bytes()
    _covers_all(content, hashes)
    verifying: Any = need("model_signing.verifying", install=_INSTALL, why=_WHY)
    with _explained(f"{signature}"):
        verifier = verifying.Config().use_elliptic_key_verifier(public_key=Path(key))
        verifier.set_hashing_config(_hashing()).verify(folder, signature)
    return _signed(content, folder, hashes)


def _listed(folder: Path) -> dict[str, str]:
    """What the signature must name, each with its hash: the files, and the list of them."""
    return {**directory.verified(folder), sums.NAME: directory.sha256(folder / sums.NAME)}


def _hashing() -> Any:
    hashing: Any = need("model_signing.hashing", install=_INSTALL, why=_WHY)
    return hashing.Config().set_ignored_paths(paths=[Path(sums.SIGNATURE)], ignore_git_paths=False)


def _covers_all(content: bytes, hashes: dict[str, str]) -> None:
    """The signature names all files of the bundle and no other, whatever it says that it ignores."""
    named = {found["name"]: found["digest"] for found in _statement(content)["predicate"]["resources"]}
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
        assert all(isinstance(found["name"], str) and isinstance(found["digest"], str) for found in resources)
    except (ValueError, TypeError, KeyError, AssertionError):
        raise BundleError(f"{sums.SIGNATURE}: not a signature in OpenSSF's format; sign the bundle again") from None
    return statement


def _envelope(content: bytes) -> Any:
    return json.loads(content)["dsseEnvelope"]


def _signed(content: bytes, folder: Path, hashes: dict[str, str]) -> Signed:
    hint = json.loads(content)["verificationMaterial"].get("publicKey", {}).get("hint", "")
    return Signed(digest=sums.digest_of((folder / sums.NAME).read_bytes()), key=f"sha256:{hint}", files=len(hashes))


@contextmanager
def _explained(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        name = os.fspath(error.filename) if error.filename else what
        raise BundleError(f"{name}: {error.strerror}; give a key in PEM form") from None
    except Exception as error:  # noqa: BLE001  the package raises what its own packages raise
        words = " ".join(str(error).split())[:300] or type(error).__name__
        raise BundleError(
            f"{what}: {words}; see that the key is an EC key in PEM form and the one that is meant"
        ) from None
