"""`slipway console`."""

import asyncio
import secrets
import shutil
import signal
import socket
import subprocess
import webbrowser
from typing import Final

import click
from aiohttp import web

from slipway.cli.kubectl import Kubectl
from slipway.cli.text import plain
from slipway.console.api_server import ApiError, ApiServer
from slipway.console.guarding import Door
from slipway.console.invitation import Invitation
from slipway.console.kept import running, watched
from slipway.console.pages import Console
from slipway.console.trying import Trying
from slipway.core.names import is_name

_ASKED_SECONDS: Final = 20
_STREAMS_SECONDS: Final = 1.0
"""Pages that are open have a stream that ends only when it is cut."""


def _namespaces(_: click.Context, __: click.Parameter, named: tuple[str, ...]) -> tuple[str, ...]:
    for each in named:
        if not is_name(each):
            raise click.BadParameter(f"{plain(each)} is no namespace")
    return named


@click.command()
@click.option("--port", default=0, type=click.IntRange(0, 65535), help="On loopback; 0: any that is free.")
@click.option("--namespace", "-n", help="Yours: what you take into use goes there. Absent: the context's.")
@click.option(
    "--also-in",
    multiple=True,
    metavar="NAMESPACE",
    callback=_namespaces,
    help="A further namespace to look at, where you may not list all; once for each.",
)
@click.option("--context", help="Of the kubeconfig.")
@click.option("--kubeconfig", help="As kubectl takes it.")
@click.option("--browser/--no-browser", default=True, help="Open it.")
def console(
    *,
    port: int,
    namespace: str | None,
    also_in: tuple[str, ...],
    context: str | None,
    kubeconfig: str | None,
    browser: bool,
) -> None:
    """See what serves and what may be served, in a browser, with your own rights."""
    arguments = [
        f"--{name}={value}" for name, value in (("context", context), ("kubeconfig", kubeconfig)) if value is not None
    ]
    if shutil.which("kubectl") is None:
        raise click.ClickException("there is no kubectl: install it, and put it into PATH")
    try:
        trying = Trying(lambda within: Kubectl(context=context, kubeconfig=kubeconfig, namespace=within))
        looked_at = (namespace or _own_namespace(arguments), *also_in)
        asyncio.run(_serve(arguments, looked_at, port, trying, browser=browser))
    except ApiError as error:
        raise click.ClickException(plain(error)) from None
    except OSError as error:
        raise click.ClickException(f"--port {port}: {error.strerror or error}") from None


async def _serve(arguments: list[str], looked_at: tuple[str, ...], port: int, trying: Trying, *, browser: bool) -> None:
    ended = asyncio.Event()
    for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(ending, ended.set)
    async with ApiServer.by_kubectl(arguments) as api:
        await api.get("/version")
        listener = _listener(port)
        port = listener.getsockname()[1]
        token = secrets.token_urlsafe(32)
        address = f"http://127.0.0.1:{port}/?token={token}"
        invitation = Invitation(address) if browser else None
        door = Door(port, token, f"/{secrets.token_urlsafe(16)}", invitation.withdraw if invitation else lambda: None)
        kept, watches = watched(api, *looked_at)
        application = Console(api, kept, namespace=looked_at[0], trying=trying).application(door)
        application.cleanup_ctx.append(running(watches))
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=_STREAMS_SECONDS)
        await runner.setup()
        await web.SockSite(runner, listener).start()
        click.echo(address)
        click.echo("The address has the key: give it to nobody. Ctrl-C ends it.", err=True)
        try:
            if invitation:
                webbrowser.open(invitation.file.as_uri())
            await ended.wait()
        finally:
            if invitation:
                invitation.withdraw()
            await runner.cleanup()


def _listener(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    return listener


def _own_namespace(arguments: list[str]) -> str:
    """The namespace that kubectl takes where nobody names one."""
    asked = ["kubectl", "config", "view", "--minify", "--output=jsonpath={..namespace}", *arguments]
    try:
        done = subprocess.run(asked, capture_output=True, text=True, check=False, timeout=_ASKED_SECONDS)
    except subprocess.TimeoutExpired:
        raise ApiError(0, f"kubectl config view says nothing within {_ASKED_SECONDS} s: name a --namespace") from None
    return done.stdout.strip() or "default"
