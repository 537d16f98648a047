"""`python -m testbed COMMAND`."""

import sys

import click

from testbed import tools
from testbed.say import MissingError, console
from testbed.shell import CommandError


@click.group()
def main() -> None:
    """Brings up what the project needs on this machine, and takes it down again."""


@main.command("tools")
@click.argument("names", nargs=-1)
def build_tools(names: tuple[str, ...]) -> None:
    """Build the programs that are absent (all, or those named) and print where they are."""
    for program in names or [program for recipe in tools.RECIPES for program in recipe.programs]:
        console.print(f"{tools.find(program)}", markup=False)


if __name__ == "__main__":
    try:
        main()
    except (MissingError, CommandError) as problem:
        console.print(f"[red]{type(problem).__name__}[/red]", end=": ")
        console.print(str(problem), markup=False)
        sys.exit(1)
