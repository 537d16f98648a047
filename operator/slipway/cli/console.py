"""What all commands share: which cluster, how a result is printed, and how each one ends.

Exit codes: 0 done, 1 failed, 2 usage, 3 the time is up.
"""

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click
import yaml

from slipway.api.v1alpha1 import MODELS
from slipway.cli.kubectl import Kubectl, KubectlError
from slipway.cli.model import UnreadableError
from slipway.cli.requests import NothingToAskError
from slipway.cli.text import plain
from slipway.core.names import is_name

if TYPE_CHECKING:
    from rich.console import RenderableType

    from slipway.cli.screen import Screen

F = TypeVar("F", bound=Callable[..., Any])

TIMEOUT: Final = 3
"""Exit code."""
_COMPLETES_SECONDS: Final = 3
KIND: Final = "modeldeployment.serving.slipway.dev"


class TimeUpError(click.ClickException):
    """What was waited for did not come."""

    exit_code = TIMEOUT


def cluster_options(command: F) -> F:
    """Which cluster, and where in it; as kubectl has them."""
    command = click.option("-n", "--namespace", help="[default: the context's]")(command)
    command = click.option("--context", help="Of the kubeconfig.")(command)
    return click.option("--kubeconfig", type=click.Path(), help="[default: KUBECONFIG, or ~/.kube/config]")(command)


def form_option(command: F) -> F:
    """How the result is printed."""
    forms = click.Choice(["text", "json", "yaml", "name"])
    return click.option("-o", "--output", "form", type=forms, default="text", help="How it is printed.")(command)


def _names(context: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """Of the models that there are, for a shell; none where the cluster does not say."""
    try:
        said = cluster(context.params)("get", MODELS, "-o", "name", seconds=_COMPLETES_SECONDS)
    except KubectlError:
        return []
    names = (plain(line.partition("/")[2]) for line in said.splitlines())
    return [name for name in names if name.startswith(incomplete)]


def _checked_name(_: click.Context, __: click.Parameter, name: str) -> str:
    """What kubectl would take for an option, or a selector for more than a name, is none."""
    if not is_name(name):
        raise click.BadParameter(f"{plain(name)} is no name of a ModelDeployment; slipway list -A shows what there is")
    return name


name_argument: Final = click.argument("name", shell_complete=_names, callback=_checked_name)


@contextmanager
def ended() -> Iterator[None]:
    """What goes wrong, as one sentence and the exit code 1."""
    try:
        yield
    except (KubectlError, NothingToAskError, UnreadableError) as error:
        raise click.ClickException(plain(error)) from None
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("slipway"):
            raise
        raise click.ClickException(f"{error.name}: not installed; pip install 'slipway-serving[cli]'") from None
    except BrokenPipeError:  # whoever reads has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def screen() -> "Screen":
    """What standard output is."""
    from slipway.cli.screen import UNBOUNDED, Screen

    terminal = sys.stdout.isatty()
    given = os.environ.get("COLUMNS", "")
    bounded = terminal or given.isdecimal()
    return Screen(
        width=max(20, shutil.get_terminal_size().columns) if bounded else UNBOUNDED,
        unicode=_has_unicode(),
        color=terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb",
    )


def _has_unicode() -> bool:
    """Python makes UTF-8 of the locale C and says so in LC_CTYPE; the terminal has not become another by that."""
    spoken = os.environ.get("LC_ALL") or os.environ.get("LANG") or ""
    if spoken in ("", "C", "POSIX"):
        named = os.environ.get("LC_CTYPE", "")
        return bool(named) and named != "C.UTF-8" and "UTF-8" in named.upper()
    return "utf" in (sys.stdout.encoding or "").lower()


def show(view: Any, form: str, draw: "Callable[[Screen], RenderableType]", names: "list[str]") -> None:
    """A view in the form that was asked for. `names`: what `-o name` prints."""
    from slipway.cli.tree import document

    if form == "json":
        click.echo(json.dumps(document(view), indent=2))
    elif form == "yaml":
        click.echo(yaml.safe_dump(document(view), sort_keys=False), nl=False)
    elif form == "name":
        click.echo("".join(f"{KIND}/{plain(name)}\n" for name in names), nl=False)
    else:
        put(draw)


def put(draw: "Callable[[Screen], RenderableType]") -> None:
    """Text for people."""
    from slipway.cli.screen import drawn

    on = screen()
    click.echo(drawn(draw(on), on), nl=False, color=on.color)


def cluster(options: "dict[str, Any]") -> Kubectl:
    """kubectl by the options of `cluster_options`."""
    return Kubectl(
        context=options.get("context"), kubeconfig=options.get("kubeconfig"), namespace=options.get("namespace")
    )
