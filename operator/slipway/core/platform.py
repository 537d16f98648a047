"""What the operator's installation decides, as opposed to what a user asks for."""

from dataclasses import dataclass


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
