"""`kubectl slipway`: the same command as a plugin of kubectl, and its completion in the form that kubectl asks for."""

import sys
from typing import Final

import click
from click.shell_completion import ShellComplete

from slipway.program import main as command

_PROGRAM: Final = "kubectl slipway"
_NO_FILES: Final = 4
"""cobra's ShellCompDirectiveNoFileComp."""
_FILES: Final = 0


def main() -> None:
    """`kubectl-slipway`, which kubectl runs for `kubectl slipway`."""
    command(prog_name=_PROGRAM)


def complete() -> None:
    """`kubectl_complete-slipway`: what may stand in the place of the last word, a line each, and cobra's directive."""
    *before, incomplete = sys.argv[1:] or [""]
    completions = ShellComplete(command, {}, _PROGRAM, "").get_completions(before, incomplete)
    for each in completions:
        if each.type == "plain":
            click.echo(f"{each.value}\t{each.help}" if each.help else each.value)
    click.echo(f":{_FILES if any(each.type != 'plain' for each in completions) else _NO_FILES}")
