"""What the commands share: how a result is printed, and how a fault ends them."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import click

from slipway.bundle.errors import BundleError

DIRECTORY: Final = click.Path(path_type=Path)
FILE: Final = click.Path(path_type=Path, exists=True, dir_okay=False)

format_option: Final = click.option(
    "-o", "--output", "form", type=click.Choice(["text", "json"]), default="text", help="How the result is printed."
)


@contextmanager
def told() -> Iterator[None]:
    """What goes wrong, as one sentence and the exit code 1."""
    try:
        yield
    except BundleError as error:
        raise click.ClickException(_printable(str(error))) from None
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("slipway"):
            raise
        raise click.ClickException(f"{error.name}: not installed; pip install 'slipway[bundle]'") from None


def say(text: str) -> None:
    """What is being done, to people."""
    click.echo(f"{text} …", err=True)


def print_json(found: Mapping[str, Any]) -> None:
    """The result to programs."""
    json.dump(found, sys.stdout, indent=2, ensure_ascii=False, allow_nan=False)
    sys.stdout.write("\n")


def print_columns(rows: Sequence[Sequence[str]]) -> None:
    """Rows of cells, aligned."""
    rows = [[_printable(cell) for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        click.echo("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())


def _printable(text: str) -> str:
    """A stranger's bundle names tensors and files as it likes, also in orders to a terminal."""
    return "".join(c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in text)


def size(count: int) -> str:
    """A number of bytes, to people."""
    return f"{count / 2**20:.1f} MiB" if count >= 2**20 else f"{count / 2**10:.1f} KiB"


def about(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What is known of a bundle, a row each."""
    model = found["model"]
    rows = [("digest", found["digest"]), ("size", size(found["size"])), ("golden requests", str(found["golden"]))]
    rows += [("backend", model["backend"]), ("max batch size", str(model["maxBatchSize"]))]
    rows += [("takes", f"{name} {datatype} {dims}") for name, datatype, dims in model["inputs"]]
    rows += [("gives", f"{name} {datatype} {dims}") for name, datatype, dims in model["outputs"]]
    return rows + [("part", f"{part['name']} {part['backend']}") for part in model.get("parts", ())]
