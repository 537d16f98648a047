"""The command `slipway run`: the operator."""

import asyncio
import gc
import logging
import os
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Final

import click

from slipway import DISTRIBUTION
from slipway.controller import logs
from slipway.controller.model_network import network_rules
from slipway.controller.process import run as run_operator
from slipway.controller.resync import KindsChangedError
from slipway.controller.settings import Settings
from slipway.controller.watching import heed_signals
from slipway.core.decide import decide
from slipway.core.platform import NetworkRules, Platform
from slipway.option_types import seconds_from

log = logging.getLogger(__name__)

OWN_NAMESPACE: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
VERSION: Final = version(DISTRIBUTION)
OBJECTS_BETWEEN_COLLECTIONS: Final = 50_000
"""More than a page of a list has. With Python's 700 four fifths of reading lists went to looking for cycles in them."""


class NameList(click.ParamType[tuple[str, ...]]):
    """Comma-separated names."""

    name = "names"

    def convert(self, value: object, _: click.Parameter | None, __: click.Context | None) -> tuple[str, ...]:
        """See click."""
        return (
            value if isinstance(value, tuple) else tuple(part.strip() for part in str(value).split(",") if part.strip())
        )


class ModelNetwork(click.ParamType[NetworkRules]):
    """Who may call models and what they may reach, as JSON."""

    name = "json"

    def convert(self, value: object, param: click.Parameter | None, context: click.Context | None) -> NetworkRules:
        """See click."""
        if isinstance(value, NetworkRules):
            return value
        try:
            return network_rules(str(value), os.environ.get("KUBERNETES_SERVICE_HOST"))
        except ValueError as error:
            return self.fail(str(error), param, context)


def _own_namespace() -> str:
    return OWN_NAMESPACE.read_text().strip() if OWN_NAMESPACE.exists() else "default"


@click.command(context_settings={"show_default": True})
@click.option("--fetcher-image", envvar="SLIPWAY_FETCHER_IMAGE", required=True, help="Image of the fetcher.")
@click.option(
    "--fetcher-cpu-limit", envvar="SLIPWAY_FETCHER_CPU_LIMIT", default="", help="Of the fetcher's containers."
)
@click.option(
    "--server-image", envvar="SLIPWAY_SERVER_IMAGE", required=True, help="Used when spec.server.image is absent."
)
@click.option(
    "--least-server-version",
    envvar="SLIPWAY_LEAST_SERVER_VERSION",
    default="",
    help="No older Triton is let serve. Default: the first without a known critical CVE.",
)
@click.option(
    "--allowed-backends",
    envvar="SLIPWAY_ALLOWED_BACKENDS",
    type=NameList(),
    default="",
    help="Of which a model must have one; empty = any.",
)
@click.option(
    "--image-pull-secrets", envvar="SLIPWAY_IMAGE_PULL_SECRETS", type=NameList(), default="", help="For both images."
)
@click.option(
    "--model-network",
    envvar="SLIPWAY_MODEL_NETWORK",
    type=ModelNetwork(),
    default="",
    help="Who may call models and what their pods may reach; empty = as each spec says.",
)
@click.option("--cluster-domain", envvar="SLIPWAY_CLUSTER_DOMAIN", default="cluster.local")
@click.option("--namespaces", envvar="SLIPWAY_NAMESPACES", type=NameList(), default="", help="Only these; empty = all.")
@click.option(
    "--prometheus-addresses",
    envvar="SLIPWAY_PROMETHEUS_ADDRESSES",
    type=NameList(),
    default="",
    help="Those that any model may have asked; *: all. Default: of the model's own namespace.",
)
@click.option("--lease-name", envvar="SLIPWAY_LEASE_NAME", default="slipway")
@click.option("--lease-namespace", envvar="SLIPWAY_LEASE_NAMESPACE", default=_own_namespace, help="Default: its own.")
@click.option("--workers", envvar="SLIPWAY_WORKERS", type=click.IntRange(1, 64), default=8, help="Passes at a time.")
@click.option(
    "--resolve-jobs",
    envvar="SLIPWAY_RESOLVE_JOBS",
    type=click.IntRange(4, 1000),
    default=32,
    help="That run at a time, shared out among namespaces.",
)
@click.option("--resync-seconds", envvar="SLIPWAY_RESYNC_SECONDS", type=seconds_from(1), default=300)
@click.option(
    "--log-level",
    envvar="SLIPWAY_LOG_LEVEL",
    type=click.Choice(["debug", "info", "warning", "error"], case_sensitive=False),
    default="info",
)
@click.option("--log-format", envvar="SLIPWAY_LOG_FORMAT", type=click.Choice(["json", "text"]), default="json")
@click.option("--health-port", envvar="SLIPWAY_HEALTH_PORT", type=click.IntRange(1, 65535), default=8080)
@click.option("--metrics-port", envvar="SLIPWAY_METRICS_PORT", type=click.IntRange(1, 65535), default=9090)
def run(
    *,
    fetcher_image: str,
    fetcher_cpu_limit: str,
    server_image: str,
    least_server_version: str,
    allowed_backends: tuple[str, ...],
    image_pull_secrets: tuple[str, ...],
    model_network: NetworkRules,
    cluster_domain: str,
    log_level: str,
    log_format: str,
    namespaces: tuple[str, ...],
    prometheus_addresses: tuple[str, ...],
    lease_name: str,
    lease_namespace: str,
    workers: int,
    resolve_jobs: int,
    resync_seconds: float,
    health_port: int,
    metrics_port: int,
) -> None:
    """Run the operator: in a cluster as the pod's service account, elsewhere by KUBECONFIG."""
    logs.configure(level=log_level, form=log_format)
    platform = Platform(
        version=VERSION,
        fetcher_image=fetcher_image,
        fetcher_cpu_limit=fetcher_cpu_limit or None,
        server_image=server_image,
        least_server_version=least_server_version or None,
        allowed_backends=allowed_backends,
        image_pull_secrets=image_pull_secrets,
        cluster_domain=cluster_domain,
        namespace=lease_namespace,
        network=model_network,
    )
    settings = Settings(
        platform=platform,
        lease_namespace=lease_namespace,
        lease_name=lease_name,
        identity=f"{os.uname().nodename}-{os.getpid()}",
        namespaces=namespaces,
        prometheus_addresses=prometheus_addresses,
        workers=workers,
        resolve_jobs=resolve_jobs,
        resync_seconds=resync_seconds,
        health_port=health_port,
        metrics_port=metrics_port,
    )
    sys.exit(asyncio.run(_run_until_signal(settings)))


async def _run_until_signal(settings: Settings) -> int:
    """Run until a signal; answers the exit code."""
    gc.freeze()
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS)
    stop = asyncio.Event()
    heed_signals(stop)
    try:
        await run_operator(settings, decide, stop)
    except ExceptionGroup as group:
        changed, faults = group.split(KindsChangedError)
        for error in faults.exceptions if faults else ():
            log.exception("The operator ends and expects to be started again", exc_info=error)
        if changed:
            log.info("%s: the operator ends, to be started again and to watch accordingly", changed.exceptions[0])
        return 1 if faults else 0
    return 0
