"""What the guard was told: `SLIPWAY_GUARD`, and the places and ports that tests move."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Mapping

from . import versions
from .verdict import SPEC_INVALID, Verdict
from .versions import LEAST, Version

REPOSITORY = "repository"


@dataclass(frozen=True)
class Settings:
    """One model in one server."""

    model: str
    model_version: str
    request_timeout_seconds: float
    startup_timeout_seconds: float
    interval_seconds: float
    gpu: bool
    server_args: tuple[str, ...]
    root: Path
    config: Path
    termination_log: Path
    verified: Path
    shared_memory: Path
    http_port: int
    grpc_port: int
    metrics_port: int
    guard_port: int
    """Where the startup probe asks."""
    load_port: int
    """Where autoscalers ask how loaded the server is."""
    least_version: Version = LEAST
    """No older server is started."""
    locked_apis: tuple[str, ...] = ()
    """APIs of Triton that are locked beside those that always are, by the names of server.lockedApis."""
    ipv6: bool = False
    """The pod's own address is one of IPv6: there the kubelet and the Services look for the server."""


def read(environment: Mapping[str, str]) -> Settings:
    """The settings in the environment; a SpecInvalid verdict that names what is missing or of the wrong kind."""
    try:
        document = json.loads(environment.get("SLIPWAY_GUARD", ""))
    except ValueError as error:
        raise Verdict(SPEC_INVALID, f"SLIPWAY_GUARD is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise Verdict(SPEC_INVALID, "SLIPWAY_GUARD is not a JSON object")
    return Settings(
        model=_field(document, "model", str),
        model_version=_field(document, "modelVersion", str),
        request_timeout_seconds=_field(document, "requestTimeoutSeconds", (int, float)),
        startup_timeout_seconds=_field(document, "startupTimeoutSeconds", (int, float)),
        interval_seconds=_field(document, "intervalSeconds", (int, float)),
        gpu=_field(document, "gpu", bool, False),
        server_args=tuple(_strings(document, "serverArgs")),
        locked_apis=tuple(_strings(document, "lockedApis")),
        root=Path(environment.get("SLIPWAY_ROOT", "/slipway")),
        config=Path(environment.get("SLIPWAY_CONFIG", "/etc/slipway")),
        termination_log=termination_log(environment),
        verified=Path(environment.get("SLIPWAY_VERIFIED", "/tmp/slipway-verified")),  # noqa: S108 - a volume of the pod's own
        shared_memory=Path(environment.get("SLIPWAY_SHARED_MEMORY", "/dev/shm")),  # noqa: S108
        http_port=int(environment.get("SLIPWAY_HTTP_PORT", "8000")),
        grpc_port=int(environment.get("SLIPWAY_GRPC_PORT", "8001")),
        metrics_port=int(environment.get("SLIPWAY_METRICS_PORT", "8002")),
        guard_port=int(environment.get("SLIPWAY_GUARD_PORT", "8003")),
        load_port=int(environment.get("SLIPWAY_LOAD_PORT", "8004")),
        least_version=_version(_field(document, "leastServerVersion", str, versions.shown(LEAST))),
        ipv6=":" in environment.get("SLIPWAY_POD_IP", ""),
    )


def _version(text: str) -> Version:
    if not re.fullmatch(r"2\.\d{1,4}(\.\d{1,4})?", text):
        raise Verdict(SPEC_INVALID, f"SLIPWAY_GUARD: leastServerVersion is {text!r}, and is written like 2.59.1")
    return versions.parsed(text)


def termination_log(environment: Mapping[str, str]) -> Path:
    """Where a verdict goes, also the one that says that the settings are wrong."""
    return Path(environment.get("SLIPWAY_TERMINATION_LOG", "/dev/termination-log"))


def _strings(document: dict[str, Any], name: str) -> list[str]:
    texts: list[str] = _field(document, name, list, [])
    if not all(isinstance(text, str) for text in texts):
        raise Verdict(SPEC_INVALID, f"SLIPWAY_GUARD: {name} must be strings")
    return texts


def _field(document: dict[str, Any], name: str, kind: Any, *default: Any) -> Any:
    value = document.get(name, *default)
    if not isinstance(value, kind) or (kind is not bool and isinstance(value, bool)):
        problem = f"is {value!r}" if name in document else "is missing"
        raise Verdict(SPEC_INVALID, f"SLIPWAY_GUARD: {name} {problem}")
    return value
