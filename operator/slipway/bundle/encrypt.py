"""Encryption for the way and the store, in age's format: weights are read by who has the key, config.pbtxt by all.

SHA256SUMS is written over what is encrypted, so a store, a copy and a signature need no key. What the resolve Job reads
stays plain: config.pbtxt, golden requests and the card.
"""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from slipway.bundle import directory
from slipway.bundle.assemble import quiet
from slipway.bundle.check import check
from slipway.bundle.errors import BundleError, need
from slipway.bundle.place import explained
from slipway.fetch import decryption, sums

_INSTALL: Final = "'slipway-serving[bundle]'"
_WHY: Final = "it encrypts"


@dataclass(frozen=True, kw_only=True)
class Encrypted:
    """An encrypted bundle that was written."""

    directory: Path
    digest: str
    original: str
    files: Sequence[str]
    recipients: int

    def document(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "directory": str(self.directory),
            "digest": self.digest,
            "original": self.original,
            "files": list(self.files),
            "recipients": self.recipients,
        }


def encrypt(
    bundle: str | Path,
    *,
    out: str | Path,
    recipients: Sequence[str],
    replace: bool = False,
    say: Callable[[str], None] = quiet,
) -> Encrypted:
    """Write a bundle whose weights only the holders of a recipient's identity can read; it is not signed yet."""
    folder = Path(bundle)
    keys = [_recipient(text) for text in recipients]
    if not keys:
        raise BundleError("recipients: there are none; give at least one, as age-keygen prints it (age1…)")
    if encrypted := encrypted_in(folder):
        raise BundleError(f"{encrypted[0]}: it is encrypted already; encrypt the plain bundle anew, to all recipients")
    directory.check_beside(Path(out), folder)
    original = check(folder).digest
    paths = directory.listed(folder)
    secret = [path for path in paths if not decryption.stays_plain(path)]
    pyrage: Any = need("pyrage", install=_INSTALL, why=_WHY)
    with directory.staged(Path(out), replace=replace) as new:
        plain = {path: folder / path for path in paths if decryption.stays_plain(path)}
        directory.fill(new, plain, others=[f"{path}{decryption.SUFFIX}" for path in secret])
        for path in secret:
            say(f"encrypting {path}")
            target = new / f"{path}{decryption.SUFFIX}"
            target.parent.mkdir(parents=True, exist_ok=True)
            with (folder / path).open("rb") as source, target.open("wb") as sink:
                pyrage.encrypt_io(source, sink, keys)
        digest = directory.seal(new)
    return Encrypted(directory=Path(out), digest=digest, original=original, files=secret, recipients=len(keys))


@contextmanager
def decrypted(bundle: str | Path, identities: str | Path) -> Iterator[tuple[Path, str]]:
    """The plain bundle for as long as the block runs, and the digest of the encrypted one."""
    folder = Path(bundle)
    file = Path(identities)
    if not file.is_file():
        raise BundleError(f"{file}: cannot be read; give a file of age-keygen's")
    if not encrypted_in(folder):
        raise BundleError(f"{bundle}: nothing in it is encrypted, and a key was given; check it without one")
    need("pyrage", install=_INSTALL, why=_WHY)
    hashes = directory.verified(folder)
    digest = sums.digest_of((folder / sums.NAME).read_bytes())
    with tempfile.TemporaryDirectory(prefix="slipway-decrypt-") as scratch, explained():
        plain = Path(scratch) / folder.resolve().name
        keys = decryption.read_identities([file], str(file.parent))
        decryption.decrypt(folder, hashes, plain, keys=keys, where=str(file))
        directory.seal(plain)
        yield plain, digest


def encrypted_in(folder: Path) -> list[str]:
    """The files of a bundle that are encrypted."""
    if not folder.is_dir():
        raise BundleError(f"{folder}: no such directory; name a bundle's")
    return [path for path in directory.listed(folder) if path.endswith(decryption.SUFFIX)]


def _recipient(text: str) -> Any:
    """A public key of age's: pods decrypt with no other kind."""
    pyrage: Any = need("pyrage", install=_INSTALL, why=_WHY)
    try:
        return pyrage.x25519.Recipient.from_str(text.strip())
    except (pyrage.RecipientError, ValueError) as error:
        shown = "a secret key" if text.startswith("AGE-SECRET-KEY") else repr(text[:60])
        raise BundleError(f"recipients: {shown}: {error}; give a public key of age-keygen's (age1…)") from None
