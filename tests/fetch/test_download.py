"""What lies on disk after a download is what SHA256SUMS names, whatever files are called and whenever they come."""

import hashlib
import threading
from collections.abc import Generator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import example, given
from hypothesis import strategies as st

from slipway.fetch import layout
from slipway.fetch.download import Download, Wanted, part_name
from slipway.fetch.policy import Policy
from slipway.fetch.progress import Progress
from slipway.fetch.stores import Entry
from slipway.fetch.verdict import FetchError

STEM = "m"
NAMES = st.builds(
    "{}{}{}".format, st.sampled_from(["", ".", "1/", "1/."]), st.just(STEM), st.text(st.sampled_from(".parnewold~-1"))
) | st.just(part_name(STEM))


def _allowed(names: Sequence[str]) -> bool:
    with suppress(FetchError):
        layout.check(["config.pbtxt", "1/x", *names])
        return True
    return False


class FakeStore:
    """Holds files in memory, and hands each out only when the ones before it in `order` have been read."""

    def __init__(self, files: dict[str, bytes], order: Sequence[str]) -> None:
        self._files, self._order = files, list(order)
        self._turn = threading.Condition()

    def list(self) -> list[Entry]:
        return [Entry(path=path, size=len(content), ranges=False) for path, content in self._files.items()]

    def stat(self, path: str) -> Entry:
        return Entry(path=path, size=len(self._files[path]), ranges=False)

    def read(self, path: str, limit_bytes: int) -> bytes:
        return self._files[path][:limit_bytes]

    def where(self, path: str) -> str:
        return path

    def stream(self, entry: Entry, start: int, end: int) -> Generator[bytes]:
        with self._turn:
            assert self._turn.wait_for(lambda: self._order[0] == entry.path, 20)
        yield self._files[entry.path][start:end]
        with self._turn:
            self._order.remove(entry.path)
            self._turn.notify_all()


@given(st.lists(NAMES, min_size=1, max_size=6, unique=True).filter(_allowed), st.randoms(use_true_random=False))
@example(["1/m", "1/m.part"], None)
@example(["1/m.part", "1/m", "1/m.part.part"], None)
@example([part_name("m"), "m"], None)
def test_every_file_is_the_one_that_is_listed_whatever_it_is_called_and_whenever_it_comes(
    names: list[str], random: object
) -> None:
    files = {name: name.encode() * (index + 1) for index, name in enumerate(names)}
    order = list(names)
    if random is not None:
        random.shuffle(order)  # type: ignore[attr-defined]
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    store = FakeStore(files, order)
    with TemporaryDirectory() as made:
        target, parts = Path(made) / ".bundle", Path(made) / ".parts"
        parts.mkdir()
        policy = replace(Policy(), streams=len(names), attempts=1)
        wanted = [Wanted(entry=entry, sha256=hashes[entry.path]) for entry in store.list()]
        Download(store, target, parts, policy, Progress("m", None)).run(wanted)
        there = {path.relative_to(target).as_posix(): path for path in target.rglob("*") if path.is_file()}
        assert {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in there.items()} == hashes
