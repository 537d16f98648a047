"""Parallel download of a directory: ranges land at their place in the file while its hash follows behind them.

SHA-256 runs over a file in order and the ranges do not come in order, so each file has one hasher that follows the
bytes that are there without a gap, reading them back from the page cache: little wall time is left for it when the last
byte has come, memory stays at a few chunks for each stream, and what is hashed is what Triton will read.
"""

import asyncio
import hashlib
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from slipway.fetch import resume, verify
from slipway.fetch.policy import MIB, Policy
from slipway.fetch.progress import Progress
from slipway.fetch.stores import Entry, Store
from slipway.fetch.verdict import FetchError

PART_SUFFIX: Final = ".part"
_SLICE_BYTES: Final = 4 * MIB
_MOST_OPEN: Final = 64
_WRITE_BYTES: Final = 256 * 1024  # for larger writes the kernel seeks larger pages: dear where memory is full of cache


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """One file to get; without a hash it is only counted."""

    entry: Entry
    sha256: str | None


class _Landing:
    """One file on its way to disk, as `NAME.part` until it is verified."""

    def __init__(self, wanted: Wanted, target: Path, part_bytes: int) -> None:
        self.wanted = wanted
        self._final = target / wanted.entry.path
        self._part = self._final.with_name(self._final.name + PART_SUFFIX)
        size = wanted.entry.size
        step = part_bytes if wanted.entry.ranges else max(size, 1)
        self.ranges = [(start, min(start + step, size)) for start in range(0, size, step)]
        self._landed = [0] * len(self.ranges)
        self._complete = 0  # ranges that are whole, counted from the first
        self._grew = asyncio.Event()
        self._final.parent.mkdir(parents=True, exist_ok=True)
        self.fd = os.open(self._part, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
        self.inherited = self._inherit() if wanted.sha256 else 0
        if not self.inherited and os.fstat(self.fd).st_size:  # ext4 flushes a file on close that was ever emptied
            os.ftruncate(self.fd, 0)
        os.ftruncate(self.fd, size)

    def missing(self) -> list[int]:
        """Ranges that are still to come."""
        return [i for i, (start, end) in enumerate(self.ranges) if self._landed[i] < end - start]

    def landed(self, index: int, count: int) -> None:
        """Bytes of a range were written, in order."""
        self._landed[index] += count
        self._grew.set()

    async def until(self, count: int) -> int:
        """Wait until that many bytes are there without a gap; returns how many are."""
        while (there := self._contiguous()) < count:
            self._grew.clear()
            await self._grew.wait()
        return there

    def keep(self) -> None:
        """Verified: under its own name."""
        os.close(self.fd)
        self._part.rename(self._final)

    def discard(self) -> None:
        """Not what was promised."""
        os.close(self.fd)
        self._part.unlink()

    def _contiguous(self) -> int:
        while self._complete < len(self.ranges):
            start, end = self.ranges[self._complete]
            if self._landed[self._complete] < end - start:
                return start + self._landed[self._complete]
            self._complete += 1
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


class Download:
    """Gets files into a directory."""

    def __init__(self, store: Store, target: Path, policy: Policy, progress: Progress) -> None:
        self._store = store
        self._target = target
        self._policy = policy
        self._progress = progress
        self._queue: asyncio.Queue[tuple[_Landing, int] | None] = asyncio.Queue(policy.streams)
        self._landings: set[_Landing] = set()
        self._room = asyncio.Semaphore(_MOST_OPEN)
        self._hashers = ThreadPoolExecutor(2, "hash")

    async def run(self, files: Iterable[Wanted]) -> None:
        """Get all of them, the largest first, so that no long file is left for the end."""
        ordered = sorted(files, key=lambda wanted: wanted.entry.size, reverse=True)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._offer(ordered, tasks))
                for _ in range(self._policy.streams):
                    tasks.create_task(self._work())
        except BaseExceptionGroup as group:
            raise next(_leaves(group)) from None
        finally:
            self._hashers.shutdown(cancel_futures=True)
            for landing in self._landings:
                os.close(landing.fd)

    async def _offer(self, files: list[Wanted], tasks: asyncio.TaskGroup) -> None:
        for wanted in files:
            await self._room.acquire()
            landing = self._begin(wanted)
            self._progress.had(landing.inherited)
            tasks.create_task(self._finish(landing))
            for index in landing.missing():
                await self._queue.put((landing, index))
        for _ in range(self._policy.streams):
            await self._queue.put(None)

    def _begin(self, wanted: Wanted) -> _Landing:
        landing = _Landing(wanted, self._target, self._policy.part_bytes)
        self._landings.add(landing)
        return landing

    async def _work(self) -> None:
        while (job := await self._queue.get()) is not None:
            await self._land(*job)

    async def _land(self, landing: _Landing, index: int) -> None:
        start, end = landing.ranges[index]
        async with aclosing(resume.stream(self._store, landing.wanted.entry, start, end, self._policy)) as chunks:
            async for chunk in chunks:
                _write(landing.fd, chunk, start)  # a copy into the page cache: a hop to a thread costs more
                start += len(chunk)
                landing.landed(index, len(chunk))
                self._progress.add(len(chunk))

    async def _finish(self, landing: _Landing) -> None:
        wanted = landing.wanted
        actual = await self._hash(landing)
        self._landings.remove(landing)
        if wanted.sha256 and actual != wanted.sha256:
            landing.discard()
            if not landing.inherited:
                verify.check_hash(wanted.entry.path, actual, wanted.sha256)
            self._progress.had(-landing.inherited)
            await self._again(wanted)
            return
        landing.keep()
        self._room.release()

    async def _again(self, wanted: Wanted) -> None:
        """What an earlier run left was not good: the whole file once more."""
        landing = self._begin(wanted)
        for index in landing.missing():
            await self._land(landing, index)
        await self._finish(landing)

    async def _hash(self, landing: _Landing) -> str:
        size = landing.wanted.entry.size
        if landing.wanted.sha256 is None:
            await landing.until(size)
            return ""
        digest, done = hashlib.sha256(), 0
        loop = asyncio.get_running_loop()
        while done < size:
            there = await landing.until(min(done + _SLICE_BYTES, size))
            await loop.run_in_executor(self._hashers, verify.feed, digest, landing.fd, done, there)
            done = there
        return digest.hexdigest()


def _write(fd: int, chunk: bytes, offset: int) -> None:
    view = memoryview(chunk)
    while view:
        count = os.pwrite(fd, view[:_WRITE_BYTES], offset)
        view, offset = view[count:], offset + count


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    """The exceptions of a group; verdicts that need no second try come first, as they tell most."""
    flat: list[BaseException] = []
    for error in group.exceptions:
        flat.extend(_leaves(error) if isinstance(error, BaseExceptionGroup) else [error])
    yield from sorted(flat, key=lambda error: isinstance(error, FetchError) and error.transient)
