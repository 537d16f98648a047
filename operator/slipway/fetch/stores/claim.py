"""pvc://: a directory of a mounted claim, served in place."""

import errno
import itertools
import os
import stat
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from slipway.fetch import layout
from slipway.fetch.settings import Source
from slipway.fetch.stores import Entry
from slipway.fetch.verdict import FetchError, Reason, invalid

_MOST_CHILDREN: Final = 10 * layout.MAX_FILES
"""Files and directories, at any depth."""


class ClaimStore:
    """A directory below the claim's mount point."""

    def __init__(self, directory: Path, address: str) -> None:
        self.directory = directory
        self._address = address

    def where(self, path: str) -> str:
        """The file's address, for messages."""
        return f"{self._address}/{path}"

    def list(self) -> list[Entry]:
        """Every file below the directory; links and empty version directories are refused."""
        with self.explained():
            return layout.bounded(self._walk(self.directory, itertools.count(1)), self._address)

    def stat(self, path: str) -> Entry:
        """One file."""
        with self.explained():
            return self._entry(self.directory / path)

    def read(self, path: str, limit_bytes: int) -> bytes:
        """A small file, whole."""
        target = self.directory / path
        with self.explained():
            if not target.is_file():
                raise FetchError(Reason.SOURCE_NOT_FOUND, f"{self.where(path)}: not there; copy it into the claim")
            if target.stat().st_size > limit_bytes:
                raise invalid(f"{path}: larger than {limit_bytes} bytes, which is the most for this file")
            return target.read_bytes()

    def stream(self, entry: Entry, start: int, end: int) -> Generator[bytes]:
        """A range."""
        with self.explained(), (self.directory / entry.path).open("rb") as file:
            file.seek(start)
            yield file.read(end - start)

    @contextmanager
    def explained(self) -> Iterator[None]:
        """What the volume says, as a verdict with the file's place in the claim."""
        try:
            yield
        except OSError as error:
            raise _unreadable(error, self.directory, self._address) from None

    def _walk(self, directory: Path, number: Iterator[int]) -> Iterator[Entry]:
        children = sorted(self._children(directory, number))
        name = directory.relative_to(self.directory).as_posix()
        if name != ".":
            layout.check_path(name)
        if not children and layout.is_version(name):
            raise invalid(f"{name}/: an empty version directory, on which Triton hangs; put the model in or remove it")
        for child in children:
            mode = child.lstat().st_mode
            if stat.S_ISDIR(mode):
                yield from self._walk(child, number)
            elif stat.S_ISREG(mode):
                yield self._entry(child)
            else:
                what = "a link" if stat.S_ISLNK(mode) else "neither a file nor a directory"
                raise invalid(f"{child.relative_to(self.directory)}: {what}; bundles hold plain files only, copy it in")

    def _children(self, directory: Path, number: Iterator[int]) -> Iterator[Path]:
        """What is in a directory, counted as it is read: there may be millions, and directories without a file."""
        with os.scandir(directory) as children:
            for child in children:
                if next(number) > _MOST_CHILDREN:
                    raise layout.too_many(self._address)
                yield directory / child.name

    def _entry(self, path: Path) -> Entry:
        status = path.lstat()
        if not os.access(path, os.R_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return Entry(path=path.relative_to(self.directory).as_posix(), size=status.st_size, tag=str(status.st_mtime_ns))


def _unreadable(error: OSError, directory: Path, address: str) -> FetchError:
    path = os.path.relpath(os.fsdecode(error.filename), directory) if error.filename else "."
    where = f"{address}/{path}" if path != "." else address
    if error.errno in {errno.EACCES, errno.EPERM}:
        message = f"{where}: user {os.getuid()} may not read it; give it read rights (chmod -R a+rX), or an fsGroup"
        return FetchError(Reason.SOURCE_DENIED, f"{message} to the claim's driver")
    return FetchError(Reason.FETCH_FAILED, f"{where}: the volume says: {error.strerror}; see to it and its storage")


def open_store(source: Source, root: Path) -> ClaimStore:
    """The store of a pvc:// address, whose claim is mounted at `root`."""
    directory = root / source.path
    try:
        directory.stat()
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError as error:
        raise _unreadable(error, directory, source.uri.rstrip("/")) from None
    real = Path(os.path.realpath(directory))
    if not real.is_relative_to(os.path.realpath(root)):
        raise FetchError(Reason.SPEC_INVALID, f"{source.uri}: leaves the claim; name a directory inside it")
    if not directory.is_dir():
        message = f"{source.uri}: no such directory in the claim; check source.uri and what was copied there"
        raise FetchError(Reason.SOURCE_NOT_FOUND, message)
    return ClaimStore(directory, source.uri.rstrip("/"))
