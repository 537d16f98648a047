"""Parallel download of a directory: ranges land at their place in the file while its hash follows behind them.

Each stream is a thread that asks, writes and hashes: what it handles is still in its processor's cache, and the library
below and hashlib let other threads run meanwhile. SHA-256 runs over a file in order. A chunk that is the next one is
hashed as it comes; one that lies behind a gap is read back from the page cache by the stream that closes the gap. So
memory stays at a chunk for each.

What is not verified yet lies in a directory apart, under names made of hashes: whatever a bundle calls its files, none
of them is another's part.
"""

import hashlib
import os
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from slipway.fetch import resume, verify
from slipway.fetch.policy import Policy
from slipway.fetch.progress import Progress
from slipway.fetch.stores import Entry, Store
from slipway.fetch.verdict import FetchError


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """One file to get; without a hash it is only counted."""

    entry: Entry
    sha256: str | None


def part_name(path: str) -> str:
    """What a file of the bundle is called until it is verified."""
    return hashlib.sha256(path.encode()).hexdigest()


class _Landing:
    """One file on its way to disk, among the parts until it is verified."""

    def __init__(self, wanted: Wanted, target: Path, parts: Path, part_bytes: int) -> None:
        self.wanted = wanted
        self._final = target / wanted.entry.path
        self._part = parts / part_name(wanted.entry.path)
        size = wanted.entry.size
        self._step = part_bytes if wanted.entry.ranges else max(size, 1)
        self.ranges = [(start, min(start + self._step, size)) for start in range(0, size, self._step)]
        self._landed = [0] * len(self.ranges)
        self._digest, self._hashed = hashlib.sha256(), 0
        self._hashing = threading.Lock()
        self._final.parent.mkdir(parents=True, exist_ok=True)
        self.fd = _opened(self._part)
        self.inherited = self._inherit() if wanted.sha256 else 0
        if not self.inherited and os.fstat(self.fd).st_size:  # ext4 flushes a file on close that was ever emptied
            os.ftruncate(self.fd, 0)
        os.ftruncate(self.fd, size)

    def missing(self) -> list[int]:
        """Ranges that are still to come."""
        return [i for i, (start, end) in enumerate(self.ranges) if self._landed[i] < end - start]

    def take(self, index: int, chunk: bytes) -> bool:
        """Write and hash the next bytes of a range; each range comes from one thread. True when this was the end."""
        position = self.ranges[index][0] + self._landed[index]
        view = memoryview(chunk)
        while view:
            count = os.pwrite(self.fd, view, position + len(chunk) - len(view))
            view = view[count:]
        self._landed[index] += len(chunk)
        return self.follow(position, chunk)

    def follow(self, position: int = 0, chunk: bytes = b"") -> bool:
        """Hash what is there without a gap; `chunk` was just written at `position`. True when this was the end."""
        if position >= self._there():  # whoever closes the gap before it takes it along
            return False
        with self._hashing:
            begun = self._hashed
            if begun == position:
                self._feed(chunk)
            if self._hashed < (there := self._there()):
                self._read_back(there)
            return begun < self._hashed == self.wanted.entry.size

    def sha256(self) -> str:
        """Once all of it is hashed."""
        return self._digest.hexdigest()

    def keep(self) -> None:
        """Verified: under its own name."""
        os.close(self.fd)
        self._part.rename(self._final)

    def discard(self) -> None:
        """Not what was promised."""
        os.close(self.fd)
        self._part.unlink()

    def _feed(self, chunk: bytes) -> None:
        if self.wanted.sha256:
            self._digest.update(chunk)
        self._hashed += len(chunk)

    def _read_back(self, there: int) -> None:
        if self.wanted.sha256:
            verify.feed(self._digest, self.fd, self._hashed, there)
        self._hashed = there

    def _there(self) -> int:
        """Bytes from the start without a gap."""
        for index in range(self._hashed // self._step, len(self.ranges)):
            start, end = self.ranges[index]
            if self._landed[index] < end - start:
                return start + self._landed[index]
        return self.wanted.entry.size

    def _inherit(self) -> int:
        """Ranges that an earlier run of this container wrote. The file system knows: what never came is a hole.

        Where it does not tell holes, or a range lacks its last bytes, the hash is wrong and the file comes anew.
        """
        if os.fstat(self.fd).st_size != self.wanted.entry.size:
            return 0
        for index, (start, end) in enumerate(self.ranges):
            try:
                begins, hole = os.lseek(self.fd, start, os.SEEK_DATA), os.lseek(self.fd, start, os.SEEK_HOLE)
            except OSError:  # ENXIO: nothing but a hole from here on
                break
            if begins == start and hole >= end:
                self._landed[index] = end - start
        return sum(self._landed)


def _opened(part: Path) -> int:
    """What an earlier run left, or a new file that nobody else has."""
    try:
        return os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
    except FileExistsError:
        return os.open(part, os.O_RDWR | os.O_NOFOLLOW)


class Download:
    """Gets files into `target`, by way of `parts` on the same file system."""

    def __init__(self, store: Store, target: Path, parts: Path, policy: Policy, progress: Progress) -> None:
        self._store = store
        self._target = target
        self._parts = parts
        self._policy = policy
        self._progress = progress
        self._landings: set[_Landing] = set()
        self._next = threading.Lock()
        self._stopped = threading.Event()

    def run(self, files: Iterable[Wanted]) -> None:
        """Get all of them, the largest first, so that no long file is left for the end."""
        jobs = self._jobs(sorted(files, key=lambda wanted: wanted.entry.size, reverse=True))
        try:
            with ThreadPoolExecutor(self._policy.streams, "stream") as threads:
                streams = [threads.submit(self._work, jobs) for _ in range(self._policy.streams)]
                try:
                    wait(streams, return_when=FIRST_EXCEPTION)
                finally:  # also where somebody ends the program: else all the rest would come first
                    self._stopped.set()
        finally:
            for landing in self._landings:
                os.close(landing.fd)
        if errors := [error for stream in streams if (error := stream.exception())]:
            raise min(errors, key=_transient)

    def _jobs(self, files: list[Wanted]) -> Iterator[tuple[_Landing, int | None]]:
        """The ranges to get, file by file; a file of which all is here already is only to be hashed."""
        for wanted in files:
            landing = self._begin(wanted)
            missing = landing.missing()
            yield from ((landing, index) for index in missing)
            if not missing:
                yield landing, None

    def _begin(self, wanted: Wanted) -> _Landing:
        landing = _Landing(wanted, self._target, self._parts, self._policy.part_bytes)
        self._landings.add(landing)
        self._progress.had(landing.inherited)
        return landing

    def _work(self, jobs: Iterator[tuple[_Landing, int | None]]) -> None:
        while not self._stopped.is_set():
            with self._next:
                job = next(jobs, None)
            if job is None:
                return
            self._do(*job)

    def _do(self, landing: _Landing, index: int | None) -> None:
        if index is not None:
            self._land(landing, index)
        elif landing.follow() or not landing.wanted.entry.size:
            self._settle(landing)

    def _land(self, landing: _Landing, index: int) -> None:
        start, end = landing.ranges[index]
        with closing(resume.stream(self._store, landing.wanted.entry, start, end, self._policy)) as chunks:
            for chunk in chunks:
                if self._stopped.is_set():
                    return
                ended = landing.take(index, chunk)
                self._progress.add(len(chunk))
                if ended:
                    self._settle(landing)

    def _settle(self, landing: _Landing) -> None:
        """All of a file is there and hashed."""
        self._landings.remove(landing)
        wanted, actual = landing.wanted, landing.sha256()
        if not wanted.sha256 or actual == wanted.sha256:
            landing.keep()
            return
        landing.discard()
        if not landing.inherited:
            verify.check_hash(wanted.entry.path, actual, wanted.sha256)
        self._progress.had(-landing.inherited)
        again = self._begin(wanted)  # what an earlier run left was not good: the whole file once more
        for index in again.missing():
            self._land(again, index)


def _transient(error: BaseException) -> bool:
    """Verdicts that need no second try tell most."""
    return isinstance(error, FetchError) and error.transient
