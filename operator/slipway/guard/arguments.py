"""Arguments of tritonserver: those that Slipway relies on, keyed on the server's version, and the user's after them.

A flag that a server does not know ends it with exit code 1, so each one carries the version that brought it
(2.51 for one lacks --allow-client-shm, which later servers have off by default).
"""

from __future__ import annotations

import math
import re
from typing import NamedTuple, Sequence

from . import allowed, versions
from .protocol import KEY_HEADER
from .settings import REPOSITORY, Settings
from .verdict import SPEC_INVALID, Verdict
from .versions import Version

# Load and unload run code, tracing and logging write files, shared memory reads the host's: nobody but the pod's own
# configuration may ask for them. Inference, health and metadata stay open; so do configuration and statistics, unless
# server.lockedApis has them.
LOCKED_APIS = ("model-repository", "shared-memory", "trace", "logging")
LOCKED_IF_ASKED = {"ModelConfig": "model-config", "Statistics": "statistics"}

# A client that keeps its channel would stay on a pod for good: it is told to reconnect, requests in flight finish.
# Every channel must have left a pod before its preStop (10 s) ends: a Triton that stops unloads its model first, and
# answers NOT_FOUND to those that are still there.
GRPC_CONNECTION_AGE_MS = 5_000

# Triton serves HTTP, and metrics with it, on one family of addresses only, and gRPC on both. `::` alone it takes for an
# IPv4 address.
HTTP_ON_IPV6 = "ipv6:::"

# Triton's own default since it has one; a request may fill that much memory, and JSON several times as much.
HTTP_BODY_BYTES = 64 << 20


class Flag(NamedTuple):
    """One argument, the first version that takes it, and whether a server without it may be started."""

    name: str
    value: str | None
    since: tuple[int, int] = (2, 0)
    required: bool = True
    shared: bool = False
    """Users have it too: given more than once each adds to it, or the last one counts."""


def flags(settings: Settings, key: str) -> list[Flag]:
    """What Slipway sets; `key` opens the locked APIs and is known to nobody."""
    locked = ",".join(_locked(settings.locked_apis))
    ours = [
        Flag("--model-repository", str(settings.root / REPOSITORY)),
        Flag("--model-control-mode", "none"),
        Flag("--disable-auto-complete-config", None, (2, 25)),
        Flag("--strict-readiness", "false"),
        Flag("--exit-on-error", "true"),
        Flag("--exit-timeout-secs", str(exit_timeout_seconds(settings))),
        Flag("--http-port", str(settings.http_port)),
        Flag("--grpc-port", str(settings.grpc_port)),
        Flag("--metrics-port", str(settings.metrics_port)),
        Flag("--grpc-max-connection-age", str(GRPC_CONNECTION_AGE_MS), (2, 42), required=False),
        Flag("--http-restricted-api", f"{locked}:{KEY_HEADER}={key}", (2, 40)),
        Flag("--grpc-restricted-protocol", f"{locked}:{KEY_HEADER}={key}", (2, 33)),
        Flag("--log-format", "ISO8601", (2, 24), required=False),
        # The collector inside Triton fails under MIG and meets the node's own (#5324, #7597).
        Flag("--allow-gpu-metrics", "false"),
        Flag("--http-max-input-size", str(HTTP_BODY_BYTES), (2, 59), required=False, shared=True),
        # What analyses and dashboards read: quantiles of latency, which no server keeps by itself.
        Flag("--metrics-config", "summary_latencies=true", (2, 29), required=False, shared=True),
    ]
    if settings.ipv6:
        ours.append(Flag("--http-address", HTTP_ON_IPV6))
    if not settings.gpu:
        ours.append(Flag("--pinned-memory-pool-byte-size", "0"))
    return ours


def _locked(asked: Sequence[str]) -> list[str]:
    if unknown := set(asked) - set(LOCKED_IF_ASKED):
        raise Verdict(SPEC_INVALID, f"server.lockedApis: this Slipway cannot lock {', '.join(sorted(unknown))}")
    return [*LOCKED_APIS, *(LOCKED_IF_ASKED[api] for api in asked)]


def exit_timeout_seconds(settings: Settings) -> int:
    """How long a stopping server waits for requests in flight: as long as one may take."""
    return max(1, math.ceil(settings.request_timeout_seconds))


def listed_flags(help_text: str) -> frozenset[str]:
    """The flags that `tritonserver --help` lists, for an image that does not state its version."""
    return frozenset(re.findall(r"^\s*(?:-\w, )?(--[a-z0-9-]+)", help_text, re.MULTILINE))


def build(settings: Settings, key: str, version: Version | None, listed: frozenset[str] = frozenset()) -> list[str]:
    """All arguments, the user's last; SpecInvalid for one that is not allowed, or a server too old."""
    versions.require(version, listed, settings.least_version)
    ours = flags(settings, key)
    allowed.check(settings.server_args, [flag.name for flag in ours if not flag.shared], version)
    arguments = []
    for flag in ours:
        supported = version >= flag.since if version else flag.name in listed
        if supported:
            arguments.append(flag.name if flag.value is None else f"{flag.name}={flag.value}")
        elif flag.required:
            raise Verdict(
                SPEC_INVALID, f"server.image: {versions.named(version)} has no {flag.name}; use Triton 2.40 or later"
            )
    return arguments + list(settings.server_args)
