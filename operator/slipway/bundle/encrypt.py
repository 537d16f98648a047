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

from slipway.bundle import card, directory
from slipway.bundle.assemble import quiet
from slipway.bundle.check import check
from slipway.bundle.errors import BundleError, need
from slipway.fetch import layout, sums

SUFFIX: Final = ".age"
_HIDDEN: Final = ".decrypting"
_INSTALL: Final = "'slipway[bundle]'"
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
    original = check(folder).digest
    paths = directory.listed(folder)
    secret = [path for path in paths if not _plain(path)]
    pyrage: Any = need("pyrage", install=_INSTALL, why=_WHY)
    with directory.staged(Path(out), replace=replace) as new:
        plain = {path: folder / path for path in paths if _plain(path)}
        directory.fill(new, plain, others=[f"{path}{SUFFIX}" for path in secret])
        for path in secret:
            say(f"encrypting {path}")
            target = new / f"{path}{SUFFIX}"
            target.parent.mkdir(parents=True, exist_ok=True)
            with (folder / path).open("rb") as source, target.open("wb") as sink:
                pyrage.encrypt_io(source, sink, keys)
        digest = directory.seal(new)
    return Encrypted(directory=Path(out), digest=digest, original=original, files=secret, recipients=len(keys))


@contextmanager
def decrypted(bundle: str | Path, identities: str | Path) -> Iterator[tuple[Path, str]]:
    """The plain bundle for as long as the block runs, and the digest of the encrypted one."""
    folder = Path(bundle)
    keys = _identities(Path(identities))
    if not encrypted_in(folder):
        raise BundleError(f"{bundle}: nothing in it is encrypted, and a key was given; check it without one")
    directory.verified(folder)
    digest = sums.digest_of((folder / sums.NAME).read_bytes())
    with tempfile.TemporaryDirectory(prefix="slipway-decrypt-") as scratch:
        plain = Path(scratch) / folder.resolve().name
        for path in directory.listed(folder):
            _decrypt(folder / path, plain / path, keys)
        directory.seal(plain)
        yield plain, digest


def _decrypt(source: Path, target: Path, keys: Sequence[Any]) -> None:
    """One file. What is not authenticated to its last byte never gets its name."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.suffix != SUFFIX:
        target.write_bytes(source.read_bytes())
        return
    pyrage: Any = need("pyrage", install=_INSTALL, why=_WHY)
    hidden = target.with_name(target.name + _HIDDEN)
    try:
        with source.open("rb") as cipher, hidden.open("wb") as sink:
            pyrage.decrypt_io(cipher, sink, keys)
    except (pyrage.DecryptError, OSError, ValueError) as error:
        hidden.unlink(missing_ok=True)
        raise BundleError(
            f"{source.name}: cannot be decrypted: {error}; give the identity of one of its recipients, or get it again"
        ) from None
    hidden.rename(target.with_name(target.name.removesuffix(SUFFIX)))


def _plain(path: str) -> bool:
    return path in {layout.CONFIG, card.NAME} or layout.is_golden(path)


def encrypted_in(folder: Path) -> list[str]:
    """The files of a bundle that are encrypted."""
    if not folder.is_dir():
        raise BundleError(f"{folder}: no such directory; name a bundle's")
    return [path for path in directory.listed(folder) if path.endswith(SUFFIX)]


def _recipient(text: str) -> Any:
    """A public key of age's, or of ssh's."""
    pyrage: Any = need("pyrage", install=_INSTALL, why=_WHY)
    kinds = pyrage.ssh if text.startswith("ssh-") else pyrage.x25519
    try:
        return kinds.Recipient.from_str(text.strip())
    except (pyrage.RecipientError, ValueError) as error:
        shown = "a secret key" if text.startswith("AGE-SECRET-KEY") else repr(text[:60])
        raise BundleError(f"recipients: {shown}: {error}; give a public key (age1… or ssh-…)") from None


def _identities(file: Path) -> list[Any]:
    """The secret keys in a file, a line each, as age-keygen writes them."""
    pyrage: Any = need("pyrage", install=_INSTALL, why=_WHY)
    try:
        lines = [line.strip() for line in file.read_text().splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise BundleError(f"{file}: cannot be read: {error}; give a file of age-keygen's") from None
    found = []
    for number, line in enumerate(lines, start=1):
        if not line or line.startswith("#"):
            continue
        try:
            found.append(pyrage.x25519.Identity.from_str(line))
        except (pyrage.IdentityError, ValueError):
            raise BundleError(f"{file}: line {number} is no identity of age's; give a file of age-keygen's") from None
    if not found:
        raise BundleError(f"{file}: holds no identity; give a file of age-keygen's")
    return found
