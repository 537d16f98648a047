"""The command `slipway`: each subcommand is imported when it is asked for.

The operator's image has `run` alone, and whoever packs a model does not wait for the operator's imports.
"""

import importlib
import importlib.util
import re
from importlib.metadata import version
from typing import Final

import click

from slipway import DISTRIBUTION

_COMMANDS: Final = {
    "run": "slipway.controller.main:run",
    "pack": "slipway.bundle.packing:pack",
    "shrink": "slipway.bundle.commands:shrink",
    "encrypt": "slipway.bundle.commands:encrypt",
    "sign": "slipway.bundle.commands:sign",
    "check": "slipway.bundle.commands:check",
    "evaluate": "slipway.bundle.evaluating:evaluate",
    "push": "slipway.bundle.moving:push",
    "pull": "slipway.bundle.moving:pull",
    "copy": "slipway.catalogue.copying:copy",
    "publish": "slipway.catalogue.commands:publish",
    "import": "slipway.catalogue.importing:import_models",
    "withdraw": "slipway.catalogue.commands:withdraw",
    "alias": "slipway.catalogue.commands:alias",
    "models": "slipway.catalogue.commands:list_models",
    "get": "slipway.cli.commands:get",
    "list": "slipway.cli.commands:list_models",
    "why": "slipway.cli.commands:why",
    "logs": "slipway.cli.logs:logs",
    "ask": "slipway.cli.ask:ask",
    "fit": "slipway.cli.fit:fit",
    "plan": "slipway.cli.commands:plan",
    "top": "slipway.cli.commands:top",
    "version": "slipway.cli.commands:show_version",
    "history": "slipway.cli.commands:history",
    "promote": "slipway.cli.verbs:promote",
    "abort": "slipway.cli.verbs:abort",
    "pause": "slipway.cli.verbs:pause",
    "resume": "slipway.cli.verbs:resume",
    "retry": "slipway.cli.verbs:retry",
    "rollback": "slipway.cli.verbs:rollback",
    "restart": "slipway.cli.verbs:restart",
    "accept": "slipway.cli.verbs:accept",
    "wait": "slipway.cli.verbs:wait",
    "console": "slipway.console.commands:console",
    "serve-console": "slipway.console.serve:serve_console",
}

_EXTRAS: Final = {
    "slipway.bundle": "bundle",
    "slipway.catalogue": "bundle",
    "slipway.cli": "cli",
    "slipway.console": "console",
}
"""What brings the packages that a folder's commands import."""


class Commands(click.Group):
    """Those subcommands whose code is installed."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """See click. Which cluster, and where in it, may stand before the command too, as kubectl has it."""
        scope, rest = _scope_before(args)
        if not scope or not rest:
            return super().parse_args(ctx, args)
        words = 2 if isinstance(self.get_command(ctx, rest[0]), click.Group) else 1
        return super().parse_args(ctx, [*rest[:words], *scope, *rest[words:]])

    def list_commands(self, ctx: click.Context) -> list[str]:
        """See click."""
        return [name for name, target in _COMMANDS.items() if _installed(target)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """See click."""
        target = _COMMANDS.get(cmd_name)
        if target is None or not _installed(target):
            return super().get_command(ctx, cmd_name)
        module, _, name = target.partition(":")
        try:
            command = getattr(importlib.import_module(module), name)
        except ModuleNotFoundError as error:
            extra = _EXTRAS.get(_package(target))
            if extra is None or error.name is None or error.name.startswith("slipway"):
                raise
            return _without_packages(cmd_name, error.name, extra)
        assert isinstance(command, click.Command)
        return command


def _scope_before(args: list[str]) -> tuple[list[str], list[str]]:
    """The options of kubectl's that stand first, and what comes after them."""
    place = 0
    while place < len(args) and (option := _SCOPE.match(args[place])):
        place += 1 if option["value"] else 2
    return args[:place], args[place:]


_SCOPE: Final = re.compile(r"(-n|--namespace|--context|--kubeconfig)(?P<value>(?<=-n).+|=.*)?$")


def _without_packages(name: str, module: str, extra: str) -> click.Command:
    """A command whose packages are not installed: it is listed, and says what to install."""
    needs = f"{module}: not installed; pip install '{DISTRIBUTION}[{extra}]'"

    def refuse(*_: str) -> None:
        raise click.ClickException(needs)

    takes_all = {"ignore_unknown_options": True, "help_option_names": []}
    rest = click.Argument(["rest"], nargs=-1, type=click.UNPROCESSED, expose_value=False)
    return click.Command(name, takes_all, refuse, [rest], short_help=f"(Needs the extra {extra}.)")


def _package(target: str) -> str:
    return ".".join(target.partition(":")[0].split(".")[:2])


def _installed(target: str) -> bool:
    return importlib.util.find_spec(_package(target)) is not None


@click.group(cls=Commands)
@click.version_option(version(DISTRIBUTION), prog_name="slipway")
def main() -> None:
    """Slipway serves models on NVIDIA Triton and moves them from version to version."""
