"""The command `slipway`: each subcommand is imported when it is asked for.

The operator's image has `run` alone, and whoever packs a model does not wait for the operator's imports.
"""

import importlib
import importlib.util
from importlib.metadata import version
from typing import Final

import click

_COMMANDS: Final = {
    "run": "slipway.controller.main:run",
    "pack": "slipway.bundle.packing:pack",
    "shrink": "slipway.bundle.commands:shrink",
    "encrypt": "slipway.bundle.commands:encrypt",
    "sign": "slipway.bundle.commands:sign",
    "check": "slipway.bundle.commands:check",
    "push": "slipway.bundle.moving:push",
    "pull": "slipway.bundle.moving:pull",
    "copy": "slipway.bundle.moving:copy",
    "publish": "slipway.catalogue.commands:publish",
    "withdraw": "slipway.catalogue.commands:withdraw",
    "alias": "slipway.catalogue.commands:alias",
    "list": "slipway.catalogue.commands:list_models",
}


class Commands(click.Group):
    """Those subcommands whose code is installed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """See click."""
        return [name for name, target in _COMMANDS.items() if _installed(target)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """See click."""
        target = _COMMANDS.get(cmd_name)
        if target is None or not _installed(target):
            return super().get_command(ctx, cmd_name)
        module, _, name = target.partition(":")
        command = getattr(importlib.import_module(module), name)
        assert isinstance(command, click.Command)
        return command


def _installed(target: str) -> bool:
    package = ".".join(target.partition(":")[0].split(".")[:2])
    return importlib.util.find_spec(package) is not None


@click.group(cls=Commands)
@click.version_option(version("slipway"), prog_name="slipway")
def main() -> None:
    """Slipway serves models on NVIDIA Triton and moves them from version to version."""
