"""Where bundles are kept, behind one small protocol: list, read a small file, stream a range."""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One file at a source. Paths are relative to the bundle."""

    path: str
    size: int
    tag: str | None = None
    """Entity tag: changes when the content does."""
    ranges: bool = True
    """Whether the source hands out parts of it."""


class Store(Protocol):
    """A source. Calls block, and several threads make them at a time.

    Every failure is a FetchError; a transient one is worth another try.
    """

    def list(self) -> list[Entry] | None:
        """All files, or None where the source has no listing."""

    def stat(self, path: str) -> Entry:
        """One file, where there is no listing."""

    def read(self, path: str, limit_bytes: int) -> bytes:
        """A small file, whole; BundleInvalid when it is larger than the limit."""

    def stream(self, entry: Entry, start: int, end: int) -> Generator[bytes]:
        """The bytes from `start` up to `end`, in chunks as they come; SourceChanged when it is another file by now."""

    def where(self, path: str) -> str:
        """The file's address, for messages."""
