"""`get --watch`: the tree redrawn in a terminal; without one, a line for each change."""

import sys
from collections.abc import Iterator
from datetime import UTC, datetime

import click

from slipway.cli.console import screen
from slipway.cli.draw_tree import tree_of
from slipway.cli.kubectl import Kubectl
from slipway.cli.model import Model
from slipway.cli.screen import Screen, drawn
from slipway.cli.text import plain
from slipway.cli.tree import ModelTree, tree
from slipway.cli.watching import Seen, seen


def follow(kubectl: Kubectl, name: str) -> None:
    """Until somebody ends it, or the model is gone."""
    on = screen()
    states = seen(kubectl, name)
    try:
        if sys.stdout.isatty():
            _redraw(states, name)
        else:
            for line in lines(states, name):
                click.echo(line if on.unicode else line.encode("ascii", "backslashreplace").decode())
                sys.stdout.flush()
    except KeyboardInterrupt:
        click.echo()
    finally:
        states.close()


def _redraw(states: Iterator[Seen], name: str) -> None:
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    with Live(console=Console(highlight=False), auto_refresh=False, vertical_overflow="crop") as live:
        for state in states:
            live.update(Text.from_ansi(picture(state, name, screen(), datetime.now(UTC))), refresh=True)


def picture(state: Seen, name: str, on: Screen, now: datetime) -> str:
    """The tree; above it, that the cluster does not answer, since then."""
    above = ""
    if state.lost:
        since = state.lost_at or now
        above = f"since {since:%H:%M:%S} UTC no answer, trying again; what follows is older: {plain(state.lost)}\n"
    elif state.without_pods:
        above = f"{_without_pods(state)}\n"
    if state.model is None:
        return f"{above}{plain(name)}: not there; waiting for it\n"
    view = tree(Model.read(state.model, state.pods.values()))
    return above + drawn(tree_of(view, on, now), on)


def lines(states: Iterator[Seen], name: str) -> Iterator[str]:
    """A line for each change of phase, shares, pods or message, and for each loss of the cluster or of its pods."""
    before, lacking = "", ""
    for state in states:
        if not state.lost and lacking != (lacking := _without_pods(state)) and lacking:
            yield f"{datetime.now(UTC):%H:%M:%S} {lacking}"
        if state.lost:
            line = f"no answer, trying again: {plain(state.lost)}"
        elif state.model is None:
            line = f"{plain(name)}: not there"
        else:
            line = in_a_line(tree(Model.read(state.model, state.pods.values())))
        if line != before:
            before = line
            yield f"{datetime.now(UTC):%H:%M:%S} {line}"


def _without_pods(state: Seen) -> str:
    return f"pods are not followed: {plain(state.without_pods)}" if state.without_pods else ""


def in_a_line(view: ModelTree) -> str:
    """Phase, each revision with its share and pods, and the message."""
    revisions = ", ".join(f"{each.version} {each.share}% {each.available}/{each.replicas}" for each in view.revisions)
    return plain(f"{view.phase}; {revisions or '-'}; {view.message}")
