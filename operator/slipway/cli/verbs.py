"""The commands that ask for something: promote, abort, pause, resume, retry, rollback, restart and accept; and wait."""

import time
from datetime import UTC, datetime
from typing import Any, Final

import click

from slipway.api.v1alpha1 import MODELS
from slipway.cli.commands import read
from slipway.cli.console import TimeUpError, cluster, cluster_options, ended, name_argument
from slipway.cli.kubectl import MANAGER, Kubectl
from slipway.cli.text import plain
from slipway.option_types import seconds_from

_POLL_SECONDS: Final = 0.5
_ENDS: Final = click.Choice(["ready", "settled"])
_FOR: Final = "ready: what the manifest asks for serves. settled: that, or it is refused, paused or stalled."
_HELP: Final = {
    "promote": "Go on past a pause or an analysis; end the standby of the version before.",
    "abort": "Send the candidate, or what soaks, home.",
    "pause": "Hold pods and traffic of a rollout as they are.",
    "resume": "Let a paused rollout go on.",
    "retry": "Try again what was refused, or what waits for its next try.",
    "rollback": "Go back to the version before, although the manifest asks for this one.",
    "restart": "Make new pods of the version that serves.",
    "accept": "Ask for the version that a followed alias means, and that waits.",
}


def _command(verb: str) -> click.Command:
    @click.command(verb, help=_HELP[verb])
    @name_argument
    @click.option("--revision", help="[default: the one that it can be about]")
    @click.option("--timeout", "seconds", type=seconds_from(0), default=60, help="Seconds for an answer.")
    @click.option("--no-wait", is_flag=True, help="Ask, and do not wait for the answer.")
    @cluster_options
    def command(name: str, *, revision: str | None, seconds: float, no_wait: bool, **options: Any) -> None:
        with ended():
            _ask(cluster(options), verb, name, revision, None if no_wait else seconds)

    return command


promote, abort, pause, resume, retry, rollback, restart, accept = map(_command, _HELP)


def _ask(kubectl: Kubectl, verb: str, name: str, revision: str | None, seconds: float | None) -> None:
    """Write the annotation, and wait for what status.requests says of it."""
    from slipway.cli.requests import answer, asked, is_done
    from slipway.core.names import REQUEST
    from slipway.core.rollout.requests import Verb

    wanted = asked(read(kubectl, name, pods=False), Verb(verb), revision)
    click.echo(f"{plain(name)}: {verb} {plain(wanted.version)} (revision {wanted.revision})", err=True)
    annotation = f"{REQUEST}={wanted.text}"
    kubectl("annotate", MODELS, name, annotation, "--overwrite", f"--field-manager={MANAGER}")
    if seconds is None:
        return
    until = time.monotonic() + seconds
    while (outcome := answer(read(kubectl, name, pods=False), wanted.text)) is None:
        if time.monotonic() >= until:
            raise TimeUpError(f"no answer to {wanted.text} within {seconds:g} s: see that the operator runs")
        time.sleep(_POLL_SECONDS)
    if not is_done(outcome):
        raise click.ClickException(plain(outcome.outcome))
    click.echo(plain(outcome.outcome))


@click.command()
@name_argument
@click.option("--for", "wanted", type=_ENDS, default="ready", show_default=True, help=_FOR)
@click.option("--timeout", "seconds", type=seconds_from(0), default=600, show_default=True, help="Seconds.")
@cluster_options
def wait(name: str, *, wanted: str, seconds: float, **options: Any) -> None:
    """Wait until a model serves what its manifest asks for. Fails at once where nothing leads there by itself."""
    with ended():
        from slipway.cli.live import in_a_line
        from slipway.cli.tree import tree

        kubectl, until, before = cluster(options), time.monotonic() + seconds, ""
        while True:
            model = read(kubectl, name, pods=False)
            if (line := in_a_line(tree(model))) != before:
                click.echo(f"{datetime.now(UTC):%H:%M:%S} {line}", err=True)
                before = line
            if (end := _end(model)) is not None:
                if not (end or wanted == "settled"):
                    raise click.ClickException(f"{plain(name)}: {line}; slipway why {plain(name)} says what to do")
                return
            if time.monotonic() >= until:
                raise TimeUpError(f"{plain(name)} is not ready after {seconds:g} s: {line}")
            time.sleep(_POLL_SECONDS)


def _end(model: Any) -> bool | None:
    """Whether it is ready; None while it may become so by itself."""
    ready = model.condition("Ready")
    if not model.is_looked_at or ready is None:
        return None
    if ready.status == "True":
        return True
    held = model.status.phase == "Suspended" or (model.status.phase == "Paused" and not _ends_by_itself(model))
    held = held or (model.soaks and model.status.refused is not None)  # somebody went back from what is asked for
    return False if held or (model.telling and model.telling.type == "Stalled") else None


def _ends_by_itself(model: Any) -> bool:
    """Whether a pause has an end that stands in status."""
    from slipway.cli.awaited import awaited

    awaits = awaited(model)
    return awaits is not None and awaits.until is not None
