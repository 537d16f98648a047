"""`slipway logs`: what the pods of a model say, a line at a time and without what would steer the terminal. A line of a
pod is one here, whatever it has within: else a pod could write one in another's name."""

import io
from functools import partial
from typing import Any, Final

import click

from slipway.cli.console import cluster, cluster_options, ended, name_argument
from slipway.cli.kubectl import Kubectl
from slipway.cli.requests import NothingToAskError
from slipway.cli.text import plain
from slipway.core.names import (
    COMPONENT,
    FETCH_CONTAINER,
    MODEL_DEPLOYMENT,
    RESOLVE_CONTAINER,
    REVISION,
    SERVER_CONTAINER,
)

_PODS: Final = 50
"""As many are followed at once; kubectl's own limit is 5."""
_LONGEST: Final = 1 << 20
"""Characters of a line: what goes on is shown as another, and marked."""
_CONTAINERS: Final = click.Choice([SERVER_CONTAINER, FETCH_CONTAINER, RESOLVE_CONTAINER])


@click.command()
@name_argument
@click.argument("container", type=_CONTAINERS, default=SERVER_CONTAINER)
@click.option("--candidate", is_flag=True, help="Of the version on its way. [default: of the one that serves]")
@click.option("--revision", help="Of this revision.")
@click.option("-f", "--follow", is_flag=True, help="Go on as they say more.")
@click.option("-p", "--previous", is_flag=True, help="Of the life before, where a container has started again.")
@click.option("--tail", "lines", type=click.IntRange(0), default=100, show_default=True, help="Lines of each pod.")
@cluster_options
def logs(
    name: str,
    container: str,
    *,
    candidate: bool,
    revision: str | None,
    follow: bool,
    previous: bool,
    lines: int,
    **options: Any,
) -> None:
    """Show what a model's pods say: triton, fetch, or resolve, which is the Job that looks at the source."""
    with ended():
        kubectl = cluster(options)
        selector = f"{MODEL_DEPLOYMENT}={name},{COMPONENT}=resolver"
        if container != RESOLVE_CONTAINER:
            revision = revision or _revision(kubectl, name, candidate=candidate)
            selector = f"{MODEL_DEPLOYMENT}={name},{REVISION}={revision}"
        words = ["logs", f"--selector={selector}", f"--container={container}", "--prefix", f"--tail={lines}"]
        words += [f"--max-log-requests={_PODS}", *(["--previous"] if previous else [])]
        if follow:
            _follow(kubectl, words)
            return
        said = kubectl(*words)
        if not said:
            raise NothingToAskError(f"{name}: no pod of it has said anything as {container}; see slipway get {name}")
        for line in said.removesuffix("\n").split("\n"):
            click.echo(plain(line))


def _revision(kubectl: Kubectl, name: str, *, candidate: bool) -> str:
    from slipway.cli.commands import read

    status = read(kubectl, name, pods=False).status
    which, ref = ("candidate", status.candidate) if candidate else ("version that serves", status.stable)
    if ref is None or ref.revision is None:
        other = "logs NAME resolve" if candidate else "--candidate"
        raise NothingToAskError(f"{name}: has no {which} with pods; {other} may show what you look for")
    return str(ref.revision)


def _follow(kubectl: Kubectl, words: list[str]) -> None:
    with kubectl.start(*words, "--follow") as process:
        try:
            assert isinstance(process.stdout, io.TextIOWrapper)
            process.stdout.reconfigure(newline="\n")
            goes_on = ""
            for piece in iter(partial(process.stdout.readline, _LONGEST), ""):
                click.echo(f"{goes_on}{plain(piece)}")
                goes_on = "" if piece.endswith("\n") else "... "
        except KeyboardInterrupt:
            click.echo()
        finally:
            process.terminate()
