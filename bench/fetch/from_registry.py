"""A bundle from a real OCI registry, beside `oras pull`, which verifies each layer's digest as well."""

from dataclasses import replace
from pathlib import Path

import click

from bench.fetch import timing
from bench.fetch.bundle import Made
from bench.fetch.order import order
from bench.fetch.programs import program
from bench.fetch.servers import registry
from bench.fetch.timing import FETCHER, Tool
from slipway.bundle.place import Place
from slipway.bundle.transfer import push

OURS, ORAS = "slipway-fetch", "oras pull"


def compare(made: Made, base: Path, mib: int, rounds: int) -> None:
    """Time the tools, and print the table."""
    with registry(base / "registry") as host:
        uri = f"oci://{host}/models/churn:3"
        push(made.directory, Place(uri=uri))
        pull = [str(program("oras")), "pull", "--plain-http", "--no-tty", "-o", str(base / "root")]
        tools = {
            OURS: Tool([[*FETCHER, "fetch"]], order(made, base, uri=uri)),
            ORAS: Tool([[*pull, uri.removeprefix("oci://")]]),
        }
        runs = timing.in_turn(tools, [base / "root"], mib, rounds)
        _check_all(base / "root", made)
    print("\n" + timing.table(runs, mib))
    ratio = timing.best(runs[ORAS]).seconds / timing.best(runs[OURS]).seconds
    print(f"\n{ratio:.0%} of the rate of oras\n", flush=True)


def _check_all(root: Path, made: Made) -> None:
    """oras passes over layers without a title, and says nothing to a script."""
    if (found := Made.of(root)) != replace(made, directory=root):
        raise click.ClickException(f"oras pulled {found.size} of {made.size} bytes")
