"""Which tritonserver an image has, the least one that is let serve, and what one should know of the others.

Versions are numbers, 2.59.1 as (2, 59, 1).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Mapping, Tuple

from .allowed import ALLOWED
from .verdict import SPEC_INVALID, Verdict

Version = Tuple[int, ...]

LEAST: Version = (2, 59, 1)
"""NVIDIA's 25.07, the first without CVE-2025-23310 and -23311: one request of anybody ends what is older, and may do
more. docs/security.md lists what is known of the others."""

VERSION_FILE = Path("/opt/tritonserver/TRITON_VERSION")

# Limits an HTTP body (server#8174), and takes a JSON one of a few MB (server#8411, 25.10).
_LIMITS_BODIES: Version = (2, 59)
_TAKES_BIG_BODIES: Version = (2, 62)
# Not allowed, and younger than all that are.
_YOUNGEST: dict[str, Version] = {"--allow-client-shm": (2, 68)}


def of_image(environment: Mapping[str, str], file: Path = VERSION_FILE) -> Version | None:
    """The version that the image states, or None when it states none. A file goes before variables: users set those."""
    stated = [file.read_text(encoding="utf-8")] if file.is_file() else []
    stated += [environment.get("TRITON_SERVER_VERSION", ""), environment.get("NVIDIA_TRITON_SERVER_VERSION", "")]
    for text in stated:
        # NVIDIA_TRITON_SERVER_VERSION is the container's (24.10), not the server's: servers are 2.x.
        match = re.match(r"\s*(2\.\d{1,4}(?:\.\d{1,4})?)", text)
        if match:
            return parsed(match[1])
    return None


def parsed(text: str) -> Version:
    """The numbers in `2.59.1` or `2.59`."""
    return tuple(([*list(map(int, text.split("."))), 0])[:3])


def named(version: Version | None) -> str:
    """For messages."""
    return f"Triton {shown(version)}" if version else "this tritonserver"


def shown(version: Version) -> str:
    """As Triton writes it."""
    return ".".join(map(str, version))


def require(version: Version | None, listed: frozenset[str], least: Version) -> None:
    """SpecInvalid for a server below the least one; where the image states no version its flags show how old it is."""
    shows = version if version is not None else _by_flags(listed)
    if shows >= least:
        return
    what = f"{named(version)} is" if version else "it states no version (TRITON_SERVER_VERSION), and may be"
    raise Verdict(
        SPEC_INVALID,
        f"server.image: {what} below {shown(least)}, the least that is let serve: one request can end what is older; "
        "take NVIDIA's 25.07 or later, or have the platform lower server.leastVersion (docs/security.md)",
    )


def warning(version: Version | None) -> str | None:
    """What one should know of a server of that version."""
    if version is None or version >= _TAKES_BIG_BODIES:
        return None
    return f"{named(version)} dies on HTTP JSON bodies of a few MB: use binary tensors, gRPC or Triton 2.62 (25.10)"


def by_a_request(version: Version | None) -> str | None:
    """How one request of anybody can have ended a server that died by a signal while it served."""
    if version is None or version >= _TAKES_BIG_BODIES:
        return None
    return f"one large or chunked HTTP body ends {named(version)} so: see who sends what, or use 2.62 (25.10) or later"


def of_bodies(version: Version | None) -> str:
    """What a server that serves can do about requests that fill its memory."""
    many = "one request can do it, as JSON takes many times its size in memory"
    if version is not None and version < _LIMITS_BODIES:
        limit = "limit it at the gateway (traffic.maxRequestSize), or use Triton 2.59 or later"
        return f"{many} and {named(version)} limits no body: {limit}"
    return f"{many}: --http-max-input-size in server.args limits the body"


def _by_flags(listed: frozenset[str]) -> Version:
    """The youngest version that brought one of these flags."""
    since = {**ALLOWED, **_YOUNGEST}
    return max((since[flag] for flag in listed & since.keys()), default=(2, 0, 0))
