"""hf://ORG/REPO@REVISION: a repository of the Hugging Face Hub, by its HTTP API.

A branch may move while it is read: the listing asks once which commit it is at, and everything is read of that one.
"""

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import quote

import httpx

from slipway.fetch import layout
from slipway.fetch.policy import MIB, Policy
from slipway.fetch.settings import Source
from slipway.fetch.stores import Entry, web
from slipway.fetch.verdict import FetchError, Reason, invalid

_PUBLIC: Final = "https://huggingface.co"
_PART: Final = r"[A-Za-z0-9_][A-Za-z0-9._-]*"
_REFERENCE: Final = re.compile(rf"hf://(?P<repository>{_PART}/{_PART})@(?P<revision>{_PART}(/{_PART})*)")
_COMMIT: Final = re.compile(r"[0-9a-f]{40}")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_OF_THE_HUB: Final = ".gitattributes"
"""The Hub puts it into every repository; it is no part of a bundle."""
_PAGE_BYTES: Final = 4 * MIB


@dataclass(frozen=True, kw_only=True)
class Reference:
    """Which version of which repository."""

    repository: str
    revision: str
    base: str
    """Where the Hub answers."""

    @classmethod
    def parse(cls, uri: str) -> Self:
        """SpecInvalid for what is none. A mirror is named as the Hub's own tools name it, by HF_ENDPOINT."""
        match = _REFERENCE.fullmatch(uri)
        if not match:
            how = "write hf://ORG/REPO@REVISION, a branch, tag or commit"
            raise FetchError(Reason.SPEC_INVALID, f"{uri}: names no version in the Hugging Face Hub; {how}")
        base = os.environ.get("HF_ENDPOINT", _PUBLIC).rstrip("/")
        return cls(repository=match["repository"], revision=match["revision"], base=base)


class HubStore(web.WebStore):
    """One revision of a repository."""

    def __init__(self, source: Source, client: httpx.Client, policy: Policy) -> None:
        super().__init__(source, client, policy)
        self._reference = Reference.parse(source.uri)
        self._commit: str | None = None
        self._files: dict[str, Entry] = {}

    def list(self) -> list[Entry]:  # type: ignore[override]
        """The files of the commit that the revision is at now."""
        reference = self._reference
        api = f"{reference.base}/api/models/{reference.repository}"
        info, _ = self._asked(f"{api}/revision/{quote(reference.revision, safe='')}")
        commit = info.get("sha") if isinstance(info, dict) else None
        if not isinstance(commit, str) or not _COMMIT.fullmatch(commit):
            raise self._odd()
        tree = self._tree(f"{api}/tree/{commit}?recursive=true")
        files = {entry.path: entry for entry in layout.bounded(tree, self._source.uri) if entry.path != _OF_THE_HUB}
        self._commit, self._files = commit, files
        return [*files.values()]

    def stat(self, path: str) -> Entry:
        """One of them."""
        if path not in self._files:
            raise FetchError(Reason.SOURCE_NOT_FOUND, f"{self.where(path)}: not there; upload the bundle again")
        return self._files[path]

    def read(self, path: str, limit_bytes: int) -> bytes:
        """A small file, whole."""
        if self.stat(path).size > limit_bytes:
            raise invalid(f"{path}: larger than {limit_bytes} bytes, which is the most for this file")
        return super().read(path, limit_bytes)

    def _send(self, path: str, headers: dict[str, str]) -> Any:
        reference = self._reference
        url = f"{reference.base}/{reference.repository}/resolve/{self._commit}/{quote(path)}"
        return self._client.stream("GET", url, headers=headers)

    def _check_same(self, entry: Entry, response: httpx.Response, start: int) -> None:
        """A commit's files do not change; the tag of whoever stores them says nothing of that."""
        super()._check_same(replace(entry, tag=None), response, start)

    def _tree(self, first: str) -> Iterator[Entry]:
        url: str | None = first
        while url:
            page, url = self._asked(url)
            if not isinstance(page, list):
                raise self._odd()
            yield from (self._entry(each) for each in page if not _is_directory(each))

    def _entry(self, item: Any) -> Entry:
        """A large file's SHA-256 holds a bundle without a list to its bytes, as in a registry."""
        fields = item if isinstance(item, dict) else {}
        path, size, tag, large = (fields.get(name) for name in ("path", "size", "oid", "lfs"))
        if not (isinstance(path, str) and isinstance(tag, str) and type(size) is int and 0 <= size <= layout.MAX_BYTES):
            raise self._odd()
        sha256 = large.get("oid") if isinstance(large, dict) else None
        if isinstance(sha256, str) and _SHA256.fullmatch(sha256):
            tag = f"sha256:{sha256}"
        return Entry(path=path, size=size, tag=tag)

    def _asked(self, url: str) -> tuple[Any, str | None]:
        """An answer of the API, and where it goes on: at the Hub itself, for the token goes along."""
        with web.answered(self._client.stream("GET", url), self._source.uri, allowed=(200,)) as response:
            too_large = f"{self._source.uri}: the Hub's answer is larger than {_PAGE_BYTES} bytes; see to the Hub"
            content = self._bounded(response, _PAGE_BYTES, self._source.uri, too_large)
            following = response.links.get("next", {}).get("url")
        if following is not None and not following.startswith(f"{self._reference.base}/"):
            raise self._odd()
        try:
            return json.loads(content), following
        except (ValueError, RecursionError):
            raise self._odd() from None

    def _odd(self) -> FetchError:
        return FetchError(
            Reason.FETCH_FAILED, f"{self._source.uri}: what answers does not speak the Hub's API; see to it"
        )


def _is_directory(item: Any) -> bool:
    return isinstance(item, dict) and item.get("type") == "directory"


def client(source: Source, credentials: Path, policy: Policy) -> httpx.Client:
    """The client for an hf:// address, with the Secret's token."""
    return web.client(replace(source, uri=f"{Reference.parse(source.uri).base}/"), credentials, policy)
