"""`slipway serve-console`: the console in the cluster, as its pod runs it. The chart says all that it needs to know."""

import asyncio
import os
import signal
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final

import aiohttp
import click
from aiohttp import web

from slipway.console.api_server import LINE_BYTES, ApiServer
from slipway.console.following import Changes
from slipway.console.identity import SHORTEST, Proxy
from slipway.console.in_cluster import SharedConsole
from slipway.console.kept import KINDS, Kept, running
from slipway.console.several import Several
from slipway.console.watched import Watched

_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_STREAMS_SECONDS: Final = 1.0


@click.command("serve-console")
@click.option("--port", default=8080, type=click.IntRange(1, 65535), envvar="SLIPWAY_CONSOLE_PORT", show_default=True)
@click.option("--namespaces", default="", envvar="SLIPWAY_NAMESPACES", help="Whose objects are shown. Absent: all.")
@click.option("--proxy-token", envvar="SLIPWAY_CONSOLE_PROXY_TOKEN", type=click.Path(path_type=Path), help="Its file.")
@click.option("--user-header", default="X-Forwarded-User", envvar="SLIPWAY_CONSOLE_USER_HEADER", show_default=True)
@click.option("--groups-header", default="X-Forwarded-Groups", envvar="SLIPWAY_CONSOLE_GROUPS_HEADER")
@click.option("--user-prefix", default="", envvar="SLIPWAY_CONSOLE_USER_PREFIX", help="As --oidc-username-prefix.")
@click.option("--groups-prefix", default="", envvar="SLIPWAY_CONSOLE_GROUPS_PREFIX", help="As --oidc-groups-prefix.")
def serve_console(port: int, namespaces: str, proxy_token: Path | None, **headers: str) -> None:
    """Serve the console in a cluster, read-only; the chart's console.enabled does it."""
    if proxy_token and len(_token(proxy_token)) < SHORTEST:
        raise click.UsageError(f"--proxy-token: {proxy_token} has to hold {SHORTEST} characters or more")
    proxy = Proxy(partial(_token, proxy_token), **headers) if proxy_token else None
    asyncio.run(_serve(port, [each for each in namespaces.split(",") if each], proxy))


def _token(file: Path) -> str:
    """What the proxy has to show; empty where nobody wrote it."""
    try:
        return file.read_text(errors="replace").strip()
    except OSError:
        return ""


async def _serve(port: int, namespaces: list[str], proxy: Proxy | None) -> None:
    ended = asyncio.Event()
    for ending in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(ending, ended.set)
    async with own_account() as api:
        kept, watches = _watched(api, namespaces)
        application = SharedConsole(api, kept, proxy).application()
        application.cleanup_ctx.append(running(watches))
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=_STREAMS_SECONDS)
        await runner.setup()
        await web.TCPSite(runner, port=port).start()
        click.echo(f"serving on port {port}", err=True)
        try:
            await ended.wait()
        finally:
            await runner.cleanup()


@asynccontextmanager
async def own_account() -> AsyncIterator[ApiServer]:
    """The API server, asked as the pod's own account. Its token is read each time: the kubelet renews it."""
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
    account = Path(os.environ.get("SLIPWAY_ACCOUNT", _ACCOUNT))
    address = f"https://{f'[{host}]' if ':' in host else host}:{port}"
    context = ssl.create_default_context(cafile=str(account / "ca.crt"))
    connector = aiohttp.TCPConnector(ssl=context, limit=0)
    async with aiohttp.ClientSession(address, connector=connector, read_bufsize=LINE_BYTES // 2) as session:
        yield ApiServer(session, lambda: {"Authorization": f"Bearer {_token(account / 'token')}"})


def _watched(api: ApiServer, namespaces: list[str]) -> tuple[Kept, list[Watched]]:
    """All objects of our kinds, or those of these namespaces."""
    changes = Changes()
    everywhere, places = not namespaces, namespaces or [""]
    by_kind = [[Watched(api, kind, each, changes, everywhere=everywhere) for each in places] for kind in KINDS]
    deployments, models, versions = map(Several, by_kind)
    return Kept(deployments, models, versions, changes), [each for several in by_kind for each in several]
