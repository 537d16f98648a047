"""s3://, gs:// and az:// through obstore. Retries are ours (resume.py), so that every source has the same."""

import itertools
import re
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import (
    BaseError,
    InvalidPathError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
)
from obstore.store import AzureStore, GCSStore, S3Store

from slipway.fetch import layout
from slipway.fetch.policy import Policy
from slipway.fetch.settings import S3, Source
from slipway.fetch.stores import Entry, address
from slipway.fetch.verdict import FetchError, Reason, invalid

# The names of docs/contracts.md. Others in the Secret are somebody else's business.
KEYS: Final = {
    "s3": ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "AWS_REGION"),
    "gs": ("GOOGLE_SERVICE_ACCOUNT_KEY", "GOOGLE_SERVICE_ACCOUNT"),
    "az": (
        "AZURE_STORAGE_ACCOUNT_NAME",
        "AZURE_STORAGE_ACCOUNT_KEY",
        "AZURE_STORAGE_SAS_KEY",
        "AZURE_STORAGE_ENDPOINT",
        "AZURE_STORAGE_TENANT_ID",
        "AZURE_STORAGE_CLIENT_ID",
        "AZURE_STORAGE_CLIENT_SECRET",
    ),
}
_ENDPOINTS: Final = ("AWS_ENDPOINT_URL", "AZURE_STORAGE_ENDPOINT")
_AS_THEY_COME: Final = 0
"""Gathering chunks into larger ones costs a copy into fresh memory, whose pages the kernel has to clear."""
_STATUS: Final = re.compile(r"status code: (\d{3})")
_HOST: Final = re.compile(r"Error performing [A-Z]+ (https?://[^/?\s]+)")
_CODE: Final = re.compile(r"<Code>([^<]{1,80})</Code>")
_NOT_OF_KEYS: Final = {
    "InvalidObjectState": (Reason.FETCH_FAILED, "the object is archived: restore it to a class that can be read"),
    "RequestTimeTooSkewed": (Reason.SOURCE_DENIED, "set the clock of the node, or of the store"),
}
"""What a store answers 403 for although the keys are right."""
# What the library says of a 301 that names no place, and of what is no listing.
_ELSEWHERE: Final = "Received redirect without LOCATION"
_NO_LISTING: Final = "Got invalid list response"
_NO_OBJECT: Final = "slipway-asks-whether-a-name-that-nobody-gives-is-there"
_SAID: Final = re.compile(r"<Message>([^<]{1,200})</Message>")


class ObjectStore:
    """A prefix of a bucket."""

    def __init__(self, store: S3Store | GCSStore | AzureStore, address: str) -> None:
        self._store = store
        self._address = address

    def where(self, path: str) -> str:
        """The object's address, for messages."""
        return f"{self._address}/{path}"

    def list(self) -> list[Entry]:
        """Every object under the prefix."""
        try:
            with self._explained(self._address):
                listed = itertools.chain.from_iterable(obstore.list(self._store))
                entries = layout.bounded(map(_entry, listed), self._address)
        except FetchError as error:
            if error.reason is Reason.SOURCE_NOT_FOUND:
                self._check_bucket_once()
            raise
        if not entries:
            self._check_prefix()
        return entries

    def _check_prefix(self) -> None:
        """A FetchError where an empty listing has a better explanation than that nothing is there."""
        if self._has(_NO_OBJECT):
            raise _no_store(self._address)
        if self._store.prefix and self._has(""):
            message = "is one object, and a bundle is all objects under a prefix; unpack it and name that prefix"
            raise FetchError(Reason.SPEC_INVALID, f"{self._address}: {message} (archives are read over https://)")
        self._check_bucket_once()

    def _check_bucket_once(self) -> None:
        """SourceNotFound where the endpoint's path has the bucket in it: each request names it once more."""
        config: Mapping[str, Any] = self._store.config
        if config.get("bucket") in urlsplit(config.get("endpoint", "")).path.split("/"):
            remedy = "the store's endpoint has the bucket in it, which source.uri names already: take it out there"
            raise FetchError(Reason.SOURCE_NOT_FOUND, f"{self._address}: nothing is there; {remedy}")

    def _has(self, path: str) -> bool:
        """Whether that name is of an object. A store that refuses the question says no."""
        try:
            return obstore.head(self._store, path)["size"] >= 0
        except (BaseError, FileNotFoundError):
            return False

    def stat(self, path: str) -> Entry:
        """One object."""
        with self._explained(self.where(path)):
            return replace(_entry(obstore.head(self._store, path)), path=path)

    def read(self, path: str, limit_bytes: int) -> bytes:
        """A small object, whole."""
        content = bytearray()
        with self._explained(self.where(path)):
            result = obstore.get(self._store, path)
            for chunk in result.stream(_AS_THEY_COME):
                content += chunk
                if len(content) > limit_bytes:
                    raise invalid(f"{path}: larger than {limit_bytes} bytes, which is the most for this file")
        return bytes(content)

    def stream(self, entry: Entry, start: int, end: int) -> Generator[bytes]:
        """A range, in chunks as they come off the wire."""
        options: obstore.GetOptions = {"range": (start, end)}
        if entry.tag:
            options["if_match"] = entry.tag
        where = self.where(entry.path)
        with self._explained(where):
            result = obstore.get(self._store, entry.path, options=options)
            if result.meta["size"] != entry.size:
                raise changed(where, f"{result.meta['size']} bytes now, {entry.size} when it was listed")
        with self._explained(where, broken=True):
            yield from result.stream(_AS_THEY_COME)

    @contextmanager
    def _explained(self, where: str, *, broken: bool = False) -> Iterator[None]:
        """Turn the library's errors into ours; `broken` once the answer's body has begun."""
        try:
            yield
        except FileNotFoundError:
            message = f"{where}: not there; check source.uri, and that the upload has ended"
            raise FetchError(Reason.SOURCE_NOT_FOUND, message) from None
        except (PermissionDeniedError, UnauthenticatedError) as error:
            raise _denied(where, str(error)) from None
        except PreconditionError:
            raise changed(where, "its entity tag is another one than when it was listed") from None
        except InvalidPathError as error:
            raise invalid(f"{where}: a name that is no path: {_first(str(error))}; rename the object") from None
        except BaseError as error:
            raise _explain(where, str(error), broken=broken) from None


def _entry(meta: "obstore.ObjectMeta") -> Entry:
    return Entry(path=meta["path"], size=meta["size"], tag=meta["e_tag"] or None)


def changed(where: str, how: str) -> FetchError:
    """The file was replaced while we were reading it."""
    return FetchError(Reason.SOURCE_CHANGED, f"{where}: {how}; upload each version under an address of its own")


def of_status(where: str, status: int, said: str = "") -> FetchError:
    """What an HTTP status of a store means."""
    answer = f"the store answers {status}" + (f" ({said})" if said else "")
    if status in {401, 403}:
        return _denied(where, said, answer)
    if status in {404, 410}:
        return FetchError(
            Reason.SOURCE_NOT_FOUND, f"{where}: {answer}; check source.uri, and that the upload has ended"
        )
    if status in {408, 425, 429} or status >= 500:
        message = f"{where}: {answer}; it is asked again, see to the store if this stays"
        return FetchError(Reason.SOURCE_UNAVAILABLE, message, transient=True)
    return FetchError(Reason.FETCH_FAILED, f"{where}: {answer}; check source.uri and the store's settings")


def _denied(where: str, text: str, answer: str = "the store refuses us") -> FetchError:
    said = _words(text)
    for code, (reason, remedy) in _NOT_OF_KEYS.items():
        if said.startswith(code):
            return FetchError(reason, f"{where}: {answer} ({said}); {remedy}")
    because = f" ({said})" if said and said not in answer else ""
    message = f"{where}: {answer}{because}; check the keys in the Secret of source.secretName and what they may read"
    return FetchError(Reason.SOURCE_DENIED, message)


def _explain(where: str, text: str, *, broken: bool) -> FetchError:
    if "169.254.169.254" in text or "Missing credentials" in text or "MissingCredential" in text:
        return _no_keys(where)
    if _NO_LISTING in text:
        return _no_store(where)
    if _ELSEWHERE in text or "AuthorizationHeaderMalformed" in text:
        said = f" ({words})" if (words := _words(text)) else ""
        message = f"{where}: the store has the bucket in another region{said}; set source.s3.region"
        return FetchError(Reason.SPEC_INVALID, message)
    if status := _STATUS.search(text):
        return of_status(where, int(status[1]), _words(text))
    if "contained illegal" in text or "InvalidPath" in text or "empty path segment" in text:
        return invalid(f"{where}: holds a name that is no path: {_first(text)}; rename the object")
    return _interrupted(where, text, broken=broken)


def _interrupted(where: str, text: str, *, broken: bool) -> FetchError:
    """The answer did not come, or not all of it."""
    if "kind: Timeout" in text:
        return FetchError(Reason.FETCH_STALLED, f"{where}: no byte came", transient=True)
    if broken:
        return FetchError(Reason.BUNDLE_TRUNCATED, f"{where}: the connection broke: {_first(text)}", transient=True)
    host = f" to {match[1]}" if (match := _HOST.search(text)) else ""
    message = f"{where}: no connection{host}: {_first(text)}; check the address and that the store is up"
    return FetchError(Reason.SOURCE_UNAVAILABLE, message, transient=True)


def _no_store(where: str) -> FetchError:
    """What answers would have said so of any address: a console's pages, another service."""
    message = f"{where}: what answers there is no object store; let the endpoint be the store's own, not its console's"
    return FetchError(Reason.FETCH_FAILED, message)


def _no_keys(where: str) -> FetchError:
    message = f"{where}: no credentials; name a Secret in source.secretName, or set s3.anonymous for a public bucket"
    return FetchError(Reason.SOURCE_DENIED, message)


def _words(text: str) -> str:
    """The store's own words in an S3 error document: its code and message."""
    words = [match[1] for match in (_CODE.search(text), _SAID.search(text)) if match]
    return ": ".join(words) if words else ("" if "\n" in text or "Error performing" in text else text)


def _first(text: str) -> str:
    """The first line of an error of obstore's: the rest is Rust's debug output."""
    line = text.split("\n", 1)[0]
    return line.rsplit(" - ", 1)[-1][:300]


def open_store(source: Source, credentials: Path, policy: Policy, kind: type[ObjectStore] = ObjectStore) -> ObjectStore:
    """The store of an s3://, gs:// or az:// address."""
    address.check_prefix(source)
    keys = read_keys(source.scheme, credentials)
    _check_endpoint(source, keys)
    address.check_keys(keys)
    prefix = source.path or None
    opener: Callable[..., S3Store | GCSStore | AzureStore]
    config: Any
    if source.scheme == "s3":
        opener, config = S3Store, s3_config(source.s3 or S3(), source.container, keys)
    else:
        opener, config = (GCSStore if source.scheme == "gs" else AzureStore), _by_sdk_name(keys)
    plain = any("http://" in str(value) for value in config.values())
    try:
        store = opener(
            source.container,
            prefix=prefix,
            config=config,
            client_options={
                "allow_http": plain,
                "connect_timeout": timedelta(seconds=min(10.0, policy.read_seconds)),
                "timeout": timedelta(seconds=policy.read_seconds),  # of a whole answer; what came of it stays
            },
            retry_config={"max_retries": 0, "retry_timeout": timedelta(seconds=30)},
        )
    except BaseError as error:
        message = (
            f"{source.uri}: the settings or keys cannot be used: {_first(str(error))}; correct the Secret or the spec"
        )
        raise FetchError(Reason.SOURCE_DENIED, message) from None
    return kind(store, source.uri.rstrip("/"))


def _check_endpoint(source: Source, keys: Mapping[str, str]) -> None:
    s3 = source.s3 or S3()
    if source.scheme == "s3" and s3.endpoint:
        in_host = s3.force_path_style is False
        address.check_endpoint(s3.endpoint, "source.s3.endpoint", Reason.SPEC_INVALID, bucket_in_host=in_host)
    elif name := next((name for name in _ENDPOINTS if keys.get(name)), None):
        in_host = source.scheme == "s3" and s3.force_path_style is False
        where = f"{name} in the Secret of source.secretName"
        address.check_endpoint(keys[name], where, Reason.SOURCE_DENIED, bucket_in_host=in_host)


def read_keys(scheme: str, credentials: Path) -> dict[str, str]:
    """The store's variables in the mounted Secret: one file a key."""
    paths = {name: credentials / name for name in KEYS[scheme]}
    return {name: path.read_text().strip() for name, path in paths.items() if path.is_file()}


def s3_config(s3: S3, bucket: str, keys: Mapping[str, str]) -> dict[str, Any]:
    """obstore's settings for S3. The spec wins over the Secret, the Secret over the environment."""
    config: dict[str, Any] = {name.removeprefix("AWS_").lower(): value for name, value in keys.items()}
    endpoint = s3.endpoint or config.pop("endpoint_url", None)
    config.pop("endpoint_url", None)
    config["region"] = s3.region or config.get("region") or "us-east-1"
    path_style = s3.force_path_style if s3.force_path_style is not None else endpoint is not None
    config["virtual_hosted_style_request"] = not path_style
    if endpoint:
        config["endpoint"] = endpoint.rstrip("/") if path_style else _with_bucket(endpoint, bucket)
    if s3.anonymous:
        config["skip_signature"] = True
    return config


def _by_sdk_name(keys: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in keys.items()}


def _with_bucket(endpoint: str, bucket: str) -> str:
    """The library wants the bucket in the endpoint's host when it is addressed there."""
    parts = urlsplit(endpoint)
    return f"{parts.scheme}://{bucket}.{parts.netloc}{parts.path}".rstrip("/")
