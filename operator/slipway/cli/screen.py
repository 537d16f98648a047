"""What views are drawn on: a width, with colour or without, in Unicode or in ASCII alone."""

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from slipway.cli.steps import Mark
from slipway.cli.text import plain

UNBOUNDED: Final = 10_000
"""Columns where there is no terminal: no line is broken, so that others can search in it."""


@dataclass(frozen=True, kw_only=True)
class Screen:
    """What is drawn on."""

    width: int = UNBOUNDED
    unicode: bool = True
    color: bool = False

    def mark(self, mark: Mark) -> str:
        """The sign of a step."""
        return (_SIGNS if self.unicode else _ASCII)[mark]


_SIGNS: Final = {Mark.DONE: "✔", Mark.NOW: "▶", Mark.TO_COME: "·"}
_ASCII: Final = {Mark.DONE: "ok", Mark.NOW: ">", Mark.TO_COME: "."}
_WELL: Final = frozenset({"Ready", "Soaking", "Success"})
_BAD: Final = frozenset({"Refused", "Stalled", "Degraded", "Failure"})
_HELD: Final = frozenset({"Paused", "Waiting", "Suspended", "Inconclusive", "RollingBack"})


class _Ascii(io.StringIO):
    """Rich draws for the encoding of what it writes to."""

    encoding = "ascii"


def drawn(shown: RenderableType, screen: Screen) -> str:
    """The text, without blanks at the ends of lines."""
    file = io.StringIO() if screen.unicode else _Ascii()
    console = Console(
        file=file,
        width=screen.width,
        force_terminal=screen.color,
        color_system="standard" if screen.color else None,
        no_color=not screen.color,
        highlight=False,
        markup=False,
        emoji=False,
        legacy_windows=False,
    )
    console.print(shown)
    text = "\n".join(line.rstrip() for line in file.getvalue().splitlines())
    if screen.unicode:
        return text + "\n"
    return text.replace("…", "...").encode("ascii", "backslashreplace").decode() + "\n"


def words(value: object, style: str = "") -> Text:
    """Anybody's text."""
    return Text(plain(value), style=style)


def style_of(word: str) -> str:
    """The colour of a phase, or of an outcome."""
    return "green" if word in _WELL else "bold red" if word in _BAD else "yellow" if word in _HELD else "cyan"


def table(
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    screen: Screen,
    *,
    coloured: str = "",
    spare: Sequence[str] = (),
) -> RenderableType:
    """Columns as kubectl has them. `coloured`: the column whose words have a colour. Where they do not fit, `spare`
    columns go, the first one first; where that is not enough there is a block of lines for each row, with all of them.
    """
    cells = [[plain(cell) for cell in row] for row in rows]
    for left_out in range(len(spare) + 1):
        kept = [at for at, name in enumerate(head) if name not in spare[:left_out]]
        widest = (max(len(row[at]) for row in (head, *cells)) for at in kept)
        if sum(widest) + len(_GAP) * (len(kept) - 1) <= screen.width:
            return _table([head[at] for at in kept], [[row[at] for at in kept] for row in cells], coloured)
    return Group(*(_block(head, row, coloured) for row in cells))


def _table(head: Sequence[str], cells: Iterable[Sequence[str]], coloured: str) -> Table:
    grid = Table(box=None, pad_edge=False, padding=(0, len(_GAP), 0, 0), header_style="bold")
    for name in head:
        grid.add_column(name, no_wrap=True)
    for row in cells:
        grid.add_row(*(_cell(name, cell, coloured) for name, cell in zip(head, row, strict=True)))
    return grid


_GAP: Final = "  "


def pairs(lines: Iterable[tuple[str, Text]]) -> Table:
    """Names and what is to be said of each; what has nothing is left out."""
    grid = Table.grid(padding=(0, len(_GAP), 0, 0))
    grid.add_column(style="bold", overflow="fold")  # a long name leaves room for what is said of it
    grid.add_column(overflow="fold")
    for name, text in lines:
        if text:
            grid.add_row(name, text)
    return grid


def _block(head: Sequence[str], row: Sequence[str], coloured: str) -> RenderableType:
    block = pairs((name, _cell(name, cell, coloured)) for name, cell in zip(head, row, strict=True))
    return Group(block, Text())


def _cell(name: str, cell: str, coloured: str) -> Text:
    return Text(cell, style_of(cell) if name == coloured else "")
