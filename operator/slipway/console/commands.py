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

_ASKED_SECONDS: Final = 20
_STREAMS_SECONDS: Final = 1.0
"""Pages that are open have a stream that ends only when it is cut."""


@click.command()
@click.option("--port", default=0, type=click.IntRange(0, 65535), help="On loopback; 0: any that is free.")
@click.option("--namespace", "-n", help="Yours: what you take into use goes there. Absent: the context's.")
@click.option("--context", help="Of the kubeconfig.")
@click.option("--kubeconfig", help="As kubectl takes it.")
@click.option("--browser/--no-browser", default=True, help="Open it.")
def console(port: int, namespace: str | None, context: str | None, kubeconfig: str | None, browser: bool) -> None:
    """See what serves and what may be served, in a browser, with your own rights."""
    arguments = [
        f"--{name}={value}" for name, value in (("context", context), ("kubeconfig", kubeconfig)) if value is not None
    ]
    if shutil.which("kubectl") is None:
        raise click.ClickException("there is no kubectl: install it, and put it into PATH")
    try:
        trying = Trying(lambda within: Kubectl(context=context, kubeconfig=kubeconfig, namespace=within))
        asyncio.run(_serve(arguments, namespace or _own_namespace(arguments), port, trying, browser=browser))
    except ApiError as error:
        raise click.ClickException(plain(error)) from None
    except OSError as error:
        raise click.ClickException(f"--port {port}: {error.strerror or error}") from None


async def _serve(arguments: list[str], namespace: str, port: int, trying: Trying, *, browser: bool) -> None:
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
        door = Door(port, token, invitation.withdraw if invitation else lambda: None)
        kept, watches = watched(api, namespace)
        application = Console(api, kept, namespace=namespace, trying=trying).application(door)
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
