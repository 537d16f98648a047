"""`slipway ask`: a model's golden requests, or somebody's own, sent to a pod that serves it."""

from typing import Any, BinaryIO, Final

import click

from slipway.cli.console import cluster, cluster_options, ended, form_option, name_argument, show
from slipway.cli.requests import NothingToAskError
from slipway.option_types import seconds_from

_MOST_BYTES: Final = 64 << 20
_GOLDEN: Final = "golden"


@click.command()
@name_argument
@click.argument("what", default=_GOLDEN, metavar="[golden|FILE]")
@click.option("--input", "inputs", multiple=True, metavar="NAME=VALUE", help="A request of your own, input by input.")
@click.option("--candidate", is_flag=True, help="Ask the version on its way. [default: the one that serves]")
@click.option("--revision", help="Ask this revision.")
@click.option("--timeout", "seconds", type=seconds_from(1), default=60, show_default=True, help="Seconds for all.")
@cluster_options
@form_option
def ask(
    name: str,
    what: str,
    *,
    inputs: tuple[str, ...],
    candidate: bool,
    revision: str | None,
    seconds: float,
    form: str,
    **options: Any,
) -> None:
    """Ask a served model, through a port-forward: its golden requests, a request in a FILE (V2 JSON; - is standard
    input), or your own inputs. Fails where an answer is wrong, or does not come."""
    if inputs and what != _GOLDEN:
        raise click.UsageError("--input makes a request of its own: leave FILE out")
    with ended():
        from slipway.cli.asking import Wanted
        from slipway.cli.asking import ask as ask_model
        from slipway.cli.draw_answers import answers_of
        from slipway.cli.questions import QuestionError, of_file

        try:
            requests = () if what == _GOLDEN else tuple(of_file(_content(what), what))
            wanted = Wanted(requests=requests, inputs=inputs, candidate=candidate, revision=revision, seconds=seconds)
            answers = ask_model(cluster(options), name, wanted)
        except QuestionError as error:
            raise NothingToAskError(str(error)) from None
        show(answers, form, lambda on: answers_of(answers, on), [name])
        if not answers.well:
            raise click.exceptions.Exit(1)


def _content(file: str) -> bytes:
    try:
        with click.open_file(file, "rb") as opened:
            stream: BinaryIO = opened  # type: ignore[assignment]
            content = stream.read(_MOST_BYTES + 1)
    except OSError as error:
        raise NothingToAskError(
            f"{file}: {error.strerror or error}; give a file with a request, or leave it out"
        ) from None
    if len(content) > _MOST_BYTES:
        raise NothingToAskError(f"{file}: {_MOST_BYTES >> 20} MiB are the most; give a smaller request")
    return content
