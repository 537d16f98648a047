"""Which Prometheus a model may have asked: the operator stands elsewhere in the network than who writes the address.

Without more it is one of the model's own namespace. The platform allows others by their addresses, for everybody.
"""

from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, urlsplit

ANY: Final = "*"


@dataclass(frozen=True, kw_only=True)
class PrometheusAddresses:
    """What the platform allows."""

    addresses: tuple[str, ...] = ()
    """As `http://prometheus.monitoring:9090`, all below it included, and `$(namespace)` the model's; `*` for any."""
    cluster_domain: str = "cluster.local"

    def objection(self, address: str, namespace: str) -> str | None:
        """What speaks against asking there for a model of that namespace."""
        allowed = [each.replace("$(namespace)", namespace) for each in self.addresses]
        if ANY in allowed or any(_is_below(address, each) for each in allowed):
            return None
        if self._is_of(namespace, _host(address)):
            return None
        return (
            f"prometheus.address: {address} is no Service of namespace {namespace}, like "
            f"http://prometheus.{namespace}.svc:9090, and none that the platform allows: who runs the operator can, in "
            "the chart's models.allowedPrometheus"
        )

    def _is_of(self, namespace: str, host: str) -> bool:
        name, _, rest = host.partition(".")
        # Not without svc: `prometheus.dev` may be somebody's on the Internet.
        return bool(name) and rest in (f"{namespace}.svc", f"{namespace}.svc.{self.cluster_domain}")


OWN_NAMESPACE: Final = PrometheusAddresses()


def _host(address: str) -> str:
    parts = _split(address)
    return (parts.hostname or "").removesuffix(".") if parts and not _has_user(parts) else ""


def _is_below(address: str, allowed: str) -> bool:
    one, other = _split(address), _split(allowed)
    if one is None or other is None or _has_user(one) or _origin(one) != _origin(other):
        return False
    path = one.path.rstrip("/") + "/"
    climbs = any(part in path for part in ("/../", "/./", "%", "\\"))
    return not climbs and path.startswith(other.path.rstrip("/") + "/")


def _origin(parts: SplitResult) -> tuple[str, str | None, int | None]:
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)


def _has_user(parts: SplitResult) -> bool:
    return "@" in parts.netloc


def _split(address: str) -> SplitResult | None:
    """Its parts; None where it is no address."""
    try:
        parts = urlsplit(address)
        _ = parts.port  # which is read only now
    except ValueError:
        return None
    return parts
