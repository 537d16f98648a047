"""Decryption: from the verified ciphertext on the pod's disk to plaintext in its memory, in age's format.

Whether a bundle is encrypted is what the spec says, and nothing is sniffed: where it says so, every file but those that
the resolve Job reads has to be; where it does not, none may be. age hands plaintext out before it has authenticated the
end of a file, so what is under way lies apart, and gets its name after the last chunk.
"""

import errno
import logging
import shutil
import time
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any, Final

from slipway.fetch import layout, sums
from slipway.fetch.download import part_name
from slipway.fetch.verdict import FetchError, Reason

SUFFIX: Final = ".age"
_CARD: Final = "README.md"
_PARTS: Final = ".parts"
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
_MOST_HEADER_BYTES: Final = 64 * 1024
"""For some hundred recipients."""
_NO_KEY: Final = "No matching keys found"  # pyrage's word where no identity is a recipient's

log = logging.getLogger(__name__)


def stays_plain(path: str) -> bool:
    """Whether a file is read without a key: by the resolve Job, and by people."""
    return path == _CARD or layout.is_config(path) or layout.is_golden(path)


def check(paths: Collection[str], *, asked: bool) -> dict[str, str]:
    """Each encrypted file with its name in plain; DecryptionFailed unless the bundle is what the spec says."""
    encrypted = {path: path.removesuffix(SUFFIX) for path in sorted(paths) if path.endswith(SUFFIX)}
    if not asked:
        if encrypted:
            why = "is encrypted, and the spec has no source.decryption; name the Secret with its key there"
            raise _failed(min(encrypted), why)
        return {}
    if plain := sorted(path for path in paths if path not in encrypted and not stays_plain(path)):
        raise _failed(
            plain[0], "is not encrypted, and source.decryption says that it is; serve the bundle of slipway encrypt"
        )
    if not encrypted:
        raise _failed(sums.NAME, "names no encrypted file, and source.decryption says that there are some")
    for path, name in encrypted.items():
        if stays_plain(name) or name in {sums.NAME, sums.SIGNATURE}:
            raise _failed(path, f"is encrypted, and {name} has to be plain; encrypt with slipway encrypt")
    layout.check([path for path in paths if path not in encrypted] + list(encrypted.values()))
    return encrypted


def plain_names(paths: Collection[str]) -> set[str]:
    """The files by the names that they have once they are decrypted."""
    return {path.removesuffix(SUFFIX) for path in paths}


def count(paths: Collection[str]) -> int:
    """How many files are encrypted."""
    return sum(path.endswith(SUFFIX) for path in paths)


def decrypt(bundle: Path, paths: Collection[str], target: Path, *, keys: list[Any], where: str) -> list[str]:
    """Make the plain bundle below `target`, whatever an earlier run left there; its files. `where`: of the keys."""
    encrypted = check(paths, asked=True)
    parts = target.with_name(_PARTS)
    for left in (target, parts):
        shutil.rmtree(left, ignore_errors=True)
        left.mkdir(parents=True)
    begun = time.monotonic()
    try:
        for path in sorted(set(paths) - encrypted.keys()):
            shutil.copyfile(bundle / path, _made(target / path))
        for path, name in encrypted.items():
            part = parts / part_name(name)
            _decrypt(bundle / path, part, path, keys, where)
            part.rename(_made(target / name))
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise _no_room(target, sum((bundle / path).stat().st_size for path in paths)) from error
    finally:
        shutil.rmtree(parts)
    log.info("%d files decrypted in %.1f s", len(encrypted), time.monotonic() - begun)
    return sorted(encrypted.get(path, path) for path in paths)


def _decrypt(source: Path, part: Path, path: str, keys: list[Any], where: str) -> None:
    """One file; what is in `part` is only whole, and only authentic, when this returns."""
    import pyrage

    try:
        with source.open("rb") as cipher, part.open("wb") as sink:
            _check_header(cipher.read(_MOST_HEADER_BYTES), path)
            cipher.seek(0)
            pyrage.decrypt_io(cipher, sink, keys)
    except pyrage.DecryptError as error:
        if str(error) == _NO_KEY:
            message = f"{path}: no identity in {where} is one of its recipients'; put that key there"
            raise FetchError(Reason.KEY_MISSING, message) from None
        raise _failed(path, f"cannot be decrypted ({error}); encrypt it again") from None
    except OSError as error:
        if error.errno is not None:
            raise
        # pyrage has no error of its own for a chunk that is not authentic.
        raise _failed(path, f"cannot be decrypted to its end ({error}); encrypt it again") from None


def _check_header(begins: bytes, path: str) -> None:
    """The line that ends age's header comes soon: its library takes minutes for a megabyte of recipients."""
    if len(begins) == _MOST_HEADER_BYTES and b"\n--- " not in begins:
        why = f"cannot be decrypted (its header has no end in {_MOST_HEADER_BYTES} bytes); encrypt it again"
        raise _failed(path, why)


def read_identities(files: Iterable[Path], where: str) -> list[Any]:
    """The secret keys in files, a line each as age-keygen writes them. No message has any of them in it."""
    lines = [
        (file.name, number, line.decode(errors="replace").strip())
        for file in files
        for number, line in enumerate(file.read_bytes().splitlines(), start=1)
    ]
    identities = [_identity(text, f"{where}: {name}: line {n}") for name, n, text in lines if text and text[0] != "#"]
    if not identities:
        message = f"{where}: not there, or holds no key; put an identity of age's into it, as age-keygen writes it"
        raise FetchError(Reason.KEY_MISSING, message)
    return identities


def _identity(text: str, where: str) -> Any:
    import pyrage

    try:
        return pyrage.x25519.Identity.from_str(text)
    except (pyrage.IdentityError, ValueError):
        message = f"{where} is no identity of age's; put what age-keygen writes there"
        raise FetchError(Reason.KEY_MISSING, message) from None


def _made(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _no_room(target: Path, needed: int) -> FetchError:
    """The volume is made for the bundle; the kubelet makes it no larger than the memory that the pod may use."""
    room = shutil.disk_usage(target)
    message = f"{target.parent}: the volume in memory holds {room.total} bytes, and the plain bundle needs {needed}"
    remedy = "raise server.resources.limits.memory, or give the node more memory"
    return FetchError(Reason.STORAGE_FULL, f"{message}; {remedy}")


def _failed(path: str, why: str) -> FetchError:
    return FetchError(Reason.DECRYPTION_FAILED, f"{path}: {why}")
