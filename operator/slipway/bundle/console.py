"""What the commands share: how a result is printed, and how a fault ends them."""

import atexit
import json
import os
import re
import signal
import sys
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import click

from slipway.bundle.errors import BundleError
from slipway.guard.printable import STEERS, printable, printable_lines

DIRECTORY: Final = click.Path(path_type=Path)
_ENDS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
FILE: Final = click.Path(path_type=Path, exists=True, dir_okay=False)

format_option: Final = click.option(
    "-o", "--output", "form", type=click.Choice(["text", "json"]), default="text", help="How the result is printed."
)


FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "source.uri": ("the address",),
    "source.digest": ("--digest",),
    "source.secretName": ("KEYS", "--keys"),
    "source.s3.endpoint": ("AWS_ENDPOINT_URL", "--endpoint"),
    "source.s3.region": ("AWS_REGION",),
    "source.decryption": ("--identity",),
    "source.signature": ("--key",),
    "s3.anonymous": ("--anonymous",),
    "server.args": ("--server-arg",),
    "server.image": ("the tritonserver on PATH, and TRITON_SERVER_VERSION",),
    "server.leastVersion": ("--least-server-version",),
    "server.startupTimeout": ("--timeout-seconds",),
}
"""What a command has in the place of fields of a manifest, which the words of the fetcher and the guard name. `KEYS`
are those of the store that the message is about."""
KEYS: Final[Mapping[str, str]] = {
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "gs": "GOOGLE_SERVICE_ACCOUNT_KEY",
    "az": "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
    "hf": "HF_TOKEN",
    "oci": "docker's login, or SLIPWAY_USERNAME and SLIPWAY_PASSWORD,",
    "https": "SLIPWAY_USERNAME and SLIPWAY_PASSWORD",
}
"""By the scheme of an address, what of the environment bundle/place.py hands over."""
_STORE: Final = re.compile(rf"\b({'|'.join(KEYS)})://")
_AT_AWS: Final = re.compile(r"no connection to https?://\S*\bamazonaws\.com\b")


def in_place_of_fields(message: str, options: Collection[str]) -> str:
    """Of the fields that a message names, what a command with these options has instead, in a line of its own."""
    said = []
    for field, ways in FIELDS.items():
        have = [_way(way, message) for way in ways if not way.startswith("--") or way in options]
        if have and re.search(rf"\b{re.escape(field)}\b", message):
            said.append(f"{field} is {' or '.join(have)}")
    if _AT_AWS.search(message):
        option = " or --endpoint" if "--endpoint" in options else ""
        said.append(f"a store that is not AWS is named by AWS_ENDPOINT_URL{option}")
    return f"\nHere {'; '.join(said)}." if said else ""


def _way(way: str, message: str) -> str:
    """The variables in the place of `KEYS`, by the first address in the message."""
    if way != "KEYS":
        return way
    about = _STORE.search(message)
    return f"{KEYS[about[1]]} in the environment" if about else "the keys in the environment"


def _options() -> set[str]:
    """Of the command that runs."""
    context = click.get_current_context(silent=True)
    return {word for parameter in (context.command.params if context else ()) for word in parameter.opts}


@contextmanager
def errors_reported() -> Iterator[None]:
    """What goes wrong, as one sentence and the exit code 1; who ends it waits for nothing but the tidying up."""
    try:
        with _ended_by_signals():
            yield
    except BundleError as error:
        said = in_place_of_fields(str(error), _options())
        raise click.ClickException(printable_lines(str(error)) + said) from None
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("slipway"):
            raise
        raise click.ClickException(f"{error.name}: not installed; pip install 'slipway-serving[bundle]'") from None
    except OSError as error:
        raise click.ClickException(printable(_of_system(error))) from None
    except _Ended as ended:
        click.echo("Aborted!", err=True)
        atexit._run_exitfuncs()  # noqa: SLF001 - there a cluster's client takes the keys away that it put into files
        os._exit(128 + ended.number)  # a thread may still wait for a store's answer: nobody waits for it


class _Ended(BaseException):
    """Somebody ends the program, by this signal."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Each signal tidies up: scratch directories hold keys and plaintext, and a server may run."""

    def end(number: int, _: object) -> None:
        raise _Ended(number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    asked = [number for number in _ENDS if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, end) for number in asked}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _of_system(error: OSError) -> str:
    """A full disk, a place that may not be written: what it is about, in the system's words."""
    why = error.strerror or str(error) or type(error).__name__
    about = f"{os.fsdecode(error.filename)}: " if isinstance(error.filename, (str, bytes, os.PathLike)) else ""
    return f"{about}{why}; see to the file, its directory and the disk"


def say(text: str) -> None:
    """What is being done, to people."""
    click.echo(f"{printable(text)} …", err=True)


def print_line(text: str) -> None:
    """A line of the result, to people."""
    click.echo(printable(text))


def print_json(document: Mapping[str, Any]) -> None:
    """The result to programs; what would steer a terminal is written as JSON's escapes."""
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
    text = "\n".join(STEERS.sub(lambda match: f"\\u{ord(match[0]):04x}", line) for line in text.split("\n"))
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        text = json.dumps(document, indent=2, allow_nan=False)
    sys.stdout.write(f"{text}\n")


def print_columns(rows: Sequence[Sequence[str]]) -> None:
    """Rows of cells, aligned."""
    rows = [[printable(cell) for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        click.echo("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())


def size(count: int) -> str:
    """A number of bytes, to people."""
    return f"{count / 2**20:.1f} MiB" if count >= 2**20 else f"{count / 2**10:.1f} KiB"


def about(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What is known of a bundle, a row each."""
    model = facts["model"]
    rows = [("digest", facts["digest"]), ("size", size(facts["size"])), ("golden requests", str(facts["golden"]))]
    rows += [("backend", model["backend"]), ("max batch size", str(model["maxBatchSize"]))]
    rows += [("takes", f"{name} {datatype} {dims}") for name, datatype, dims in model["inputs"]]
    rows += [("gives", f"{name} {datatype} {dims}") for name, datatype, dims in model["outputs"]]
    return rows + [("part", f"{part['name']} {part['backend']}") for part in model.get("parts", ())]
