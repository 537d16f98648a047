"""What the operator's installation decides, as opposed to what a user asks for."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

KEDA: Final[tuple[Mapping[str, Any], ...]] = (
    {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "keda"}},
        "podSelector": {"matchLabels": {"app": "keda-operator"}},
    },
)
"""KEDA's operator as its chart and its manifests install it."""


@dataclass(frozen=True, kw_only=True)
class NetworkRules:
    """Who may call models, and what their pods may reach, whoever writes them. No revision keeps it."""

    closed: bool = False
    """Nobody calls a model and it reaches nothing, but for what is listed here or in its spec."""
    callers: tuple[Mapping[str, Any], ...] = ()
    """NetworkPolicy peers that may call every model, beside its own namespace."""
    scrapers: tuple[Mapping[str, Any], ...] = ()
    """Peers that may read every model's metrics."""
    keda: tuple[Mapping[str, Any], ...] = KEDA
    """Peers that KEDA's operator is, who may ask the pods of what it scales how loaded they are."""
    proxy_namespaces: tuple[str, ...] = ()
    """Where the proxies of Gateways run, beside the Gateway's own namespace."""
    stores: tuple[Mapping[str, Any], ...] = ()
    """Peers that bundles come from; empty: whatever a source names, but for `unreachable` and link-local addresses."""
    unreachable: tuple[str, ...] = ()
    """Blocks of addresses, such as the API server's."""


@dataclass(frozen=True, kw_only=True)
class Platform:
    """Settings of one operator release and installation. A revision keeps those that it was made with."""

    version: str
    """The operator's version, recorded with every revision."""
    fetcher_image: str
    server_image: str
    """Used when spec.server.image is absent."""
    least_server_version: str | None = None
    """No older Triton is let serve; when absent, the guard's own least one."""
    allowed_backends: tuple[str, ...] = ()
    """Backends of which a model must have one; empty: any. Asked of the resolve Job: no revision keeps it."""
    image_pull_secrets: tuple[str, ...] = ()
    fetcher_cpu_limit: str | None = None
    """Where a quota on limits.cpu wants one of every container."""
    cluster_domain: str = "cluster.local"
    namespace: str = "default"
    """Where the operator runs."""
    network: NetworkRules = NetworkRules()
