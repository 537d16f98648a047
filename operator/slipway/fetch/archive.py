"""Tar archives, unpacked as they stream by: nothing is kept that the rules do not allow, and memory stays bounded."""

import gzip
import hashlib
import io
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final, Protocol, Self

import zstandard

from slipway.fetch import filetype, golden, layout, sums, verify
from slipway.fetch.policy import MIB
from slipway.fetch.settings import Source
from slipway.fetch.stores import Entry
from slipway.fetch.survey import Survey, made_of
from slipway.fetch.verdict import FetchError, Reason, invalid

_READ: Final = frozenset({sums.NAME, sums.SIGNATURE})
_BLOCK_BYTES: Final = MIB
_MOST_HEADER_BYTES: Final = MIB
_ZSTD_WINDOW_BYTES: Final = 128 * MIB
_HEADERS_WITH_CONTENT: Final = frozenset(
    {tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK}
)
# tarfile's words for an end where none belongs. A zstd frame that is cut gives no more bytes, and no error of its own.
_CUT_SHORT: Final = frozenset({"unexpected end of data", "truncated header", "empty file"})
# What gzip and zstd say of bytes that begin no member or frame. The first one was looked at before.
_NO_FURTHER: Final = ("Not a gzipped file", "zstd decompress error: Unknown frame descriptor")
_ZLIB: Final = "zlib error"  # which tarfile tells as one of its own
_TOO_WIDE: Final = "requires too much memory"


class Reader:
    """A stream of chunks as a file to read."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = memoryview(b"")

    def peek(self, size: int) -> bytes:
        """The first bytes, which are read again."""
        head = b""
        while len(head) < size and (more := self.read(size - len(head))):
            head += more
        self._rest = memoryview(head + self._rest)
        return head

    def read(self, size: int = -1) -> bytes:
        """At most `size` bytes; none at the end."""
        if not self._rest:
            self._rest = memoryview(next(self._chunks, b""))
        taken = self._rest if size < 0 else self._rest[:size]
        self._rest = self._rest[len(taken) :]
        return bytes(taken)


class Sink(Protocol):
    """Takes the files of an archive."""

    def open(self, path: str) -> io.RawIOBase:
        """Where a file's bytes go."""


class SmallFiles:
    """Keeps what the checks read, and lets the rest pass by."""

    def __init__(self) -> None:
        self.contents: dict[str, bytes] = {}
        self._total = 0

    def open(self, path: str) -> io.RawIOBase:
        """A place in memory for a small file, and none for others."""
        inner = path.partition("/")[2]
        wanted = any(name in _READ or layout.is_config(name) or layout.is_golden(name) for name in (path, inner))
        return _Kept(self, path) if wanted else _Nowhere()

    def keep(self, path: str, block: bytes) -> None:
        """Add to a file; BundleInvalid when small files grow large."""
        self._total += len(block)
        content = self.contents.get(path, b"") + block
        if len(content) > golden.LIMIT_BYTES or self._total > golden.MOST_BYTES:
            raise invalid(f"{path}: {golden.LIMIT_BYTES} bytes are the most for this file; shorten it")
        self.contents[path] = content


class Directory:
    """Writes files below a directory, and never through a link: none is ever made there."""

    def __init__(self, target: Path) -> None:
        self._target = target

    def open(self, path: str) -> io.RawIOBase:
        """A new file."""
        target = self._target / path
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            return target.open("xb", buffering=0)
        except (FileExistsError, NotADirectoryError):
            raise invalid(f"{path}: the archive has a file and a directory of one name; rename one of them") from None


class _Nowhere(io.RawIOBase):
    def write(self, block: Any) -> int:
        return len(block)


class _Kept(io.RawIOBase):
    def __init__(self, files: SmallFiles, path: str) -> None:
        self._files, self._path = files, path
        files.keep(path, b"")

    def write(self, block: Any) -> int:
        self._files.keep(self._path, bytes(block))
        return len(block)


@dataclass(frozen=True, kw_only=True)
class Member:
    """A file that went by."""

    size: int
    sha256: str


class _BoundedHeader(tarfile.TarInfo):
    """tarfile reads extended headers into memory whole: their size is the archive's claim, so it is limited."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        header = super().frombuf(buf, encoding, errors)
        if header.type in _HEADERS_WITH_CONTENT and header.size > _MOST_HEADER_BYTES:
            raise invalid(f"the archive has a header of {header.size} bytes; write it with an ordinary tar")
        return header


def unpack(reader: Reader, source: Source, sink: Sink, most_bytes: int | None) -> dict[str, Member]:
    """Read a whole archive into `sink`. `most_bytes` limits what comes out."""
    members: dict[str, Member] = {}
    filetype.check_archive(reader.peek(filetype.HEAD_BYTES), source.archive_ending, source.shown)
    with _archive_errors(source), _decompressed(reader, source) as raw:
        with tarfile.open(fileobj=raw, mode="r|", tarinfo=_BoundedHeader, bufsize=_BLOCK_BYTES) as tar:
            left = most_bytes
            for number, header in enumerate(tar):
                tar.members = []  # type: ignore[attr-defined]  # else tarfile remembers every header
                if number > layout.MAX_ENTRIES:
                    raise layout.too_many("the archive")
                if header.isdir():
                    continue
                path = _path(header, members)
                if left is not None:
                    left = _within(left - header.size, source)
                members[path] = _copy(tar, header, sink, path)
        while raw.read(_BLOCK_BYTES):  # the checksums of gzip and zstd stand at the very end
            pass
    return members


def survey(members: Mapping[str, Member], contents: Mapping[str, bytes], source: Source) -> tuple[Survey, str]:
    """The survey of an archive, every hash checked, and the directory in it that is the bundle (`""`, or `churn/`)."""
    root = _root(members)
    files = {path.removeprefix(root): member for path, member in members.items()}
    _check_one_bundle(files)
    content = contents.get(root + sums.NAME)
    entries = {
        path: Entry(path=path, size=member.size, tag=member.sha256)
        for path, member in files.items()
        if path != sums.NAME
    }
    surveyed = made_of(entries, content, source)
    for path, expected in surveyed.hashes.items():
        verify.check_hash(path, files[path].sha256, expected)
    return surveyed, root


def _root(members: Mapping[str, Member]) -> str:
    """`tar -c churn/` puts everything below one directory: it is not part of the bundle."""
    if layout.CONFIG in members:
        return ""
    tops = {path.partition("/")[0] for path in members}
    if len(tops) == 1 and f"{(top := tops.pop())}/{layout.CONFIG}" in members:
        return f"{top}/"
    return ""


def _check_one_bundle(files: Mapping[str, Member]) -> None:
    """What a directory's address could name, an archive's cannot."""
    if not files:
        raise invalid("the archive is empty; pack the bundle's files")
    deeper = sorted(path for path in files if path.endswith(f"/{layout.CONFIG}"))
    if layout.CONFIG not in files and len(deeper) > 1:
        raise layout.several("the archive has", deeper)
    if layout.CONFIG not in files and deeper:
        raise invalid(
            f"{layout.CONFIG}: not at the archive's top, but there is {deeper[0]}; pack from inside that directory "
            "(tar -C DIRECTORY -cf bundle.tar .)"
        )


def _path(header: tarfile.TarInfo, members: Mapping[str, Member]) -> str:
    path = header.name.removeprefix("./")
    if not header.isreg() or header.issparse():
        what = "a link" if header.issym() or header.islnk() else "not a plain file"
        raise invalid(f"{path}: {what}; bundles hold plain files only, put the file itself into the archive")
    layout.check_path(path)
    if path in members:
        raise invalid(f"{path}: twice in the archive; write the archive anew")
    if len(members) >= layout.MAX_FILES:
        raise layout.too_many("the archive")
    return path


def _copy(tar: tarfile.TarFile, header: tarfile.TarInfo, sink: Sink, path: str) -> Member:
    digest, size = hashlib.sha256(), 0
    content = tar.extractfile(header)
    if content is None:
        raise invalid(f"{path}: not a plain file; put the file itself into the archive")
    with sink.open(path) as target:
        while block := content.read(_BLOCK_BYTES):
            if header.size == len(block):
                filetype.check_file(path, block)
            digest.update(block)
            _write_all(target, block)
            size += len(block)
    return Member(size=size, sha256=digest.hexdigest())


def _write_all(target: io.RawIOBase, block: bytes) -> None:
    view = memoryview(block)
    while view:
        view = view[target.write(view) or 0 :]


def _within(left: int, source: Source) -> int:
    if left < 0:
        message = f"{source.shown}: more than when the revision was made; give each version an address of its own"
        raise FetchError(Reason.SOURCE_CHANGED, message)
    return left


@contextmanager
def _decompressed(reader: Reader, source: Source) -> Iterator[IO[bytes]]:
    ending = source.archive_ending
    if ending == ".tar.zst":
        decompressor = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW_BYTES)
        with decompressor.stream_reader(reader, read_across_frames=True) as raw:  # type: ignore[arg-type]
            yield raw
    elif ending in {".tar.gz", ".tgz"}:
        with gzip.GzipFile(fileobj=reader, mode="rb") as raw:  # type: ignore[call-overload]
            yield raw
    else:
        yield reader  # type: ignore[misc]


def _why_not(error: str) -> str:
    """What is wrong with a file that began as its name says."""
    if error.startswith(_NO_FURTHER):
        return "other bytes follow the end of the archive; write it again, and upload it whole"
    if _TOO_WIDE in error:
        return "zstd with a window of more than 128 MiB; write it with a smaller one (zstd --long=27 at most)"
    return f"cannot be unpacked ({error}); write it again, and upload it whole"


@contextmanager
def _archive_errors(source: Source) -> Iterator[None]:
    try:
        yield
    except (EOFError, tarfile.ReadError) as error:
        if isinstance(error, EOFError) or str(error) in _CUT_SHORT:
            message = f"{source.shown}: the archive ends in the middle ({error}); upload it again"
            raise FetchError(Reason.BUNDLE_TRUNCATED, message) from None
        if _ZLIB in str(error):
            raise FetchError(Reason.BUNDLE_CORRUPT, f"{source.shown}: {_why_not(str(error))}") from None
        raise invalid(
            f"{source.shown}: not a tar archive ({error}); write it with tar, or correct the ending"
        ) from None
    except (gzip.BadGzipFile, zlib.error, zstandard.ZstdError, tarfile.TarError) as error:
        raise FetchError(Reason.BUNDLE_CORRUPT, f"{source.shown}: {_why_not(str(error))}") from None
    except (OSError, FetchError):
        raise
    # tarfile has no error of its own for what it does not expect: on odd headers it fails wherever it happens to.
    except Exception as error:
        problem = f"a header that cannot be read ({type(error).__name__})"
        raise invalid(f"{source.shown}: {problem}; write it with an ordinary tar") from error
