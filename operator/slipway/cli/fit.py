"""`slipway fit`: which rate one pod of a model holds, and how many pods a rate takes."""

import signal
from typing import Any, Final

import click

from slipway.api.scalars import duration
from slipway.cli.console import TIMEOUT, cluster, cluster_options, ended, form_option, name_argument, show
from slipway.cli.requests import NothingToAskError
from slipway.cli.text import plain
from slipway.option_types import Finite

_LEAST_SECONDS: Final = 30
_RATES: Final = Finite(0, 10**10, above=True)
"""As many requests a second as an autoscaler can be asked for: so many pods, of so much capacity each."""


def _time(_: click.Context, __: click.Parameter, text: str) -> float:
    """Seconds."""
    try:
        seconds = duration(text).total_seconds()
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
    if seconds <= 0:
        raise click.BadParameter(f"{text} must be more than zero")
    return seconds


@click.command()
@name_argument
@click.option("--rps", type=_RATES, required=True, help="Requests a second, of all clients.")
@click.option("--p99", "objective", callback=_time, required=True, help="What 99 of 100 answers may take, as 50ms.")
@click.option("--model", "part", help="Another model of the bundle. [default: the one that clients ask]")
@click.option("--candidate", is_flag=True, help="The version on its way. [default: the one that serves]")
@click.option("--revision", help="This revision.")
@click.option("--extra-pod", is_flag=True, help="Make a pod for it that no Service reaches; it goes at the end.")
@click.option("--on-serving", is_flag=True, help="Ask a pod that clients reach: they will feel it.")
@click.option("--timeout", "seconds", callback=_time, default="5m", show_default=True, help="For all of it.")
@cluster_options
@form_option
def fit(
    name: str,
    *,
    rps: float,
    objective: float,
    part: str | None,
    candidate: bool,
    revision: str | None,
    extra_pod: bool,
    on_serving: bool,
    seconds: float,
    form: str,
    **options: Any,
) -> None:
    """Find how many requests a second one pod holds, how many pods a rate takes, and what to write for autoscaling.
    Golden requests are asked within a pod without traffic, at rates that are doubled and halved."""
    if seconds < _LEAST_SECONDS:
        raise click.UsageError(f"--timeout: {_LEAST_SECONDS} s are the least that rounds can be made in")
    if extra_pod and on_serving:
        raise click.UsageError("--extra-pod makes a pod without traffic: leave --on-serving out")
    # Whatever ends this ends it as Ctrl-C does: nothing is left behind.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    with ended():
        from slipway.cli.draw_fit import fitted_of
        from slipway.cli.fitted import Outcome
        from slipway.cli.fitting import Wanted
        from slipway.cli.fitting import fit as find
        from slipway.cli.questions import QuestionError

        wanted = Wanted(
            rps=rps,
            objective=objective,
            part=part,
            revision=revision,
            candidate=candidate,
            extra_pod=extra_pod,
            on_serving=on_serving,
            seconds=seconds,
        )
        try:
            result = find(cluster(options), name, wanted, lambda words: click.echo(plain(words), err=True))
        except QuestionError as error:
            raise NothingToAskError(str(error)) from None
        show(result, form, lambda on: fitted_of(result, on), [name])
        if result.outcome != Outcome.HELD:
            raise click.exceptions.Exit(TIMEOUT if result.outcome == Outcome.TIME else 1)
