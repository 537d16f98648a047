"""Addresses and keys that a store's library does not take. Pure. Some it answers with a panic, which names no field."""

import ipaddress
import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from slipway.fetch.settings import Source
from slipway.fetch.verdict import FetchError, Reason

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_HOST: Final = re.compile(r"[a-z0-9_.-]+")
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")
_BLANK: Final = re.compile(r"[\x00-\x20\x7f]")
_PRINTABLE: Final = re.compile(r"[\x20-\x7e]*")
_MANY_LINES: Final = frozenset({"GOOGLE_SERVICE_ACCOUNT_KEY"})


def check_prefix(source: Source) -> None:
    """SpecInvalid unless bucket and path are ones that an object store can be asked for."""
    parts = source.path.split("/") if source.path else []
    if "" in parts or "." in parts:
        raise _of_spec(source, "an empty or `.` part in the path, which no object is found by; take it out")
    if ".." in parts:
        raise _of_spec(source, "climbs with `..`; write the path that is meant")
    if _CONTROL.search(source.path) or _BLANK.search(source.container):
        raise _of_spec(source, "a blank or a control character in it; correct the address")


def check_keys(keys: Mapping[str, str]) -> None:
    """SourceDenied where a key holds what no request can carry; its content is quoted nowhere."""
    for name, value in sorted(keys.items()):
        if name not in _MANY_LINES and not _PRINTABLE.fullmatch(value):
            message = f"{name} in the Secret of source.secretName: holds a line break or another character that no"
            raise FetchError(Reason.SOURCE_DENIED, f"{message} request can carry; write it anew")


def check_endpoint(endpoint: str, where: str, reason: Reason, *, bucket_in_host: bool = False) -> None:
    """A FetchError with the field `where` unless this is the address of a store."""
    why = _why_not(endpoint) or (_why_no_bucket(endpoint) if bucket_in_host else None)
    if why:
        raise FetchError(reason, f"{where}: {endpoint.partition('?')[0]!r} {why}")


def _why_not(endpoint: str) -> str | None:
    if not endpoint.startswith(("http://", "https://")):
        return f"has no scheme; write http://{endpoint}, or https://" if "://" not in endpoint else "is not http(s)://"
    if _BLANK.search(endpoint):
        return "has a blank or a control character in it; correct it"
    try:
        parts = urlsplit(endpoint)
        port = parts.port
    except ValueError as error:
        return f"is no address ({error}); write it like https://minio.example:9000"
    if not parts.hostname or port == 0:
        return "names no host, or port 0; write it like https://minio.example:9000"
    if not _is_host(parts.hostname):
        return f"has {parts.hostname!r} for a host, which is neither a name in ASCII nor an IP address; correct it"
    return None


def _is_host(host: str) -> bool:
    last = host.rstrip(".").rpartition(".")[2]
    return bool(_HOST.fullmatch(host) and not _NUMBER.fullmatch(last)) or _address(host) is not None


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _why_no_bucket(endpoint: str) -> str | None:
    if _address(urlsplit(endpoint).hostname or "") is None:
        return None
    return "is an IP address, before which no bucket's name can stand; take s3.forcePathStyle out"


def _of_spec(source: Source, why: str) -> FetchError:
    return FetchError(Reason.SPEC_INVALID, f"source.uri: {source.shown}: {why}")
