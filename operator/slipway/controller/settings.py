"""How one operator process is set up. docs/contracts.md lists the flags and variables that fill it."""

from dataclasses import dataclass

from slipway.core.platform import Platform


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything that an installation decides."""

    platform: Platform
    lease_namespace: str
    identity: str
    """Unique among replicas: the pod's name."""
    namespaces: tuple[str, ...] = ()
    """Only these; empty = all."""
    prometheus_addresses: tuple[str, ...] = ()
    """Allowed beside those of a model's own namespace."""
    lease_name: str = "slipway"
    workers: int = 8
    resolve_jobs: int = 32
    """Resolve Jobs that run at a time, of all namespaces."""
    resync_seconds: float = 300
    health_port: int = 8080
    metrics_port: int = 9090
