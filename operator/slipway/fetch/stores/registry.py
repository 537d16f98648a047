"""oci://: a registry, by the distribution protocol. The manifest lists the files, and each is a blob."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import httpx

from slipway.fetch.policy import MIB, Policy
from slipway.fetch.settings import Source
from slipway.fetch.stores import Entry, manifest, web
from slipway.fetch.stores.login import Login, read_keys
from slipway.fetch.stores.manifest import Reference
from slipway.fetch.verdict import FetchError, Reason, invalid

_TOKEN_BYTES: Final = MIB
_UNAUTHORIZED: Final = 401

Content = Callable[[], Iterator[bytes]]


class RegistryStore(web.WebStore):
    """One version in a registry."""

    def __init__(
        self, source: Source, client: httpx.Client, policy: Policy, credentials: Path, actions: str = "pull"
    ) -> None:
        super().__init__(source, client, policy)
        self.reference = Reference.parse(source.uri)
        keys = read_keys(credentials, self.reference)
        self._login = Login(keys, self.reference.repository, actions, self._ask)
        self.files: dict[str, Entry] = {}
        """Of the manifest that was read last."""

    def list(self) -> list[Entry]:  # type: ignore[override]
        """The files that the manifest names."""
        entries = manifest.entries(self.read_manifest(), self._source.uri)
        self.files = {entry.path: entry for entry in entries}
        return entries

    def stat(self, path: str) -> Entry:
        """One of them."""
        if path not in self.files:
            message = f"{self.where(path)}: the manifest does not name it; push the bundle again"
            raise FetchError(Reason.SOURCE_NOT_FOUND, message)
        return self.files[path]

    def read(self, path: str, limit_bytes: int) -> bytes:
        """A small file, whole, and what its digest names."""
        entry = self.stat(path)
        if entry.size > limit_bytes:
            raise invalid(f"{path}: larger than {limit_bytes} bytes, which is the most for this file")
        content = super().read(path, limit_bytes)
        manifest.check_digest(content, entry.tag or "", self.where(path))
        return content

    def read_manifest(self) -> bytes:
        """The manifest, and the one that is asked for."""
        version = self.reference.version
        with self.request("GET", f"manifests/{version}", {"Accept": manifest.ACCEPTED}, allowed=(200,)) as response:
            content = self._answer_within(response, manifest.LIMIT_BYTES, f"{self._source.uri}: its manifest")
        if self.reference.digest:
            manifest.check_digest(content, self.reference.digest, self._source.uri)
        return content

    @contextmanager
    def request(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        *,
        allowed: tuple[int, ...],
        content: Content | None = None,
    ) -> Iterator[httpx.Response]:
        """An answer about this repository; `path` may be a whole address that the registry has given."""
        url = path if "://" in path else f"{self._root}/{path}"
        with web.answered(self._logged_in(method, url, headers, content), self._source.uri, allowed) as response:
            yield response

    @property
    def _root(self) -> str:
        return f"{self.reference.base}/v2/{self.reference.repository}"

    def _send(self, path: str, headers: dict[str, str]) -> Any:
        return self._logged_in("GET", f"{self._root}/blobs/{self.stat(path).tag}", headers)

    def _check_same(self, entry: Entry, response: httpx.Response, start: int) -> None:
        """A blob is what its digest names; the tag of whoever stores it says nothing of that."""
        super()._check_same(replace(entry, tag=None), response, start)

    @contextmanager
    def _logged_in(
        self, method: str, url: str, headers: Mapping[str, str], content: Content | None = None
    ) -> Iterator[httpx.Response]:
        for last in (False, True):
            sent = self._login.header
            carried = {**headers, **({"Authorization": sent} if sent and self._is_ours(httpx.URL(url)) else {})}
            body = content() if content else None
            with self._client.stream(method, url, headers=carried, content=body) as response:
                if last or not self._answers_challenge(response, sent):
                    yield response
                    return

    def _answers_challenge(self, response: httpx.Response, sent: str | None) -> bool:
        """Whether the registry itself, and not whom it redirects to, wants a login that can be had."""
        challenge = response.headers.get("WWW-Authenticate", "")
        if response.status_code != _UNAUTHORIZED or not self._is_ours(response.url):
            return False
        return self._login.answer(challenge, sent)

    def _is_ours(self, url: httpx.URL) -> bool:
        base = httpx.URL(self.reference.base)
        return (url.scheme, url.host, url.port) == (base.scheme, base.host, base.port)

    def _ask(self, realm: str, parameters: Mapping[str, str], headers: Mapping[str, str]) -> Any:
        where = f"{self._source.uri}: its token service"
        sent = self._client.stream("GET", realm, params=dict(parameters), headers=dict(headers))
        with web.answered(sent, where, allowed=(200,)) as response:
            content = self._answer_within(response, _TOKEN_BYTES, where)
        try:
            return json.loads(content)
        except (ValueError, RecursionError):
            raise FetchError(Reason.FETCH_FAILED, f"{where} sends no token; see to the registry") from None

    def _answer_within(self, response: httpx.Response, limit_bytes: int, what: str) -> bytes:
        """What the registry says of itself, and no file."""
        return self._bounded(
            response, limit_bytes, what, f"{what} is larger than {limit_bytes} bytes; see to the registry"
        )


def client(source: Source, policy: Policy) -> httpx.Client:
    """The client for an oci:// address."""
    reference = Reference.parse(source.uri)
    return web.client(replace(source, uri=f"{reference.base}/v2/{reference.repository}"), None, policy)
