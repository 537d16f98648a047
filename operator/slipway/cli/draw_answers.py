"""The answers of a model for people: a line for each request, and what was answered where nobody says what is right."""

from collections.abc import Iterable

from rich.console import Group, RenderableType
from rich.text import Text

from slipway.cli.answers import Answers, Asked, Outcome, in_lines
from slipway.cli.screen import Screen, pairs, table, words
from slipway.cli.text import plain


def answers_of(view: Answers, screen: Screen) -> RenderableType:
    """Who answered, then what."""
    who = words(f"{view.name}: version {view.version} (revision {view.revision}), pod {view.pod}", "bold")
    cells = [[each.request, each.outcome, _time(each)] for each in view.asked]
    return Group(
        who,
        table(["REQUEST", "ANSWER", "TIME"], cells, screen),
        pairs(line for each in view.asked for line in _lines(each)),
        *(words(remark, "yellow") for remark in view.remarks),
    )


def _time(each: Asked) -> str:
    return "-" if each.milliseconds is None else f"{each.milliseconds:g} ms"


def _lines(each: Asked) -> Iterable[tuple[str, Text]]:
    """What is wrong; what was answered, where nobody says what is right."""
    yield plain(each.request), words(each.words, "bold red")
    if each.outcome is Outcome.ANSWERED:
        yield from ((name, words(text)) for name, text in in_lines(each.outputs))
