"""The commands that move bundles between directories and stores."""

import logging
import sys
from pathlib import Path
from typing import Any, Final

import click

from slipway.bundle.console import DIRECTORY, errors_reported, format_option, print_columns, print_json, say, size
from slipway.guard.printable import LineFormatter

_KEYS = "A directory of keys, a file a variable, as the fetcher's Secret. [default: the environment]"
_ENDPOINT = "Of an S3 store that is not AWS. [default: AWS_ENDPOINT_URL]"
_QUICK_MILLISECONDS: Final = 5000.0
endpoint_option = click.option("--endpoint", envvar="AWS_ENDPOINT_URL", help=_ENDPOINT)
keys_option = click.option("--keys", type=DIRECTORY, help=_KEYS)
anonymous_option = click.option("--anonymous", is_flag=True, help="A public bucket, read without keys.")
digest_option = click.option("--digest", help="What must be there: sha256:….")


@click.command()
@click.argument("bundle", type=DIRECTORY)
@click.argument("uri")
@endpoint_option
@keys_option
@format_option
def push(bundle: Path, uri: str, *, endpoint: str | None, keys: Path | None, form: str) -> None:
    """Put BUNDLE at URI, where nothing else is. The same bytes once more do nothing."""
    with errors_reported():
        from slipway.bundle.place import Place
        from slipway.bundle.transfer import push as library

        log_progress()
        moved = library(bundle, Place(uri=uri, endpoint=endpoint, keys=keys), say=say)
    print_moved(moved.document(), form)


@click.command()
@click.argument("uri")
@click.argument("out", type=DIRECTORY)
@digest_option
@endpoint_option
@keys_option
@anonymous_option
@click.option("--replace", is_flag=True, help="Put it in place of the bundle that is at OUT.")
@format_option
def pull(uri: str, out: Path, *, replace: bool, form: str, **place: Any) -> None:
    """Get the bundle at URI into the directory OUT, each file verified."""
    with errors_reported():
        from slipway.bundle.place import Place
        from slipway.bundle.transfer import pull as library

        log_progress()
        moved = library(Place(uri=uri, **place), out, replace=replace, say=say)
    print_moved(moved.document(), form)


def log_progress() -> None:
    """Progress as the fetcher logs it, of what takes longer than a few seconds."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LineFormatter())
    handler.addFilter(lambda record: record.relativeCreated > _QUICK_MILLISECONDS)
    progress = logging.getLogger("slipway.fetch.progress")
    progress.addHandler(handler)
    progress.setLevel(logging.INFO)
    progress.propagate = False


def print_moved(facts: dict[str, Any], form: str) -> None:
    """Where a bundle is now."""
    if form == "json":
        print_json(facts)
        return
    moved = (
        f"{facts['files']} files, {size(facts['bytes'])}" if facts["files"] else "nothing: its bytes are there already"
    )
    signed = "yes" if facts["signed"] else "no"
    print_columns([("digest", facts["digest"]), ("where", facts["where"]), ("moved", moved), ("signed", signed)])
